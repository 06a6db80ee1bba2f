"""PostgreSQL for the `db` driver, by psycopg 3: connections that end when the call's time is over.

Nothing is set for a session, so that PgBouncer may stand between in transaction mode: what a call needs is set in its
transaction, or by the statement itself (`schema.AsynchronousCommit`).
"""

from collections.abc import Generator, Mapping
from typing import Any, Self, TypeVar, cast

import psycopg
from psycopg.pq import Format

from servicegroup.store.deadline import passed, remaining

WAKE = 0.1
"""Seconds after which psycopg looks up while it waits, so that Ctrl-C is heard; its own default."""

BEGIN = "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = {}"
"""One round trip. A row's own statement_timeout frees the server's lock even when this client is gone."""

ENGINE = {"use_native_hstore": False, "paramstyle": "format"}
"""The first spares a query; `statements` gives values in order."""

T = TypeVar("T")


class Cursor(psycopg.Cursor[tuple[Any, ...]]):
    """Asks for binary results where it can, since numbers cost half as much to read as from their digits."""

    def execute(self, query: Any, params: Any = None, **rest: Any) -> Self:
        # Several statements at once, as in BEGIN, have no values and come back as text.
        self.format = Format.BINARY if params else Format.TEXT
        return super().execute(query, params, **rest)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Waits for the server no longer than the call in progress may; a connection that was too late is closed.

    No cancelling: it would be asked of a server that does not answer. No timeout of libpq's ends a read.
    """

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Generator[Any, Any, Self]:
        return _bounded(super()._connect_gen(conninfo))

    def wait(self, gen: Any, interval: float = WAKE, timeout: float | None = None) -> Any:
        left = remaining()
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.OperationalError:
            if passed():
                self.pgconn.finish()
                raise psycopg.OperationalError("no answer within the time of the call") from None
            raise


def connect(parameters: Mapping[str, Any]) -> Connection:
    return Connection.connect(**{**parameters, "prepare_threshold": None, "cursor_factory": Cursor})


def _bounded(trying: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """The same steps towards a connection, until the time is over: psycopg counts whole seconds, from two."""
    try:
        wanted = next(trying)
        while True:
            ready = yield wanted
            if passed():
                raise psycopg.OperationalError("no connection within the time of the call")
            wanted = trying.send(ready)
    except StopIteration as connected:
        return cast("T", connected.value)
