"""When an agent writes next and how long a write may take: numbers in, numbers out. Pure; chance is a parameter.

Ten thousand agents start, beat and come back from an outage at the same time unless something spreads them: the start
is spread over one interval, and each wait is shortened by up to a tenth. A wait is never longer than what was
promised.
"""

from dataclasses import dataclass

from servicegroup.model import JITTER

FIRST_RETRY = 0.5
"""Seconds until a failed write is tried again; doubled with each failure, up to the interval."""

FIRST_DEADLINE = 2.0
"""Seconds for a write; doubled when it runs out, up to the interval: a slow store is served slowly, not failed for
ever.
"""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`interval` is what the last beat promised, in seconds; `failures` counts writes that failed since one
    succeeded.
    """

    interval: float
    failures: int = 0

    def failed(self) -> "Rhythm":
        return Rhythm(self.interval, self.failures + 1)

    def served(self, *, interval: float) -> "Rhythm":
        return Rhythm(interval)

    @property
    def deadline(self) -> float:
        return min(FIRST_DEADLINE * 2.0 ** min(self.failures, 20), self.interval)

    def wait(self, *, chance: float, published: float | None) -> float:
        """Seconds until the next write; `chance` is in [0, 1), `published` the interval that the receipt told.

        A longer interval counts from the beat on that promises it, a shorter one at once.
        """
        longest = self.interval if published is None else min(self.interval, published)
        if self.failures:
            longest = min(longest, FIRST_RETRY * 2.0 ** min(self.failures - 1, 20))
        return longest * (1 - JITTER * chance)


def start_delay(*, interval: float, chance: float) -> float:
    return interval * chance
