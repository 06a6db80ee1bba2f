"""When an operator did not look, by what it published: the ages of a group's record come in, gaps between looks go out.

A machine that does too much makes gaps that no scenario made. They excuse a late verdict as any other blindness does
(rule 3), and are told with the figures, so that nothing hides behind them.
"""

import threading
from contextlib import closing, suppress

from servicegroup.clock import monotonic
from servicegroup.model import GroupKey
from servicegroup.store import InvalidStore, StoreUnavailable, open_client

from tests.scenarios.ledger import STORE, Break, Span
from tests.scenarios.pace import GRAINS, RECORD_EVERY
from tests.scenarios.places import Place

NOBODY = ["."]
"""No member's verdict is wanted."""


class Gaps:
    """It asks the store itself, not by a way that a scenario may close."""

    def __init__(self, place: Place, key: GroupKey, *, longest: float) -> None:
        self._place, self._key, self._longest = place, key, longest + GRAINS[place.driver]
        self._found: list[Break] = []
        self._last = monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def found(self) -> list[Break]:
        """Also the one that goes on."""
        last, now = self._last, monotonic()
        return [*self._found, *([Break(STORE, Span(last, now))] if now - last > self._longest else [])]

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            url = self._place.url  # another one after a fail-over
            with suppress(StoreUnavailable, InvalidStore), closing(open_client(url, store_id="default")) as store:
                while not self._ended.wait(RECORD_EVERY):
                    record = store.record(self._key, timeout=2.0, only=NOBODY)
                    if record is not None:
                        self._looked(monotonic() - record.age)
            self._ended.wait(RECORD_EVERY)

    def _looked(self, at: float) -> None:
        if at - self._last > self._longest:
            self._found.append(Break(STORE, Span(self._last, at)))
        self._last = max(self._last, at)
