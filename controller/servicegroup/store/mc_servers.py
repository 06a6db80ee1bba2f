"""The memcached servers of one store: who is asked, for how long, and who is left alone for a while.

A call asks all servers, one after the other, and is served when one of them answers. Each has its share of the call's
time, so that one that hangs does not use up the others'. One that failed is asked again a second later and then less
often, with a quarter of that share: in between, a call that others answer does not wait for it.
"""

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from servicegroup.store.base import StoreUnavailable
from servicegroup.store.mc_address import Address, Location, resolve
from servicegroup.store.mc_connection import Connection
from servicegroup.store.mc_tls import Secure

T = TypeVar("T")

FIRST_REST = 1.0
LONGEST_REST = 5.0
"""Seconds for which a server that failed is left alone; doubled with each failure."""

RESOLVE_EVERY = 5.0
"""Seconds between two looks at what names stand for, while a server fails: a new pod has a new address."""

IDLE = 16
"""Connections to one server that are kept for later; an agent needs one."""


@dataclass(slots=True)
class _Standing:
    """One server, as this process finds it."""

    idle: list[Connection] = field(default_factory=list)
    failures: int = 0
    rests_until: float = 0.0

    def rests(self, now: float) -> bool:
        return self.failures > 0 and self.rests_until > now


class Servers:
    def __init__(self, location: Location) -> None:
        scheme = "memcached://" if location.tls is None else "memcacheds://"
        self.shown = scheme + ",".join(str(one) for one in location.servers)
        self._named = location.servers
        self._secure = None if location.tls is None else Secure(location.tls)
        self._lock = threading.Lock()
        self._standing: dict[Address, _Standing] = {}
        self._resolved: dict[Address, tuple[Address, ...]] = {}
        self._known: list[tuple[Address, _Standing]] = []
        self._look_again = float("-inf")

    def each(
        self,
        do: Callable[[Address, Connection], T],
        *,
        deadline: float,
        among: Collection[Address] | None = None,
        fresh: bool = False,
    ) -> dict[Address, T]:
        """What each server said that answered. Raises StoreUnavailable when none did; `fresh` connects anew."""
        found: dict[Address, T] = {}
        failed: dict[Address, str] = {}
        servers = self._in_order(deadline, failed)
        if among is not None:
            servers = [pair for pair in servers if pair[0] in among]
        count, now = len(servers), time.monotonic()
        share = (deadline - now) / (count + 1 if count > 1 else 1)
        for one, standing in servers:
            if found and standing.rests(now):
                break
            until = time.monotonic() + (share / 4 if found and standing.failures else share)
            try:
                found[one] = self._ask(one, standing, do, until=min(deadline, until), fresh=fresh)
            except (OSError, MemcacheError, ValueError, LookupError) as error:
                # ValueError, LookupError: an answer that is not memcached's.
                failed[one] = _cause(error)
        if not found:
            raise StoreUnavailable(f"store {self.shown}: " + "; ".join(f"{one}: {why}" for one, why in failed.items()))
        return found

    def all_serve(self, answered: Collection[Address]) -> bool:
        with self._lock:
            known = {one for found in self._resolved.values() for one in found}
            return len(self._resolved) == len(self._named) and known <= set(answered)

    def close(self) -> None:
        with self._lock:
            idle = [connection for standing in self._standing.values() for connection in standing.idle]
            for standing in self._standing.values():
                standing.idle = []
        for connection in idle:
            connection.close()

    def _in_order(self, deadline: float, failed: dict[Address, str]) -> list[tuple[Address, _Standing]]:
        """All servers, in an order that every process has: the first that serves decides who joined last. Behind those
        that serve are those to be asked again, and at last those that are left alone while another answers.
        """
        missing = len(self._resolved) < len(self._named)
        if not missing and not any(standing.failures for _, standing in self._known):
            return self._known
        self._resolve_again(deadline, failed, at_once=missing)
        now = time.monotonic()
        return sorted(self._known, key=lambda pair: (pair[1].rests(now), pair[1].failures > 0))

    def _resolve_again(self, deadline: float, failed: dict[Address, str], *, at_once: bool) -> None:
        now = time.monotonic()
        if not at_once and now < self._look_again:
            return
        self._look_again = now + RESOLVE_EVERY
        for name in self._named:
            try:
                found = resolve(name, timeout=max(0.0, deadline - time.monotonic()) / 2)
            except OSError as error:
                failed[name] = f"its name cannot be resolved ({_cause(error)})"
            else:
                with self._lock:
                    self._resolved[name] = found
        with self._lock:
            ordered = dict.fromkeys(one for name in self._named for one in self._resolved.get(name, ()))
            self._known = [(one, self._standing.setdefault(one, _Standing())) for one in ordered]

    def _ask(
        self, one: Address, standing: _Standing, do: Callable[[Address, Connection], T], *, until: float, fresh: bool
    ) -> T:
        connection = (None if fresh else self._idle(standing)) or Connection(one, secure=self._secure)
        connection.deadline = until
        try:
            found = do(one, connection)
        except (OSError, MemcacheUnexpectedCloseError):
            standing.failures += 1
            rest = min(LONGEST_REST, FIRST_REST * 2.0 ** (standing.failures - 1))
            standing.rests_until = time.monotonic() + rest
            connection.close()
            raise
        except BaseException:
            connection.close()
            raise
        standing.failures = 0
        with self._lock:
            keep = not fresh and len(standing.idle) < IDLE and connection.sock is not None
            if keep:
                standing.idle.append(connection)
        if not keep:
            connection.close()
        return found

    def _idle(self, standing: _Standing) -> Connection | None:
        while True:
            with self._lock:
                if not standing.idle:
                    return None
                connection = standing.idle.pop()
            if not connection.spoilt:
                return connection
            with suppress(OSError):
                connection.close()


def _cause(error: Exception) -> str:
    if isinstance(error, MemcacheUnexpectedCloseError):
        return "it closed the connection"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else None
    if text is None:
        said = error.args[0] if error.args else ""
        text = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:300] or type(error).__name__
