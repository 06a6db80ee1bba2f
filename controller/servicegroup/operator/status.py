"""The status of the resource: what is known of a group comes in, the status goes out; and back again. Pure.

It is small at any number of members and any length of names (`BYTES_OF_A_LIST`), and no field in it changes with a
beat.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from servicegroup.evaluation import View, duplicates
from servicegroup.liveness import Published
from servicegroup.model import GroupSpec, Reason, Verdict
from servicegroup.operator import conditions
from servicegroup.operator.conditions import AnnouncedHold, RosterSight, StoreSight

LONGEST_LIST = 100
"""Members that a list names at most: one kubectl screen, and the resource's schema."""

BYTES_OF_A_LIST = 48 * 1024
"""Two lists and the rest stay under 128 KiB, a twelfth of what etcd takes."""

SUMMARY_LENGTH = 60
"""Characters of names in the wide column NOT-UP; more would push the other columns off a screen."""

_LEADING = ("counts", "notUp", "notUpTruncated", "notUpSummary", "members")
"""What a new operator leaves alone until it has read the store."""


@dataclass(frozen=True, slots=True)
class Moving:
    """A group's way from other stores: those it came from, who beats there alone, which of them are not read, and
    which have not told yet whom they had as members.
    """

    stores: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()


SETTLED = Moving()


def render(
    view: View,
    *,
    spec: GroupSpec,
    before: Mapping[str, Any],
    driver: str,
    sight: StoreSight,
    now: float,
    wall: float,
    moving: Moving = SETTLED,
    incomplete: bool = False,
    absent: float = 0.0,
    roster: RosterSight | None = None,
) -> dict[str, Any]:
    """The whole status; `before` is the one before it, `now` the observer's clock and `wall` seconds since 1970.

    `incomplete` says that not all members are known again that were counted before; `absent` for how long the operator
    was kept from looking, in seconds; `roster` is None where there are no pods.
    """
    watch = view.watch
    hold = view.braking.holding(now=now)
    reasons = [said.reason for said in view.published.values()]
    kept, waiting = reasons.count(Reason.MASS_FAILURE), reasons.count(Reason.HOLD_ANNOUNCED)
    unread = (watch.healthy is None or incomplete or moving.unrecorded) and large(before)
    counts = before["counts"] if unread else _counts(view.published)
    states = [
        conditions.available(
            up=counts["up"],
            unknown=counts["unknown"],
            total=counts["total"],
            needed=spec.min_available,
            blind=watch.broken,
            read_once=watch.healthy is not None,
            held=kept,
            announced=waiting,
        ),
        conditions.held(
            kept,
            until=None if hold is None else timestamp(hold.ends),
            announced=_announced(view, waiting, now=now),
            unheard=spec.unheard,
        ),
        conditions.ready(
            blind_for=watch.blind_for(now=now),
            down_time=spec.policy.down_time,
            interval=spec.policy.interval,
            lateness=watch.lateness.seconds(spec.policy),
            absent=absent,
        ),
        conditions.store_reachable(sight),
        conditions.stalled(None),
        conditions.duplicate(duplicates(view, policy=spec.policy, now=now)),
        conditions.moving(stores=moving.stores, alone=moving.alone, unread=moving.unread, unrecorded=moving.unrecorded),
        *([] if roster is None else [conditions.roster_known(roster, before=before)]),
    ]
    lists = {name: before[name] for name in _LEADING if name in before} if unread else _lists(view.published)
    return {
        "observedGeneration": spec.generation,
        "publication": view.publication,
        "store": spec.store,
        **({"movingFrom": list(moving.stores)} if moving.stores else {}),
        "driver": driver,
        **({} if hold is None else {"hold": {"since": timestamp(hold.since), "until": timestamp(hold.ends)}}),
        "effective": _effective(view, spec=spec, before=before),
        **_checked(view, before, now=now, wall=wall),
        "counts": counts,
        **lists,
        "conditions": conditions.render(states, before=before, generation=spec.generation, now=timestamp(wall)),
    }


def _announced(view: View, members: int, *, now: float) -> AnnouncedHold | None:
    one = view.braking.announced(now=now)
    if one is None:
        return None
    return AnnouncedHold(timestamp(one.said.since), timestamp(one.ends), one.said.why, members)


def _effective(view: View, *, spec: GroupSpec, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a new operator finds stays until it has counted the members of its store."""
    if view.watch.healthy is None and "effective" in before:
        return dict(before["effective"])
    return {
        "reportIntervalSeconds": math.ceil(spec.policy.interval),
        "serviceDownTimeSeconds": math.ceil(spec.policy.down_time),
        "promisedIntervalSeconds": math.ceil(view.promised),
    }


def large(status: Mapping[str, Any]) -> bool:
    """Whether a status counts more members than it can name."""
    counts = status.get("counts") or {}
    return {"total", "up", "unknown"} <= counts.keys() and counts["total"] > LONGEST_LIST


def refuse(
    problem: str, *, reason: str, permanent: bool, generation: int, before: Mapping[str, Any], wall: float
) -> dict[str, Any]:
    """The status of a group that cannot be evaluated: what was published stays, and who reads it is told."""
    states = [
        conditions.Condition("Available", "Unknown", reason, "the group is not evaluated"),
        conditions.Condition("Ready", "False", reason, problem),
        conditions.Condition("StoreReachable", "Unknown", reason, "the store is not read"),
        conditions.stalled(problem if permanent else None, reason=reason),
    ]
    kept = {name: value for name, value in before.items() if name != "conditions"}
    rendered = conditions.render(states, before=before, generation=generation, now=timestamp(wall))
    return kept | {"observedGeneration": generation, "conditions": rendered}


def _checked(view: View, before: Mapping[str, Any], *, now: float, wall: float) -> dict[str, str]:
    if view.watch.healthy is None:
        return {"checkedTime": before["checkedTime"]} if "checkedTime" in before else {}
    return {"checkedTime": timestamp(wall - (now - view.watch.healthy))}


def _counts(published: Mapping[str, Published]) -> dict[str, Any]:
    said = published.values()
    verdicts = [one.verdict for one in said]
    up, total = verdicts.count(Verdict.UP), len(published)
    return {
        "total": total,
        "up": up,
        "down": verdicts.count(Verdict.DOWN),
        "unknown": verdicts.count(Verdict.UNKNOWN),
        "forcedDown": sum(one.reason is Reason.FORCED_DOWN for one in said),
        "disabled": sum(one.disabled for one in said),
        "draining": sum(one.draining for one in said),
        "missing": sum(one.reason is Reason.MISSING for one in said),
        "summary": f"{up}/{total}",
    }


def _lists(published: Mapping[str, Published]) -> dict[str, Any]:
    order = {Verdict.DOWN: 0, Verdict.UNKNOWN: 1}
    not_up = sorted(
        ((member, said) for member, said in published.items() if said.verdict is not Verdict.UP),
        key=lambda item: (order[item[1].verdict], item[1].since, item[0]),
    )
    listed = _fitting(_entry(member, said) for member, said in not_up[:LONGEST_LIST])
    lists: dict[str, Any] = {
        "notUp": listed,
        "notUpTruncated": len(listed) < len(not_up),
        "notUpSummary": _summary([member for member, _ in not_up]),
    }
    if len(published) <= LONGEST_LIST:
        members = _fitting(_entry(member, published[member], marks=True) for member in sorted(published))
        if len(members) == len(published):
            lists["members"] = members
    return lists


def _entry(member: str, said: Published, *, marks: bool = False) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "member": member,
        "verdict": str(said.verdict),
        "reason": str(said.reason),
        "since": timestamp(said.since),
    }
    if marks and said.disabled:
        entry["disabled"] = True
    if marks and said.draining:
        entry["draining"] = True
    return entry


def _fitting(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    fitting, room = [], BYTES_OF_A_LIST
    for entry in entries:
        room -= _stored_bytes(entry) + 2
        if room < 0:
            break
        fitting.append(entry)
    return fitting


def _stored_bytes(entry: Mapping[str, Any]) -> int:
    """As Go writes JSON: six bytes, not one, for a character that could end a script in HTML, six and not three for a
    line separator of Unicode.
    """
    text = json.dumps(entry, ensure_ascii=False)
    return len(text.encode()) + sum(5 * text.count(c) for c in "<>&") + sum(3 * text.count(c) for c in "\u2028\u2029")


def _summary(names: Sequence[str]) -> str:
    shown: list[str] = []
    for name in names:
        if shown and len(",".join([*shown, name])) > SUMMARY_LENGTH:
            break
        shown.append(name if len(name) <= SUMMARY_LENGTH else name[: SUMMARY_LENGTH - 1] + "…")
    rest = len(names) - len(shown)
    return ",".join([*shown, f"+{rest}"] if rest else shown)


def published_in(status: Mapping[str, Any]) -> dict[str, Published]:
    """The verdicts that a status names: all of them in a small group, else those who are not up.

    Whoever may write a status may have written anything: what is no verdict is left out.
    """
    entries = status.get("members") or status.get("notUp") or ()
    return {entry["member"]: said for entry in entries if (said := _said(entry)) is not None and "member" in entry}


def _said(entry: Mapping[str, Any]) -> Published | None:
    verdict, since = entry.get("verdict"), seconds(entry.get("since"))
    if verdict not in list(Verdict) or since is None:
        return None
    return Published(
        verdict=Verdict(verdict),
        reason=Reason(str(entry.get("reason"))),
        since=since,
        disabled=bool(entry.get("disabled", False)),
        draining=bool(entry.get("draining", False)),
    )


def timestamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float | None:
    """A status's time; None when there is none, or no time."""
    try:
        return None if text is None else datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
