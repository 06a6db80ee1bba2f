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

A failed pass is no interruption. More than I/2 without a healthy one is, and it is the store's when more than I/2 of
that is left without the observer's own absence: how late its passes began, and for how long it stood still in them
(a starved core, SIGSTOP, a suspend), added up since the last healthy pass. Else it is the observer's.

What is no interruption makes looking late all the same, and the verdict pays for it second by second, no more:

* Facts are as old as the start of their read, since a thread that was starved takes the time long after the answer. So
  a beat that is new was not before the start of the previous read; silence ends at the start of this one; and where
  the two ends of a read are more than I/2 apart, stamps count from its start.
* An agent needs the same store by the same kind of connection. While a canary takes L, its beats come up to L later,
  and more where it gives up and tries again, which T - I is for. Who is silent for T is dead after T + L only: the
  largest L of the last T to 2T, of failed passes too. It is less than I/2, else it was an interruption.
* Agents may beat through a gateway in this very process, and what starves the one starves the other. Absences that are
  longer than a pass are added up over the same time, and to the T of everyone; one alone, or many.

All together that is T/2 at most (`Lateness`): a true death is found in the first pass that begins later than T plus
that after the last beat. An interruption wipes it out, since C and T are waits for the same thing. A pass that was due
long ago is the observer's interruption; a worker thread alone that is starved cannot be told from a slow store, and is
taken for one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from servicegroup.lateness import Lateness, met, worst
from servicegroup.model import Fact, Policy, State

REMEMBERED_OWNERS = 4
"""Incarnations that held a row before: enough to see two agents take it from each other, small for ten thousand rows.
"""

WELL = {State.HEALTHY: True, State.UNHEALTHY: False}
"""What an agent that checks its service says of it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at a store, in seconds of the observer's monotonic clock.

    `asked` and `now` are its start and end, `read` is when the read of its facts began (None: with the pass); `epoch`
    is None when it was not healthy. `lag` is how late it began against when it was due, `stall` for how long the
    observer stood still in it, `latency` how long a write took, or was waited for.
    """

    asked: float
    now: float
    epoch: str | None = None
    facts: tuple[Fact, ...] = ()
    stall: float = 0.0
    lag: float = 0.0
    latency: float = 0.0
    read: float | None = None

    @property
    def healthy(self) -> bool:
        return self.epoch is not None


@dataclass(frozen=True, slots=True)
class Watch:
    """How good one observer's sight of a group is; every time is of its monotonic clock.

    `healthy` is the end of the last healthy pass and `read` when its facts were asked for; `looking` is since when
    there was none, and `absent` for how long of that the observer was not there.
    """

    ended: float | None = None
    healthy: float | None = None
    read: float | None = None
    looking: float = 0.0
    absent: float = 0.0
    sight: float | None = None
    store_back: float | None = None
    broken: bool = False
    epoch: str | None = None
    rebased: bool = False
    blind: float | None = None
    lateness: Lateness = field(default_factory=Lateness)

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
            read=_earlier(first.read, other.read),
            lateness=worst(first.lateness, other.lateness),
        )
    return first


def _earlier(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else min(one, other)


def _later(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def look(before: Watch, seen: Pass, *, policy: Policy) -> Watch:
    """The watch after one more pass."""
    gap = policy.longest_gap
    paused = before.ended is None or seen.asked - before.ended > gap
    looking, lag = (seen.asked, 0.0) if paused else (before.looking, before.absent + seen.lag)
    absent = lag + seen.stall
    broken = before.broken or seen.now - looking - absent > gap
    interrupted = paused or absent > gap or (seen.now - looking > gap and not broken)
    after = replace(
        before,
        ended=seen.now,
        looking=looking,
        absent=absent,
        sight=None if interrupted else before.sight,
        broken=broken,
        rebased=False,
        lateness=Lateness() if interrupted or broken else _late(before.lateness, seen, policy=policy),
    )
    if seen.healthy:
        after = _served(after, seen)
    blind = None if seen.healthy and after.watched(policy, now=seen.now) else _first(before.blind, seen.now)
    return replace(after, blind=blind)


def _late(before: Lateness, seen: Pass, *, policy: Policy) -> Lateness:
    write = max(0.0, seen.latency - seen.stall)
    return met(before, write=write, absent=seen.lag + seen.stall, policy=policy, now=seen.now)


def _served(after: Watch, seen: Pass) -> Watch:
    changed = after.epoch is not None and after.epoch != seen.epoch
    return replace(
        after,
        healthy=seen.now,
        read=seen.asked if seen.read is None else seen.read,
        looking=seen.now,
        absent=0.0,
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
) -> dict[str, Observation]:
    """The observations after a healthy pass: `watch` is that pass's, `previous` when the healthy one before began to
    read.
    """
    now = watch.healthy
    if now is None or watch.read is None:
        raise ValueError("facts are observed in healthy passes only")
    since = None if watch.rebased else previous
    told = watch.read if now - watch.read > policy.longest_gap else now
    after = dict(before)
    for fact in facts:
        seen = before.get(fact.member)
        stamp = told - max(0.0, fact.age)
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
