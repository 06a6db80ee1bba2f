"""Where a new operator goes on: what the one before it published, in the status and in the store, becomes a view. Pure.

Status and record carry a publication number; the higher wins and the other fills gaps. From the record come also the
store's epoch and since when it has been back, so that a restart of the operator costs C and not T.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from servicegroup.evaluation import View
from servicegroup.liveness import RESTORED, restore
from servicegroup.massfailure import Braking, Hold, resumed
from servicegroup.model import LONGEST_PROMISE, Policy, Reason, Verdict
from servicegroup.observation import Watch
from servicegroup.operator.conditions import OLD_STORE_UNREAD
from servicegroup.operator.status import published_in, seconds
from servicegroup.record import Record

UNREACHABLE = 2**53
"""Publications: one each second for 285 million years, and exact in every JSON parser."""

CHECKED_EVERY = 60.0
"""Seconds by which a status may be older than the last healthy pass that it speaks of (design, section 5)."""


def from_status(status: Mapping[str, Any], *, now: float, wall: float) -> View:
    """The view of an operator that has not read its store yet."""
    published = published_in(status)
    checked = seconds(status.get("checkedTime"))
    age = 0.0 if checked is None else max(0.0, wall - checked - CHECKED_EVERY)
    return View(
        watch=Watch(blind=now),
        judged=restore(published, sighted=now - age),
        published=published,
        publication=_counted(status.get("publication")),
        promised=_promised(status.get("effective")),
        braking=_braking(status.get("hold"), now=now, wall=wall),
    )


def came_from(status: Mapping[str, Any], *, store: str) -> tuple[str, ...]:
    """The stores by which the group was judged before this one: the last of them first, then those it still left."""
    before = [status.get("store"), *(status.get("movingFrom") or ())]
    return tuple(dict.fromkeys(one for one in before if isinstance(one, str) and one and one != store))


def unrecorded(status: Mapping[str, Any], before: Sequence[str]) -> Sequence[str]:
    """Of the stores that a group came from, those whose records no operator has read since it left them."""
    moving = (item for item in status.get("conditions") or () if item.get("type") == "Moving")
    unread = any(item.get("reason") == OLD_STORE_UNREAD for item in moving)
    return [store for store in before if unread or store == status.get("store")]


def _braking(hold: Any, *, now: float, wall: float) -> Braking:
    """A hold's end is a time of day, and is compared with ours as `checkedTime` is."""
    since, until = (seconds(hold.get(name)) if isinstance(hold, Mapping) else None for name in ("since", "until"))
    if since is None or until is None:
        return Braking()
    return resumed(Hold(since, until, now + min(until - wall, until - since)), now=now)


def _promised(effective: Any) -> float:
    promised = effective.get("promisedIntervalSeconds") if isinstance(effective, Mapping) else None
    return float(promised) if isinstance(promised, int) and 0 <= promised <= LONGEST_PROMISE else 0.0


def _counted(publication: Any) -> int:
    """A number that whoever may write a status wrote there; one that nobody can have counted to is none."""
    return publication if isinstance(publication, int) and 0 <= publication < UNREACHABLE else 0


def with_record(view: View, record: Record, *, status: Mapping[str, Any], policy: Policy, now: float) -> View:
    """The view of an operator at its first healthy pass, before it takes in what it read."""
    after = with_members(view, record, now=now)
    return replace(after, watch=_watch(view.watch, record, status=status, policy=policy, now=now))


def with_members(view: View, record: Record, *, now: float) -> View:
    """The view with a record's verdicts, and nothing of what it says about its store."""
    header = record.header
    sighted = now - record.age
    from_record = restore(record.members, sighted=sighted)
    judged, published = {**view.judged, **from_record}, {**view.published, **record.members}
    if view.publication > header.publication:
        judged, published = {**from_record, **view.judged}, {**record.members, **view.published}
    braking = view.braking
    if header.publication >= view.publication:
        braking = replace(resumed(_hold(record, now=now), now=now), announcement=braking.announcement)
    return replace(
        view,
        judged=judged,
        published=published,
        publication=max(view.publication, header.publication),
        promised=max(view.promised, header.promised),
        braking=braking,
    )


def with_words(view: View, record: Record, *, policy: Policy, now: float) -> View:
    """The view with what another operator, which publishes meanwhile, says of those who are silent for T by our own
    reading too: it has watched for longer.
    """
    judged = dict(view.judged)
    at = RESTORED if view.watch.healthy is None else view.watch.healthy
    for member, said in restore(record.members, sighted=None).items():
        mine, seen = view.judged.get(member), view.observations.get(member)
        silent = seen is None or seen.silent_for(now=now) > policy.stretched(seen.interval).down_time
        up = mine is not None and mine.verdict is Verdict.UP  # else it left, or is forgotten, or is judged already
        if up and silent and said.reason in (Reason.SILENT, Reason.MASS_FAILURE):
            judged[member] = replace(said, at=at)
    braking, theirs = view.braking, resumed(_hold(record, now=now), now=now)
    if braking.hold is None and theirs.hold is not None:
        braking = replace(braking, above=theirs.above, on=theirs.on, hold=theirs.hold)
    return replace(view, judged=judged, braking=braking)


def _hold(record: Record, *, now: float) -> Hold:
    header = record.header
    return Hold(header.held_since, header.held_until, now - record.age + header.hold_left)


def _watch(watch: Watch, record: Record, *, status: Mapping[str, Any], policy: Policy, now: float) -> Watch:
    header = record.header
    blind = replace(watch, blind=now - record.age - header.blind_for)
    # Longer than T ago nobody knows what the store went through since; and one that was published as unreachable was.
    if record.age > policy.down_time or _unreachable(status) or watch.broken:
        return replace(blind, epoch=header.epoch)
    return replace(blind, epoch=header.epoch, store_back=now - record.age - header.store_back_for)


def _unreachable(status: Mapping[str, Any]) -> bool:
    found = (item for item in status.get("conditions") or () if item.get("type") == "StoreReachable")
    return any(item.get("status") == "False" for item in found)
