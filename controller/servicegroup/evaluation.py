"""One pass over one group: what was known and what was read go in, what is known and what changed come out. Pure.

It joins `observation` (what was seen) and `liveness` (what that means), and holds no rule of its own but who belongs to
the group: whoever has a row and has not left, whoever was published and is not forgotten, and the expected names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from servicegroup.liveness import Judgement, Moment, Published, judge, publish
from servicegroup.model import GroupSpec, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Pass, Watch, look, observe

NO_OVERRIDE = Override()


@dataclass(frozen=True, slots=True)
class View:
    """All that an observer knows of a group; `publication` counts the published changes."""

    watch: Watch = field(default_factory=Watch)
    observations: Mapping[str, Observation] = field(default_factory=dict)
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)
    publication: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of what is published of a member, with the evidence: seconds of silence, and whether it was watched."""

    member: str
    before: Published | None
    after: Published | None
    silent_for: float | None
    watched: bool


def advance(view: View, seen: Pass, *, spec: GroupSpec, wall: float) -> tuple[View, tuple[Transition, ...]]:
    """The view after one more pass, and what changed; `wall` is the time of day in seconds since 1970."""
    watch = look(view.watch, seen, policy=spec.policy)
    observations = view.observations
    if seen.healthy:
        known = observations if view.watch.healthy is not None else _absent(view.judged, seen, policy=spec.policy)
        observations = observe(
            known, seen.facts, watch=watch, previous=view.watch.healthy, policy=spec.policy, stall=seen.stall
        )
    after = replace(view, watch=watch, observations=observations)
    moment = Moment(now=seen.now, wall=wall, healthy=seen.healthy, last_sight=view.watch.healthy)
    judged = _judge_all(after, spec=spec, moment=moment)
    after = replace(after, judged=judged, published=_publish_all(view, judged, observations, spec=spec, wall=wall))
    changes = transitions(view, after, now=seen.now, policy=spec.policy)
    return replace(after, publication=view.publication + bool(changes)), changes


def _absent(judged: Mapping[str, Judgement], seen: Pass, *, policy: Policy) -> dict[str, Observation]:
    """Members that were published but have no row at the first read: their last beat was not after it."""
    rows = {fact.member for fact in seen.facts}
    return {
        member: Observation(incarnation="", sequence=-1, interval=policy.interval, state=State.BEATING, beat=seen.now)
        for member, said in judged.items()
        if member not in rows and said.reason is not Reason.MISSING
    }


def _judge_all(view: View, *, spec: GroupSpec, moment: Moment) -> dict[str, Judgement]:
    judged: dict[str, Judgement] = {}
    for member in {*view.observations, *view.judged, *spec.expected}:
        said = judge(
            view.judged.get(member),
            view.observations.get(member),
            policy=spec.policy,
            watch=view.watch,
            moment=moment,
        )
        if said is not None and (said.reason is not Reason.MISSING or member in spec.expected):
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


def transitions(before: View, after: View, *, now: float, policy: Policy) -> tuple[Transition, ...]:
    """What is published differently in `after`, by member's name."""
    changed = [
        member
        for member in {*before.published, *after.published}
        if before.published.get(member) is not after.published.get(member)
    ]
    return tuple(_transition(member, before, after, now=now, policy=policy) for member in sorted(changed))


def _transition(member: str, before: View, after: View, *, now: float, policy: Policy) -> Transition:
    seen = after.observations.get(member)
    mine = policy if seen is None else policy.promised(seen.interval)
    return Transition(
        member=member,
        before=before.published.get(member),
        after=after.published.get(member),
        silent_for=None if seen is None else seen.silent_for(now=now),
        watched=after.watch.watched(mine, now=now),
    )


def duplicates(view: View, *, policy: Policy, now: float) -> tuple[str, ...]:
    """Members that two agents took from each other, by name (rule 9)."""
    return tuple(sorted(m for m, seen in view.observations.items() if seen.duplicate(policy, now=now)))
