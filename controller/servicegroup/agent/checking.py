"""The check of the main container, in a thread of its own: looks at it in a rhythm, and answers at any time how it is.

The beat loop never waits for a look: one that hangs delays no beat, and counts as a failure for each period that it
lasts. What was found goes with the next beat, and a change rings for one.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from servicegroup.agent.checks import Check
from servicegroup.agent.probes import LONGEST_REASON, Unwell
from servicegroup.clock import monotonic
from servicegroup.model import State

LOGGER = logging.getLogger("servicegroup.agent")
TOO_LATE = "no answer in time"


@dataclass(frozen=True, slots=True)
class Tally:
    """What the looks found, from `began` on: how many of the last ones failed in a row, and whether one was ever
    `well`; `looking` is since when one is on its way, None between two.
    """

    began: float
    failed: int = 0
    well: bool = False
    looking: float | None = None

    def found(self, check: Check, *, well: bool, now: float) -> "Tally":
        if well:
            return Tally(self.began, well=True)
        return replace(self, failed=max(self.failed + 1, self.failures(check, now=now)), looking=None)

    def failures(self, check: Check, *, now: float) -> int:
        hangs = -1.0 if self.looking is None else now - self.looking - check.timeout
        return self.failed if hangs <= 0 else self.failed + 1 + int(hangs // check.period)

    def state(self, check: Check, *, now: float) -> State:
        """What a beat says now."""
        enough = self.failures(check, now=now) >= check.failures
        if enough and (self.well or now - self.began >= check.start):
            return State.UNHEALTHY
        return State.HEALTHY if self.well else State.CHECKING


class Checking:
    """`on_change` is called in the check's thread. That is a daemon: a look that hangs does not keep the process."""

    def __init__(self, check: Check, *, on_change: Callable[[], None]) -> None:
        self._check = check
        self._on_change = on_change
        self._tally = Tally(monotonic())
        self._reason = TOO_LATE
        self._said = State.CHECKING
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="check", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()

    def state(self) -> State:
        """What a beat says; a change is logged by who sees it first."""
        tally = self._tally
        state = tally.state(self._check, now=monotonic())
        with self._lock:
            before, self._said = self._said, state
        if before is not state:
            self._log(state, reason=self._reason if tally.looking is None else TOO_LATE)
        return state

    def _run(self) -> None:
        sent = State.CHECKING
        while not self._ended.is_set():
            started = monotonic()
            self._tally = replace(self._tally, looking=started)
            found = self._look()
            now = monotonic()
            reason = TOO_LATE if found is None and now - started > self._check.timeout else found
            self._reason = reason or ""
            self._tally = self._tally.found(self._check, well=reason is None, now=now)
            if (state := self.state()) is not sent:
                sent = state
                self._on_change()
            self._ended.wait(max(0.0, started + self._check.period - monotonic()))

    def _look(self) -> str | None:
        """Why it is not well."""
        try:
            self._check.probe.look(timeout=self._check.timeout)
        except Unwell as error:
            return str(error)[:LONGEST_REASON]
        except Exception as error:
            LOGGER.exception("check of %s: it failed itself", self._check.probe.shown)
            return type(error).__name__
        return None

    def _log(self, state: State, *, reason: str) -> None:
        if state is State.HEALTHY:
            LOGGER.info("check of %s: healthy", self._check.probe.shown)
        elif state is State.UNHEALTHY:
            LOGGER.warning("check of %s: unhealthy: %s", self._check.probe.shown, reason)
