"""What one observer has seen: facts and the health of its sight go in, observations come out. Pure; `liveness` judges.

A store says "this row was stamped 7 s ago". Three clocks could have lied by then (the agent's, the store's, ours), the
row may be older than the one read before it (a fail-over to a lagging replica, a restored backup), and a whole store
may be new. So an observation believes as little as it can:

* A beat is a change that this observer read itself: another incarnation or a higher sequence, stamped at most T ago.
  All else is a baseline, something to compare the next read with: an older stamp, a lower sequence, the first read of
  an observer, whatever is read in a pass in which the store's epoch changed. A baseline's stamp counts as the time of
  the last beat, but a baseline raises nobody from the dead.
* The time of a beat is fixed when it is read, on the observer's monotonic clock: now less the age, never before the
  observer's previous healthy read (it was not there then). It does not move afterwards, whatever a clock does. An age
  below zero (the store's clock went back) is zero. The store's clock is compared with itself alone.
* What a beat says of its service (`well`) is believed of beats alone: a baseline may be of the past.
* A leave is something written. A row that is absent says nothing: caches evict, tables are truncated.

`Watch` is the other half: how good was the looking? It keeps two starting points, since two things can break.

* `sight`: since when this observer has looked without a gap of its own (its start, a pause, a suspend). After a gap it
  must look for C before it may say that somebody is silent: an agent that lives writes twice in C.
* `store_back`: since when the store has served without an interruption (an outage, a restart, a fail-over). After one
  it takes T: ten thousand agents that come back at once need time, and they had no way to beat.

A failed pass is no interruption. More than I/2 without a healthy one is, and it is the store's when the observer was
looking all the while, the observer's when it was not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from servicegroup.model import Fact, Policy, State

REMEMBERED_OWNERS = 4
"""Incarnations that held a row before: enough to see two agents take it from each other, small for ten thousand rows.
"""

WELL = {State.HEALTHY: True, State.UNHEALTHY: False}
"""What an agent that checks its service says of it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at a store, in seconds of the observer's monotonic clock.

    `asked` and `now` are its start and end; `epoch` is None when it was not healthy; `stall` is for how long the
    observer itself stood still in it, at most.
    """

    asked: float
    now: float
    epoch: str | None = None
    facts: tuple[Fact, ...] = ()
    stall: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.epoch is not None


@dataclass(frozen=True, slots=True)
class Watch:
    """How good one observer's sight of a group is; every time is of its monotonic clock."""

    ended: float | None = None
    healthy: float | None = None
    looking: float = 0.0
    sight: float | None = None
    store_back: float | None = None
    broken: bool = False
    epoch: str | None = None
    rebased: bool = False
    blind: float | None = None

    def watched(self, policy: Policy, *, now: float) -> bool:
        """Whether who is silent now may be called dead: C of sight, and T of a store that serves."""
        if self.sight is None or self.store_back is None or self.broken:
            return False
        return now - self.sight >= policy.sight and now - self.store_back >= policy.down_time

    def blind_for(self, *, now: float) -> float:
        """Seconds in which no death could have been found (rule 10)."""
        return 0.0 if self.blind is None else max(0.0, now - self.blind)


def together(watches: Iterable[Watch], *, policy: Policy, now: float) -> Watch:
    """The watch over several stores at once: as good as the worst of them. One that was not seen healthy for longer
    than a gap may be is no sight at all, whatever it was before.
    """
    first, *rest = watches
    for other in rest:
        recent = other.healthy is not None and now - other.healthy <= policy.longest_gap
        first = replace(
            first,
            sight=_later(first.sight, other.sight if recent else None),
            store_back=_later(first.store_back, other.store_back),
            broken=first.broken or other.broken,
        )
    return first


def _later(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def look(before: Watch, seen: Pass, *, policy: Policy) -> Watch:
    """The watch after one more pass."""
    gap = policy.longest_gap
    stalled = seen.stall > gap
    interrupted = stalled or before.ended is None or seen.asked - before.ended > gap
    looking = before.looking if not interrupted else seen.now if stalled else seen.asked
    after = replace(
        before,
        ended=seen.now,
        looking=looking,
        sight=None if interrupted else before.sight,
        broken=before.broken or seen.now - looking > gap,
        rebased=False,
    )
    if seen.healthy:
        after = _served(after, seen)
    blind = None if seen.healthy and after.watched(policy, now=seen.now) else _first(before.blind, seen.now)
    return replace(after, blind=blind)


def _served(after: Watch, seen: Pass) -> Watch:
    changed = after.epoch is not None and after.epoch != seen.epoch
    return replace(
        after,
        healthy=seen.now,
        looking=seen.now,
        sight=_first(after.sight, seen.now),
        store_back=seen.now if after.broken or changed else _first(after.store_back, seen.now),
        broken=False,
        epoch=seen.epoch,
        rebased=changed,
    )


def _first(earlier: float | None, now: float) -> float:
    return now if earlier is None else earlier


@dataclass(frozen=True, slots=True)
class Observation:
    """What the observer saw of one member.

    `beat` is the time of its last beat, `fresh` when the last change was read (None: only baselines so far), `met` when
    the first row of this incarnation was read, `past` the owners before this one, `flips` when ownership went back to
    one of them; `well` is what the last beat said of its service, None when it said nothing. Without an incarnation
    there is no row: `beat` is then only the time that it cannot be younger than.
    """

    incarnation: str
    sequence: int
    interval: float
    state: State
    beat: float
    fresh: float | None = None
    met: float = float("-inf")
    past: tuple[str, ...] = ()
    flips: tuple[float, ...] = ()
    well: bool | None = None

    def silent_for(self, *, now: float) -> float:
        return now - self.beat

    def duplicate(self, policy: Policy, *, now: float) -> bool:
        """Whether two agents took this member from each other, twice, not long ago (rule 9)."""
        return len(self.flips) == 2 and now - self.flips[0] <= 2 * policy.down_time  # noqa: PLR2004 - "twice"


def observe(
    before: Mapping[str, Observation],
    facts: Iterable[Fact],
    *,
    watch: Watch,
    previous: float | None,
    policy: Policy,
    stall: float = 0.0,
) -> dict[str, Observation]:
    """The observations after a healthy pass: `watch` is that pass's, `previous` the time of the healthy one before.

    An observer that stood still in the pass for `stall` may have read the facts that long ago.
    """
    now = watch.healthy
    if now is None:
        raise ValueError("facts are observed in healthy passes only")
    since = None if watch.rebased else previous
    stood = stall if stall > policy.longest_gap else 0.0
    after = dict(before)
    for fact in facts:
        seen = before.get(fact.member)
        stamp = now - stood - max(0.0, fact.age)
        after[fact.member] = (
            _first_sight(fact, now=now, stamp=stamp, since=since, policy=policy)
            if seen is None
            else _next_sight(seen, fact, now=now, stamp=stamp, since=since, policy=policy)
        )
    return after


def _first_sight(fact: Fact, *, now: float, stamp: float, since: float | None, policy: Policy) -> Observation:
    is_beat = since is not None and fact.state is not State.LEFT and _recent(fact, policy)
    return Observation(
        incarnation=fact.incarnation,
        sequence=fact.sequence,
        interval=fact.interval,
        state=fact.state,
        beat=max(stamp, since) if is_beat and since is not None else stamp,
        fresh=now if is_beat else None,
        met=now,
        well=WELL.get(fact.state) if is_beat else None,
    )


def _next_sight(
    seen: Observation, fact: Fact, *, now: float, stamp: float, since: float | None, policy: Policy
) -> Observation:
    same = fact.incarnation == seen.incarnation
    if same and (seen.state is State.LEFT or (fact.sequence == seen.sequence and fact.state is not State.LEFT)):
        return seen  # a late write of one that has left, or nothing new
    if fact.state is State.LEFT:
        if fact.incarnation in seen.past:
            return seen
        return replace(_owned(seen, fact, now=now, flip=False), state=State.LEFT)
    changed = not same or fact.sequence > seen.sequence
    is_beat = changed and since is not None and _recent(fact, policy)
    if seen.state is State.LEFT and not is_beat:
        return seen  # what is older than the leave reopens nothing
    # Two agents take a row from each other by writing; a store that goes back shows rows older than what was seen.
    after = _owned(seen, fact, now=now, flip=is_beat and stamp >= seen.beat)
    if not is_beat or since is None:
        return replace(after, beat=max(seen.beat, stamp))
    return replace(after, beat=max(seen.beat, stamp, since), fresh=now, well=WELL.get(fact.state))


def _recent(fact: Fact, policy: Policy) -> bool:
    return fact.age <= policy.stretched(fact.interval).down_time


def _owned(seen: Observation, fact: Fact, *, now: float, flip: bool) -> Observation:
    after = replace(seen, sequence=fact.sequence, interval=fact.interval, state=fact.state)
    if fact.incarnation == seen.incarnation:
        return after
    back = fact.incarnation in seen.past
    return replace(
        after,
        incarnation=fact.incarnation,
        met=seen.met if back else now,
        past=(*(i for i in seen.past if i != fact.incarnation), seen.incarnation)[-REMEMBERED_OWNERS:],
        flips=(*seen.flips, now)[-2:] if back and flip else seen.flips,
    )
