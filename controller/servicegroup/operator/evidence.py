"""What the last looks at a store say of it: surveys come in, log lines and a `StoreSight` for the conditions go out.

Whatever is shown is held for a while: a figure that changes with each look would be a write of the status each second.
"""

import logging
from collections import deque
from dataclasses import dataclass, field

from servicegroup.model import Policy
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.survey import Survey

LOGGER = logging.getLogger("servicegroup.operator")
FAILED_LOOKS = 2
"""Looks that fail in a row before it is said: one alone is no news (rule 3)."""

SLOW_HELD = 60.0
EVICTIONS_HELD = 600.0
"""Seconds."""


@dataclass(slots=True)
class Evidence:
    store: str
    _failed: int = 0
    _failure: str | None = None
    _slowest: deque[tuple[float, float]] = field(default_factory=deque)
    _evictions: int | None = None
    _evicted_at: float = float("-inf")

    def take(self, found: Survey) -> None:
        if found.failure is not None:
            self.failed(found.failure)
            return
        if self._failed >= FAILED_LOOKS:
            LOGGER.info("store %s: answers again", self.store)
        self._failed, self._failure = 0, None
        self._timed(found.now, took=found.now - found.asked)
        if self._evictions is not None and found.evictions > self._evictions:
            if found.now - self._evicted_at > EVICTIONS_HELD:
                LOGGER.warning("store %s: it evicted %d items", self.store, found.evictions - self._evictions)
            self._evicted_at = found.now
        self._evictions = found.evictions

    def _timed(self, now: float, *, took: float) -> None:
        """Keep the looks of the last while that no later one was slower than: the slowest of them first."""
        while self._slowest and self._slowest[-1][1] <= took:
            self._slowest.pop()
        self._slowest.append((now, took))
        while now - self._slowest[0][0] > SLOW_HELD:
            self._slowest.popleft()

    def failed(self, failure: str) -> None:
        self._failed += 1
        if self._failed == FAILED_LOOKS:
            # The first sentence of an outage stays: one that changes with each pass would be a write each pass.
            self._failure = failure
            LOGGER.warning("store %s: %s", self.store, failure)

    def sight(self, policy: Policy, *, read_once: bool, now: float) -> StoreSight:
        """As a group with this policy is told. Slow is a look that takes half of what would be a gap."""
        return StoreSight(
            failing=self._failure if self._failed >= FAILED_LOOKS else None,
            read_once=read_once,
            slow=any(took > policy.longest_gap / 2 and now - at <= SLOW_HELD for at, took in self._slowest),
            evicting=now - self._evicted_at <= EVICTIONS_HELD,
        )
