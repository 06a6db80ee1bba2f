"""From what was said to figures: rounds of questions and the moment of a fault come in, seconds and counts go out.

Pure. All times are of the monotonic clock. An answer counts from the moment that it was there, and only if it was asked
for after the fault.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

__all__ = ["Deaths", "Figures", "Round", "figures"]

UP, DOWN, UNKNOWN = "up", "down", "unknown"


@dataclass(frozen=True, slots=True)
class Round:
    """One round of questions: member to what was said (up, down, unknown) and why. Empty where there was no answer."""

    began: float
    ended: float
    said: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Deaths:
    """Seconds until each death was published, and the reasons that were given. `early` were published while they lived,
    before the fault: nothing is known of their deaths. Who is missing was never published.
    """

    struck: int
    seconds: tuple[float, ...]
    reasons: tuple[str, ...]
    early: int = 0

    @property
    def spread(self) -> tuple[float, float, float] | None:
        """Least, median and greatest."""
        return (min(self.seconds), median(self.seconds), max(self.seconds)) if self.seconds else None


@dataclass(frozen=True, slots=True)
class Figures:
    """`false` are members that lived and were published down, `false_seconds` for how long, all of theirs added up;
    `unknown_seconds` is the same of the living that were unknown; `unanswered` the longest time without an answer.
    """

    deaths: Deaths
    living: int
    false: int
    false_seconds: float
    unknown_seconds: float
    unanswered: float


def figures(
    rounds: Sequence[Round], *, struck: Sequence[str], living: Sequence[str], since: float, until: float
) -> Figures:
    """Raises ValueError where a member was never mentioned: nobody who is not asked about was alive or dead."""
    within = [one for one in rounds if since <= one.began and one.ended <= until]
    answered = [one for one in within if one.said]
    if strangers := {*struck, *living} - {name for one in rounds for name in one.said}:
        raise ValueError(f"nothing was ever said of {', '.join(sorted(strangers))}")
    down = {name: _held(answered, name, DOWN, until=until) for name in living}
    unknown = (_held(answered, name, UNKNOWN, until=until) for name in living)
    return Figures(
        deaths=_deaths(answered, struck, early=_early(rounds, struck, since=since), since=since),
        living=len(living),
        false=sum(seconds > 0 for seconds in down.values()),
        false_seconds=sum(down.values()),
        unknown_seconds=sum(unknown),
        unanswered=_longest(answered, since=since, until=until),
    )


def published(rounds: Iterable[Round], name: str, *, since: float) -> tuple[float, str] | None:
    """When it was first said to be down, and why."""
    for one in rounds:
        verdict, reason = one.said.get(name, ("", ""))
        if since <= one.began and verdict == DOWN:
            return one.ended, reason
    return None


def _early(rounds: Iterable[Round], struck: Sequence[str], *, since: float) -> set[str]:
    latest = {name: one.said[name][0] for one in rounds if one.ended <= since for name in struck if name in one.said}
    return {name for name, verdict in latest.items() if verdict == DOWN}


def _deaths(rounds: Sequence[Round], struck: Sequence[str], *, early: Container[str], since: float) -> Deaths:
    fresh = [name for name in struck if name not in early]
    found = [at for name in fresh if (at := published(rounds, name, since=since)) is not None]
    seconds = tuple(sorted(at - since for at, _ in found))
    reasons = tuple(sorted({reason for _, reason in found if reason}))
    return Deaths(len(struck), seconds, reasons, len(struck) - len(fresh))


def _held(rounds: Sequence[Round], name: str, verdict: str, *, until: float) -> float:
    """Seconds for which that was the latest word."""
    words = [(one.ended, one.said[name][0]) for one in rounds if name in one.said]
    return sum(end - at for (at, word), (end, _) in pairwise([*words, (until, "")]) if word == verdict)


def _longest(rounds: Sequence[Round], *, since: float, until: float) -> float:
    moments = [since, *(one.ended for one in rounds), until]
    return max(later - earlier for earlier, later in pairwise(moments))
