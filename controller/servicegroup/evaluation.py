"""One pass over one group: what was known and what was read go in, what is known and what changed come out. Pure.

It joins `observation` (what was seen) and `liveness` (what that means), and holds no rule of its own but who belongs to
the group: whoever has a row and has not left, whoever was published and is not forgotten, the expected names, and
those whose pods have run for T, though they left before: an agent that ended in a pod that runs on ought to be back.

A group that moved to another store has agents in both for a while: `elsewhere` is what was seen in the stores that it
came from. A member counts where it beat last, and may be called dead only by who watched all of them; who has beaten in
the group's own store, and nowhere since, by who watched that. A row that is neither fresh nor of a member that was
published is one of the past, of an earlier stay: it makes nobody a member.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from servicegroup.liveness import Judgement, Moment, Published, judge, publish
from servicegroup.massfailure import Braking, braked, count, counts, settled, told
from servicegroup.model import NO_OVERRIDE, GroupSpec, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Pass, Watch, look, observe, together
from servicegroup.pods import Duty

NO_PODS = Duty()


@dataclass(frozen=True, slots=True)
class View:
    """All that an observer knows of a group; `publication` counts the published changes, `promised` is the longest
    interval that the agent of one who is not down promised, in seconds; `arrived` is whether the group came to this
    store from another.
    """

    watch: Watch = field(default_factory=Watch)
    observations: Mapping[str, Observation] = field(default_factory=dict)
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)
    publication: int = 0
    promised: float = 0.0
    arrived: bool = False
    braking: Braking = field(default_factory=Braking)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of what is published of a member, with the evidence: seconds of silence, and whether it was watched.
    Of one that is gone (`after` is None), whether it was forgotten; else it left.
    """

    member: str
    before: Published | None
    after: Published | None
    silent_for: float | None
    watched: bool
    forgotten: bool = False


def advance(
    view: View,
    seen: Pass,
    *,
    spec: GroupSpec,
    wall: float,
    elsewhere: Sequence[View] = (),
    duty: Duty = NO_PODS,
    store_above: bool = False,
) -> tuple[View, tuple[Transition, ...]]:
    """The view after one more pass, and what changed; `wall` is the time of day in seconds since 1970. `store_above` is
    whether too many are silent in all groups of the store together.
    """
    after = perceive(view, seen, policy=spec.policy)
    observations = carried(after, elsewhere, policy=spec.policy)
    braking = _counted(
        view.braking, replace(after, observations=observations), seen, spec=spec, duty=duty, store_above=store_above
    )
    braking = told(braking, spec, now=seen.now, wall=wall)
    moment = Moment(
        now=seen.now,
        wall=wall,
        healthy=seen.healthy,
        last_sight=view.watch.healthy,
        brake=braking.brake(now=seen.now),
    )
    judged = _judge_all(after, observations, elsewhere=elsewhere, spec=spec, moment=moment, duty=duty)
    after = replace(
        after,
        judged=judged,
        published=_publish_all(view, judged, observations, spec=spec, wall=wall),
        promised=_promised(judged, observations) if seen.healthy else view.promised,
        braking=settled(braking, view.judged, judged, spec=spec, moment=moment),
    )
    changes = transitions(view, after, observations, now=seen.now, policy=spec.policy)
    return replace(after, publication=view.publication + bool(changes)), changes


def _counted(before: Braking, view: View, seen: Pass, *, spec: GroupSpec, duty: Duty, store_above: bool) -> Braking:
    """After a pass whose facts are in the view, and whose verdicts are not yet."""
    back = view.watch.store_back
    if not seen.healthy or back is None:
        return before
    found = None
    if counts(spec.policy, now=seen.now, store_back=back):
        found = count(
            view.judged, view.observations, policy=spec.policy, overrides=spec.overrides, duty=duty, now=seen.now
        )
    return braked(before, found, spec=spec, store_above=store_above, now=seen.now)


def perceive(view: View, seen: Pass, *, policy: Policy) -> View:
    """The view with what one more pass saw, and judged as before."""
    watch = look(view.watch, seen, policy=policy)
    if not seen.healthy:
        return replace(view, watch=watch)
    known = view.observations if view.watch.healthy is not None else _absent(view, seen, policy=policy)
    observations = observe(known, seen.facts, watch=watch, previous=view.watch.read, policy=policy)
    return replace(view, watch=watch, observations=observations)


def _absent(view: View, seen: Pass, *, policy: Policy) -> dict[str, Observation]:
    """Members that were published but have no row at the first read: their last beat was not after it, and their
    agents had promised the longest interval at most.
    """
    rows = {fact.member for fact in seen.facts}
    interval = max(policy.interval, view.promised)
    return {
        member: Observation(incarnation="", sequence=-1, interval=interval, state=State.BEATING, beat=seen.now)
        for member, said in view.judged.items()
        if member not in rows and said.reason is not Reason.MISSING
    }


def carried(view: View, elsewhere: Sequence[View], *, policy: Policy) -> Mapping[str, Observation]:
    """Of each member what was seen where it beat last."""
    if not elsewhere:
        return view.observations
    merged = {member: (seen, view.watch) for member, seen in view.observations.items()}
    for other in elsewhere:
        for member, seen in other.observations.items():
            mine = merged.get(member)
            counts = mine is None or not mine[0].incarnation or _later((seen, other.watch), mine, policy=policy)
            if seen.incarnation and counts:
                merged[member] = (seen, other.watch)
    return {member: seen for member, (seen, _) in merged.items()}


def _later(one: tuple[Observation, Watch], other: tuple[Observation, Watch], *, policy: Policy) -> bool:
    """Whether a member is where it is seen as `one`. An old agent that leaves when the new one has joined in another
    store takes nobody out: a leave counts when a beat there would have been seen and was not.
    """
    if (one[0].state is State.LEFT) is (other[0].state is State.LEFT):
        return one[0].beat > other[0].beat
    left, stays = (one, other) if one[0].state is State.LEFT else (other, one)
    (seen, watch), its = stays, policy.stretched(stays[0].interval)
    waited = (watch.healthy or 0.0) - max(seen.beat, watch.store_back or 0.0)
    gone = left[0].beat > seen.beat and waited > its.interval + its.longest_gap
    return gone is (one is left)


def _judge_all(
    view: View,
    observations: Mapping[str, Observation],
    *,
    elsewhere: Sequence[View],
    spec: GroupSpec,
    moment: Moment,
    duty: Duty,
) -> dict[str, Judgement]:
    watches = [view.watch, *(other.watch for other in elsewhere)]
    everywhere = together(watches, policy=spec.policy, now=moment.now) if elsewhere else view.watch
    sights = [watch.healthy for watch in watches[1:] if watch.healthy is not None]
    apart = moment if moment.last_sight is None else replace(moment, last_sight=min([moment.last_sight, *sights]))
    # An old row here that was left may be of who beats in a store that nobody has read yet.
    unread = any(watch.healthy is None for watch in watches[1:])
    due = duty.due(spec.policy, now=moment.now)
    # Who was Missing before a new operator came is so still, however short the time for which that has seen its pod.
    due |= duty.awaited([member for member, said in view.judged.items() if said.reason is Reason.MISSING])
    expected = spec.expected | due
    judged: dict[str, Judgement] = {}
    for member in {*observations, *view.judged, *expected}:
        before, seen = view.judged.get(member), observations.get(member)
        if seen is not None and seen.fresh is None:
            past = view.arrived and (before is None or before.reason is Reason.MISSING)
            seen = None if past or (unread and seen.state is State.LEFT) else seen
        if seen is not None and seen.state is State.LEFT and member in due:
            seen = None if seen.silent_for(now=moment.now) > spec.policy.down_time else seen
        here = seen is not None and seen.fresh is not None and seen is view.observations.get(member)
        said = judge(
            before,
            seen,
            policy=spec.policy,
            watch=view.watch if here else everywhere,
            moment=moment if here else apart,
            service=duty.of(member),
        )
        if said is not None and (said.reason is not Reason.MISSING or member in expected):
            judged[member] = said
    return judged


def _publish_all(
    view: View,
    judged: Mapping[str, Judgement],
    observations: Mapping[str, Observation],
    *,
    spec: GroupSpec,
    wall: float,
) -> dict[str, Published]:
    published: dict[str, Published] = {}
    for member, said in judged.items():
        seen = observations.get(member)
        published[member] = publish(
            view.published.get(member),
            said,
            override=spec.overrides.get(member, NO_OVERRIDE),
            draining=seen is not None and seen.state is State.DRAINING and said.verdict is Verdict.UP,
            wall=wall,
        )
    return published


def _promised(judged: Mapping[str, Judgement], observations: Mapping[str, Observation]) -> float:
    alive = (member for member, said in judged.items() if said.verdict is not Verdict.DOWN)
    return max((observations[member].interval for member in alive if member in observations), default=0.0)


def transitions(
    before: View, after: View, observations: Mapping[str, Observation], *, now: float, policy: Policy
) -> tuple[Transition, ...]:
    """What is published differently in `after`, by member's name."""
    changed = [
        member
        for member in {*before.published, *after.published}
        if before.published.get(member) is not after.published.get(member)
    ]
    found: list[Transition] = []
    for member in sorted(changed):
        seen = observations.get(member)
        mine = policy if seen is None else policy.stretched(seen.interval)
        one = Transition(
            member=member,
            before=before.published.get(member),
            after=after.published.get(member),
            silent_for=None if seen is None else seen.silent_for(now=now),
            watched=after.watch.watched(mine, now=now),
        )
        found.append(one)
    return tuple(found)


def duplicates(view: View, *, policy: Policy, now: float) -> tuple[str, ...]:
    """Members that two agents took from each other, by name (rule 9)."""
    return tuple(sorted(m for m, seen in view.observations.items() if seen.duplicate(policy, now=now)))
