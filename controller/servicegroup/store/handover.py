"""From one open store to the next, while calls run: a newer store is offered, calls try it, the one before is closed.

The first call that the newer one serves makes it the store. Until then the one before goes on, since a server and the
files that name its password learn of a new one at different times, in either order.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from servicegroup.store.base import Store, StoreUnavailable

T = TypeVar("T")
Call = Callable[[Store, float], T]

LOGGER = logging.getLogger("servicegroup.store")
LEAST_SECONDS = 0.05
"""What must be left of a call's time for the store before to be asked, after the newer one failed."""


@dataclass(slots=True, eq=False)
class _Open:
    """A store, and how many calls are in it: once it is retired, the last of them closes it."""

    url: str
    store: Store
    calls: int = 0
    retired: bool = False
    failed: bool = False


class Handover:
    """The store that serves, and at times one more; any thread may call. `origin` names them in the log."""

    def __init__(self, url: str, store: Store, *, origin: str) -> None:
        self._origin = origin
        self._lock = threading.Lock()
        self._serving = _Open(url, store)
        self._newer: _Open | None = None
        self._closed = False

    @property
    def driver(self) -> str:
        return self._serving.store.driver

    def offer(self, url: str, *, connect: Callable[[str], Store]) -> None:
        """Make this URL's store the next one, unless it is that already. Raises what `connect` raises: nothing
        changes.
        """
        if url == (self._newer or self._serving).url:
            return
        newer = None if url == self._serving.url else _Open(url, connect(url))
        with self._lock:
            if self._closed:
                unwanted = newer
            else:
                unwanted, self._newer = self._newer, newer
        self._retire(unwanted)

    def call(self, call: Call[T], *, timeout: float) -> T:
        """It may reach both stores, as when an answer was lost and an agent tries again. Raises StoreUnavailable."""
        end = time.monotonic() + timeout
        with self._borrowed() as (serving, newer):
            if newer is None:
                return _ask(serving, call, timeout=timeout)
            first = not newer.failed
            try:
                # All the time for the newer one where the other has nothing to give, so that a slow one gets through.
                answer = _ask(newer, call, timeout=timeout if serving.failed else timeout / 2)
            except StoreUnavailable as refusal:
                if first:
                    LOGGER.warning(
                        "%s: what it says now does not serve yet, and is tried on: %s", self._origin, refusal
                    )
                if (left := end - time.monotonic()) < LEAST_SECONDS:
                    raise
                try:
                    return _ask(serving, call, timeout=left)
                except StoreUnavailable:
                    raise refusal from None
            self._take(newer)
            return answer

    def close(self) -> None:
        with self._lock:
            self._closed = True
            serving, newer, self._newer = self._serving, self._newer, None
        self._retire(serving)
        self._retire(newer)

    @contextmanager
    def _borrowed(self) -> Iterator[tuple[_Open, _Open | None]]:
        with self._lock:
            serving, newer = self._serving, self._newer
            borrowed = [one for one in (serving, newer) if one is not None]
            for one in borrowed:
                one.calls += 1
        try:
            yield serving, newer
        finally:
            with self._lock:
                for one in borrowed:
                    one.calls -= 1
                over = [one for one in borrowed if one.retired and not one.calls]
            for one in over:
                one.store.close()

    def _take(self, newer: _Open) -> None:
        with self._lock:
            if self._newer is not newer:
                return  # another thread was faster, or there is a newer one still
            before, self._serving, self._newer = self._serving, newer, None
        self._retire(before)
        LOGGER.info("%s: what it says now serves, and the store before is given up", self._origin)

    def _retire(self, one: _Open | None) -> None:
        if one is None:
            return
        with self._lock:
            one.retired = True
            idle = not one.calls
        if idle:
            one.store.close()


def _ask(one: _Open, call: Call[T], *, timeout: float) -> T:
    try:
        answer = call(one.store, timeout)
    except StoreUnavailable:
        one.failed = True
        raise
    one.failed = False
    return answer
