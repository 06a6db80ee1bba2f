"""Database servers for the `db` driver: an address comes in, an `Opening` goes out. Tables are made by `tables`.

A pooled connection is looked at before it serves: one that its server has closed costs no beat, and no round trip is
spent on those that live. One that was cut off without a word costs one call, and is not used again.
"""

import select
import time
from importlib import import_module
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from servicegroup.store.address import parse, shown
from servicegroup.store.base import InvalidStore
from servicegroup.store.kept import Kept
from servicegroup.store.opening import Opening

KEPT = 1
"""Idle connections: an agent beats from one thread. More callers at once open more, and close them again."""

IDLE_SECONDS = 100.0
"""A connection that rested for longer is not trusted: load balancers forget such ones without telling anybody."""

RECYCLE_SECONDS = 3600
"""Connections are renewed, so that after a fail-over the load spreads again."""


def open_server(url: str) -> Opening:
    """It connects at the first call. Raises InvalidStore."""
    address = parse(url)
    driver = _driver(address)
    pooled = _pooled(address, driver)
    return Opening(
        pooled=pooled,
        kept=Kept(pooled, lives=lambda lent: _serves(lent.driver, since=lent.rests_since)),
        fresh=_engine(address, driver, poolclass=NullPool),
        shown=shown(address),
        begin=driver.BEGIN,
        deadline=None,  # the connections know the call's own
    )


def _driver(address: URL) -> ModuleType:
    extra = address.get_backend_name()
    try:
        return import_module(f"servicegroup.store.{extra}")
    except ImportError as error:
        raise InvalidStore(
            f"store {shown(address)}: its package is missing ({error}); install servicegroup[{extra}]"
        ) from None


def _engine(address: URL, driver: ModuleType, **pool: Any) -> Engine:
    # Each statement commits, and a transaction of ours ends where it began: there is nothing for a pool to roll back.
    engine = create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        **pool,
        **driver.ENGINE,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _entry: object, _arguments: object, parameters: dict[str, Any]) -> Any:
        return driver.connect(parameters)

    return engine


def _pooled(address: URL, driver: ModuleType) -> Engine:
    engine = _engine(
        address, driver, poolclass=QueuePool, pool_size=KEPT, max_overflow=-1, pool_recycle=RECYCLE_SECONDS
    )

    @event.listens_for(engine, "checkin")
    def _rests(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info["rests since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _lives(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        since = entry.info.get("rests since")
        if since is not None and not _serves(connection, since=since):
            raise DisconnectionError("the server closed it, or it rested for too long")

    return engine


def _serves(connection: Any, *, since: float) -> bool:
    """A server has nothing to say to a connection at rest but that it is over."""
    if time.monotonic() - since > IDLE_SECONDS:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
