"""Whom a group forgets: what is known of it goes in, the rows to remove come out; and what is known without them. Pure.

Members go by silence alone: who has been Down, silent, for the time that the group forgets after, and the rows of
those who left that long ago. Not those who ought to beat (by name, or because their pods run), nor those whom an
administrator holds down: somebody waits for them. The silence is that of the row, by the store's clock and then our
own, and nobody is forgotten sooner than that after Down was published: who died while no operator ran is shown as long
as any other. Where the row is lost, the time since Down was published is all there is. Rows of an earlier stay in a
store, whose agents are silent and who are no members, go as well.

A person may ask for one of them to go now (`servicegroup forget`), by its name and the time since when it is Down for
silence: whoever was heard since is Down since another time, if at all. Then only the waiting is left out.

A row is removed first and forgotten afterwards, and only as it was read: a beat that comes between is a beat.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from servicegroup.evaluation import NO_PODS, Transition, View
from servicegroup.liveness import RESTORED, Judgement, Published
from servicegroup.model import NO_OVERRIDE, Fact, GroupSpec, Old, Reason, State
from servicegroup.observation import Observation
from servicegroup.pods import Duty

AT_ONCE = 500
"""Members of one pass: a call to the store that is over soon."""


def forgettable(
    view: View, facts: Iterable[Fact], *, spec: GroupSpec, now: float, wall: float, duty: Duty = NO_PODS
) -> tuple[Old, ...]:
    """Who is to be forgotten after a pass that read these facts; nobody after one that was not healthy, or did not
    watch.

    `now` is the observer's clock, `wall` the time of day.
    """
    if not _may(view, spec=spec, now=now, duty=duty):
        return ()
    members = {*view.observations, *view.judged} - spec.expected
    gone = [
        member
        for member in members
        if _gone(view.observations.get(member), view.judged.get(member), spec=spec, now=now, wall=wall)
        and not _awaited(member, spec=spec, duty=duty)
    ]
    return _rows(gone, facts)


def asked(view: View, facts: Iterable[Fact], *, spec: GroupSpec, now: float, duty: Duty = NO_PODS) -> tuple[Old, ...]:
    """Who is to be forgotten since a person asked for it, after such a pass."""
    if not spec.forget or not _may(view, spec=spec, now=now, duty=duty):
        return ()
    gone = [
        member
        for member, since in spec.forget.items()
        if _silent_since(view.published.get(member), since) and not _awaited(member, spec=spec, duty=duty)
    ]
    return _rows(gone, facts) if gone else ()


def _may(view: View, *, spec: GroupSpec, now: float, duty: Duty) -> bool:
    return view.watch.healthy == now and view.watch.watched(spec.policy, now=now) and (duty.told or bool(duty.refused))


def _awaited(member: str, *, spec: GroupSpec, duty: Duty) -> bool:
    service = duty.services.get(member)
    if member in spec.expected or (service is not None and service.expected is not None):
        return True
    return spec.overrides.get(member, NO_OVERRIDE).forced_down


def _silent_since(said: Published | None, since: float) -> bool:
    """In whole seconds, as a status shows it."""
    return said is not None and said.reason is Reason.SILENT and int(said.since) == int(since)


def _rows(members: Iterable[str], facts: Iterable[Fact]) -> tuple[Old, ...]:
    rows = {fact.member: (fact.incarnation, fact.sequence) for fact in facts}
    return tuple(Old(member, *rows.get(member, ("", -1))) for member in sorted(members)[:AT_ONCE])


def _gone(seen: Observation | None, said: Judgement | None, *, spec: GroupSpec, now: float, wall: float) -> bool:
    if seen is not None and seen.state is State.LEFT:
        return seen.silent_for(now=now) >= spec.forget_after
    if said is None:  # a row of the past
        return seen is not None and seen.silent_for(now=now) > spec.policy.stretched(seen.interval).down_time
    if said.reason is not Reason.SILENT:
        return False
    restored = said.at == RESTORED
    if seen is None or not seen.incarnation:
        return (wall - said.since if restored else now - said.at) >= spec.forget_after
    if not restored and now - said.at < spec.forget_after:
        return False
    return seen.silent_for(now=now) >= spec.policy.stretched(seen.interval).down_time + spec.forget_after


def without(view: View, members: Collection[str]) -> tuple[View, tuple[Transition, ...]]:
    """The view without these members, and what of that was published."""
    changes = tuple(
        Transition(member, view.published[member], None, silent_for=None, watched=True, forgotten=True)
        for member in sorted(members)
        if member in view.published
    )
    after = replace(
        view,
        observations={member: seen for member, seen in view.observations.items() if member not in members},
        judged={member: said for member, said in view.judged.items() if member not in members},
        published={member: said for member, said in view.published.items() if member not in members},
        publication=view.publication + bool(changes),
    )
    return after, changes
