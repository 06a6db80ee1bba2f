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
class Worst:
    """The largest figure of the last minute: those that no later one surpassed are kept, the largest first."""

    _kept: deque[tuple[float, float]] = field(default_factory=deque)

    def take(self, figure: float, *, now: float) -> None:
        while self._kept and self._kept[-1][1] <= figure:
            self._kept.pop()
        self._kept.append((now, figure))
        while now - self._kept[0][0] > SLOW_HELD:
            self._kept.popleft()

    def of(self, now: float) -> float:
        return next((figure for at, figure in self._kept if now - at <= SLOW_HELD), 0.0)


@dataclass(slots=True)
class Evidence:
    store: str
    _failed: int = 0
    _failure: str | None = None
    _look: Worst = field(default_factory=Worst)
    _write: Worst = field(default_factory=Worst)
    _read: Worst = field(default_factory=Worst)
    _absent: Worst = field(default_factory=Worst)
    _slow: bool = False
    _starved: bool = False
    _evictions: int | None = None
    _evicted_at: float = float("-inf")

    def take(self, found: Survey, *, gap: float = float("inf")) -> None:
        """`gap` is the shortest of the groups' longest gaps, by which the log tells slow from quick."""
        self._absent.take(found.lag + found.stall, now=found.now)
        self._log_absence(found, gap=gap)
        if found.failure is not None:
            self.failed(found.failure)
            return
        if self._failed >= FAILED_LOOKS:
            LOGGER.info("store %s: answers again", self.store)
        self._failed, self._failure = 0, None
        self._look.take(found.now - found.asked, now=found.now)
        self._write.take(found.latency, now=found.now)
        self._read.take(found.now - (found.asked if found.read is None else found.read), now=found.now)
        self._log_slowness(found, gap=gap)
        if self._evictions is not None and found.evictions > self._evictions:
            if found.now - self._evicted_at > EVICTIONS_HELD:
                LOGGER.warning("store %s: it evicted %d items", self.store, found.evictions - self._evictions)
            self._evicted_at = found.now
        self._evictions = found.evictions

    def _log_slowness(self, found: Survey, *, gap: float) -> None:
        slow = self._look.of(found.now) > gap / 2
        if slow and not self._slow:
            words = "store %s: a look took %.1f s, of which the canary's write %.1f s"
            LOGGER.warning(words, self.store, found.now - found.asked, found.latency)
        elif self._slow and not slow:
            LOGGER.info("store %s: quick again for %.0f s", self.store, SLOW_HELD)
        self._slow = slow

    def _log_absence(self, found: Survey, *, gap: float) -> None:
        starved = self._absent.of(found.now) > gap / 2
        if starved and not self._starved:
            words = (
                "store %s: the operator lacks CPU or was stopped: a look %.1f s late, and %.1f s at a standstill in it"
            )
            LOGGER.warning(words, self.store, found.lag, found.stall)
        elif self._starved and not starved:
            LOGGER.info("store %s: the operator looks in time again for %.0f s", self.store, SLOW_HELD)
        self._starved = starved

    def failed(self, failure: str) -> None:
        self._failed += 1
        if self._failed == FAILED_LOOKS:
            # The first sentence of an outage stays: one that changes with each pass would be a write each pass.
            self._failure = failure
            LOGGER.warning("store %s: %s", self.store, failure)

    def sight(self, policy: Policy, *, read_once: bool, now: float) -> StoreSight:
        """As a group with this policy is told. Slow is a look that takes half of what would be a gap."""
        slow = self._look.of(now) > policy.longest_gap / 2
        return StoreSight(
            failing=self._failure if self._failed >= FAILED_LOOKS else None,
            read_once=read_once,
            slow=slow,
            writing=self._write.of(now) if slow else 0.0,
            reading=self._read.of(now) if slow else 0.0,
            evicting=now - self._evicted_at <= EVICTIONS_HELD,
        )

    def absent(self, *, now: float) -> float:
        """The longest time of the last minute, in seconds, for which the operator was kept from looking."""
        return self._absent.of(now)
