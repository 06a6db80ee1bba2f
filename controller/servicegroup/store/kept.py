"""The connection that a store's brief calls use again and again: taken out of the pool, and given back a minute later.

SQLAlchemy's pool opens, renews and ends it. Its way out of the pool and back costs as much as a beat on SQLite does, so
between two brief calls the connection stays out. It goes back at once when a call of another kind wants a connection:
a process has no more of them than its calls need at a time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.engine.interfaces import DBAPIConnection

KEPT_SECONDS = 60.0
"""After which the pool looks at a connection again, and renews it when it is old."""


@dataclass(slots=True, eq=False)
class Lent:
    """A connection of the pool's, and of the database's driver beneath it; `bound` is the deadline that it was given
    last, in milliseconds.
    """

    pooled: PoolProxiedConnection
    driver: DBAPIConnection
    until: float
    rests_since: float = 0.0
    bound: int = 0


class Kept:
    """One connection of `pool`, for any thread; `lives` says whether it may serve after a rest."""

    def __init__(self, pool: Engine, *, lives: Callable[[Lent], bool]) -> None:
        self._pool = pool
        self._lives = lives
        self._lock = threading.Lock()
        self._resting: Lent | None = None
        self._closed = False

    def take(self) -> Lent:
        with self._lock:
            lent, self._resting = self._resting, None
        now = time.monotonic()
        if lent is not None:
            if now < lent.until and self._lives(lent):
                return lent
            self._ended(lent)
        pooled = self._pool.raw_connection()
        driver = cast("DBAPIConnection", pooled.dbapi_connection)  # None only once it is invalidated
        return Lent(pooled, driver, now + KEPT_SECONDS)

    def put(self, lent: Lent) -> None:
        """One that is in order. Another that rests already is enough: then it goes back to the pool."""
        lent.rests_since = time.monotonic()
        with self._lock:
            if self._resting is None and not self._closed:
                self._resting = lent
                return
        lent.pooled.close()

    def give_back(self) -> None:
        """To the pool, for who takes it from there."""
        with self._lock:
            lent, self._resting = self._resting, None
        if lent is not None:
            self._ended(lent)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self.give_back()

    def _ended(self, lent: Lent) -> None:
        if not self._lives(lent):
            lent.pooled.invalidate()
        lent.pooled.close()
