"""What is said of passes that take longer than the second that they have: how long, and with what. Pure.

A verdict comes as late as its pass; the log of the night is where one looks why.
"""

from dataclasses import dataclass
from typing import NamedTuple

from servicegroup.model import LONGEST_PASS

SAID_EVERY = 60.0
"""Seconds between two sentences about one store."""


class Took(NamedTuple):
    """One pass; all in seconds. `late` is how long after it was due it began."""

    late: float
    looking: float
    judging: float
    writing: float

    @property
    def whole(self) -> float:
        return sum(self)


@dataclass(slots=True)
class Slowness:
    """The slow passes of one store that nothing was said about yet."""

    _count: int = 0
    _worst: Took | None = None
    _said: float = float("-inf")

    def take(self, took: Took, *, now: float) -> str | None:
        """What is to be said now, of this pass and of those before it."""
        if took.whole > LONGEST_PASS:
            self._count += 1
            self._worst = took if self._worst is None else max(self._worst, took, key=lambda one: one.whole)
        if self._worst is None or now - self._said < SAID_EVERY:
            return None
        count, worst = self._count, self._worst
        self._count, self._worst, self._said = 0, None, now
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in zip(Took._fields, worst, strict=True))
        passes = "a pass" if count == 1 else f"{count} passes"
        return (
            f"{passes} took more than {LONGEST_PASS:g} s, at most {worst.whole:.1f} s ({parts}); verdicts came as late"
        )
