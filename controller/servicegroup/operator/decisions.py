"""What is told of a pass's transitions: log lines, an Event's text, and a file of decisions with their evidence."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicegroup.evaluation import Transition
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Reason, Verdict

LOGGER = logging.getLogger("servicegroup.operator")
NAMES_SHOWN = 10
"""Names in a line of the log and in an Event; the file has all."""


HELD = {
    Reason.MASS_FAILURE: "held as Unknown, since most fell silent at once",
    Reason.HOLD_ANNOUNCED: "held as Unknown, as was announced",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """An Event about a group."""

    reason: str
    message: str
    warning: bool


def notices(changes: Iterable[Transition], *, unaccounted: int = 0) -> list[Notice]:
    """At most one Event for each kind of change: "37 members down: a, b, c, ... (+34)". Of `unaccounted` members the
    names are lost.
    """
    kinds: dict[tuple[str, str, bool], list[str]] = {}
    for change in changes:
        kind = _kind(change)
        if kind is not None:
            kinds.setdefault(kind, []).append(change.member)
    told = [
        Notice(reason, f"{len(names)} {_members(names)} {word}: {shown(names)}", warning)
        for (reason, word, warning), names in kinds.items()
    ]
    if unaccounted:
        sentence = f"{unaccounted} members that were counted did not beat since store and operator were lost together"
        told.append(Notice("MembersUnaccounted", f"{sentence}: their names are not known any more", warning=True))
    return told


def _kind(change: Transition) -> tuple[str, str, bool] | None:
    before, after = change.before, change.after
    if after is None:
        return ("MembersForgotten", "forgotten", False) if change.forgotten else ("MembersLeft", "left", False)
    if before is not None and before.verdict is after.verdict and before.reason is after.reason:
        return None  # disabled, draining: shown in the status, no news of liveness
    if after.verdict is Verdict.DOWN:
        return "MembersDown", f"down ({after.reason})", True
    if after.verdict is Verdict.UP:
        return "MembersUp", "up", False
    if after.reason in HELD:
        return "MembersHeld", HELD[after.reason], True
    return "MembersUnknown", f"unknown ({after.reason})", True


def _members(names: Sequence[str]) -> str:
    return "member" if len(names) == 1 else "members"


def shown(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f", ... (+{rest})" if rest > 0 else "")


def log(key: GroupKey, told: Iterable[Notice]) -> None:
    for notice in told:
        LOGGER.log(logging.WARNING if notice.warning else logging.INFO, "group %s: %s", key, notice.message)


def append(path: Path, key: GroupKey, changes: Iterable[Transition], *, down_time: float, wall: float) -> None:
    """A line of JSON for each transition, with what the rules looked at. A file that cannot be written is no
    obstacle.
    """
    lines = [json.dumps(_line(key, change, down_time=down_time, wall=wall), ensure_ascii=False) for change in changes]
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
    except OSError as error:
        LOGGER.warning("decisions are not recorded: %s: %s", path, error.strerror)


def _line(key: GroupKey, change: Transition, *, down_time: float, wall: float) -> dict[str, Any]:
    return {
        "time": round(wall, 3),
        "group": str(key),
        "member": change.member,
        "before": _said(change.before),
        "after": _said(change.after),
        "silentForSeconds": None if change.silent_for is None else round(change.silent_for, 3),
        "downTimeSeconds": down_time,
        "watched": change.watched,
    }


def _said(said: Published | None) -> dict[str, Any] | None:
    return None if said is None else {"verdict": str(said.verdict), "reason": str(said.reason), "since": said.since}
