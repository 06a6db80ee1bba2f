"""A hold announced before planned work on the store: an annotation's text comes in, until when it is in force goes out.
Pure; `liveness` says what it means.

The text is a person's: from when and until when it holds, and why. What is left of it is measured on the observer's
monotonic clock from when it was first heard, so that no clock that steps makes it longer or shorter; after a restart of
the operator it goes by the time of day, as there is nothing else. A begin that lies ahead is waited for. However it was
written, and however often the operator starts, it ends `LONGEST` seconds after its begin: a group in which nobody is
ever found dead is worse than one outage.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from servicegroup.model import Announced

LONGEST = 4 * 3600.0
"""Seconds, and with them an evening's work on a database; who needs more says so again."""

AHEAD = 600.0
"""Seconds by which a person's clock may differ from ours: a hold whose begin is no further ahead is one of now."""

LONGEST_WHY = 256
"""Characters, as of an override's reason."""

FIRST_YEAR, LAST_YEAR = 1971, 9998
"""Of which each hour is one in every time zone."""

UNITS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"([0-9]{1,6})([smh])", re.ASCII)


class InvalidAnnouncement(ValueError):
    """A hold that is no hold; the message names the value, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What was announced, as one observer counts it: `until` is of its own clock, `ends` the time of day to show."""

    said: Announced
    until: float
    ends: float

    def in_force(self, *, now: float) -> bool:
        return now < self.until


def heard(before: Announcement | None, said: Announced | None, *, now: float, wall: float) -> Announcement | None:
    """After what stands in the resource now: one that was heard before goes on as it was counted."""
    if said is not None and before is not None and before.said == said:
        return before
    if said is None or said.since - wall > AHEAD:
        return None
    left = max(0.0, min(said.until - wall, said.since + LONGEST - wall, LONGEST))
    return Announcement(said, now + left, min(said.until, wall + left))


def parse(text: str) -> Announced:
    """`SINCE UNTIL why`, times as in RFC 3339. Raises InvalidAnnouncement."""
    since, until, why = [*text.split(None, 2), "", "", ""][:3]
    begins, ends = _seconds(since), _seconds(until)
    if begins is None or ends is None or ends <= begins:
        raise InvalidAnnouncement(
            f"{text[:60]!r} is no hold: allowed is its begin, a later end, and why, such as "
            '"2027-01-15T20:00:00Z 2027-01-15T20:30:00Z new disks"; write it with servicegroup hold, or remove it'
        )
    return Announced(begins, ends, why[:LONGEST_WHY])


def _seconds(text: str) -> float | None:
    """Of a time that a status can show; None of another, and of one that does not say its offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None and FIRST_YEAR <= found.year <= LAST_YEAR else None


def written(said: Announced) -> str:
    """The annotation's text, in whole seconds."""
    since, until = (
        datetime.fromtimestamp(int(one), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for one in (said.since, said.until)
    )
    return f"{since} {until} {said.why}".strip()


def duration(text: str) -> float:
    """Seconds of `30m`, `2h` or `90s`. Raises InvalidAnnouncement."""
    found = DURATION.fullmatch(text)
    seconds = int(found[1]) * UNITS[found[2]] if found is not None else 0
    if not 1 <= seconds <= LONGEST:
        raise InvalidAnnouncement(
            f"--for is {text[:60]!r}: allowed is a whole number of s, m or h, such as 30m, {LONGEST / 3600:.0f}h at "
            "most, since nobody is found dead meanwhile; announce it for shorter, and again when more is needed"
        )
    return float(seconds)
