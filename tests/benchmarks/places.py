"""The stores that are measured: real ones, as the contract tests start them, each with a group of so many members."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from servicegroup.liveness import Published
from servicegroup.model import Beat, GroupKey, Policy, Reason, State, Verdict
from servicegroup.record import Header
from servicegroup.store import Store, open_store
from servicegroup.store.database import DatabaseStore
from servicegroup.store.mc_wire import key as hashed
from servicegroup.store.opening import Opening
from servicegroup.store.schema import ServerClock, upsert
from servicegroup.store.schema import members as member_table
from servicegroup.store.server import open_server
from servicegroup.store.sqlite import open_sqlite

from tests.benchmarks import bare
from tests.contract import databases, memcached

KEY = GroupKey("nova", "compute")
STORE_ID = "one"
GROUP = f"{STORE_ID}/{KEY}"
INTERVAL = 10.0
HEADER = Header(publication=1, policy=Policy(INTERVAL, 60.0), epoch="e", store_back_for=0.0, blind_for=0.0)
INCARNATION = "0123456789abcdef0123456789abcdef"
TIMEOUT = 60.0
PORTION = 500
"""Names that memcached's inbox takes at once, with room."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store with its members in it; `server` is the pid of the process whose tree serves, None where none does.
    `settle` is called before either side's turn.
    """

    store: Store
    bare: bare.Bare
    server: int | None
    settle: Callable[[], object] = lambda: None


def first(member: str) -> Beat:
    return Beat(member, INCARNATION, 0, INTERVAL)


@contextmanager
def sqlite(folder: Path, members: list[str]) -> Iterator[Place]:
    path = folder / "beats.sqlite"
    _fill(open_sqlite(path), members)
    with opened(f"sqlite:///{path}") as store, closing(sqlite3.connect(path)) as third:
        # The beat that fills the write-ahead log pays for a thousand of both sides; so it is emptied in between.
        yield Place(
            store,
            bare.on_sqlite(path, group=GROUP),
            None,
            settle=lambda: third.execute("PRAGMA wal_checkpoint(RESTART)").fetchall(),
        )


@contextmanager
def postgresql(_folder: Path, members: list[str]) -> Iterator[Place]:
    with databases.served(databases.POSTGRESQL) as server:
        server.init()
        _fill(open_server(server.url()), members)
        server.admin("VACUUM ANALYZE", database=databases.DATABASE)
        parameters = {**_account(server), "dbname": databases.DATABASE, "password": databases.PASSWORD}
        with opened(server.url()) as store:
            yield Place(store, bare.on_postgresql(parameters, group=GROUP), server.pid)


@contextmanager
def mariadb(_folder: Path, members: list[str]) -> Iterator[Place]:
    with databases.served(databases.MARIADB) as server:
        server.init()
        _fill(open_server(server.url()), members)
        parameters = {**_account(server), "database": databases.DATABASE, "password": databases.PASSWORD.encode()}
        with opened(server.url()) as store:
            yield Place(store, bare.on_mysql(parameters, group=GROUP), server.pid)


@contextmanager
def memcached_server(folder: Path, members: list[str]) -> Iterator[Place]:
    """The store that beats is the one that joined: another would first write each name into the inbox again."""
    with memcached.serving(folder) as (server,), opened(memcached.url([server])) as store:
        for start in range(0, len(members), PORTION):
            for member in members[start : start + PORTION]:
                store.join(KEY, first(member), timeout=TIMEOUT)
            _publish(store, members[start : start + PORTION])
        for member in members:  # the head's lineage is as old as the first publication: names are listed again, once
            store.beat(KEY, replace(first(member), sequence=1), timeout=TIMEOUT)
        rows = {member: hashed("row", GROUP, member) for member in members}
        plain = bare.on_memcached((server.host, server.port), rows=rows, head=hashed("head", GROUP))
        yield Place(store, plain, server.pid)


@contextmanager
def opened(url: str) -> Iterator[Store]:
    with closing(open_store(url, store_id=STORE_ID)) as store:
        yield store


PLACES: dict[str, Callable[[Path, list[str]], AbstractContextManager[Place]]] = {
    "sqlite": sqlite,
    "postgresql": postgresql,
    "mariadb": mariadb,
    "memcached": memcached_server,
}


def _account(server: databases.Server) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": server.port, "user": databases.USER}


def _fill(opening: Opening, members: list[str]) -> None:
    """Rows as joins leave them, and a published group; 10,000 joins would take longer than what is measured."""
    store = DatabaseStore(opening, store_id=STORE_ID)
    _publish(store, members)
    beat = {"incarnation": INCARNATION, "sequence": 0, "promised_interval": INTERVAL, "state": str(State.BEATING)}
    rows = [{"group_key": GROUP, "member": member, **beat} for member in members]
    opening.call(lambda connection: upsert(connection, member_table, rows, stamp=ServerClock()), timeout=TIMEOUT)
    store.close()


def _publish(store: Store, members: list[str]) -> None:
    up = Published(Verdict.UP, Reason.BEATING, 0.0)
    store.publish(KEY, HEADER, changes=dict.fromkeys(members, up), whole=False, timeout=TIMEOUT)
