"""SQLite for the `db` driver: the embedded default, one file for the processes of one machine.

The tables are made by whoever comes first. Write-ahead logging lets readers and the writer pass each other; it does not
work over a network file system, and pods of different nodes cannot share a file (stores notes 5.4).
"""

import os
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Dialect, Engine, NullPool, QueuePool, Table, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateTable

from servicegroup.store.base import StoreUnavailable
from servicegroup.store.kept import Kept
from servicegroup.store.opening import Opening
from servicegroup.store.schema import metadata, new_columns

BUSY_SECONDS = 2.0
"""How long a connection waits for another's lock before its first call has set that call's own deadline."""


def open_sqlite(path: Path) -> Opening:
    """The file's folder is made when it is missing. Raises StoreUnavailable where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"store sqlite:///{path}: its folder cannot be made ({error.strerror}); name a file in a writable folder"
        ) from None
    pooled, name = _engine(path, pool=QueuePool), str(path)
    return Opening(
        pooled=pooled,
        kept=Kept(pooled, lives=lambda lent: lent.pooled.info["file"] == _identity(name)),
        fresh=_engine(path, pool=NullPool),
        shown=f"sqlite:///{path}",
        begin="BEGIN IMMEDIATE",  # a read that turns into a write fails at once, whatever its deadline
        deadline="PRAGMA busy_timeout = {}",
    )


def _engine(path: Path, *, pool: type[QueuePool] | type[NullPool]) -> Engine:
    url = URL.create("sqlite", database=str(path))
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(url, poolclass=pool, connect_args=arguments, isolation_level="AUTOCOMMIT")
    tables = {table: str(CreateTable(table, if_not_exists=True).compile(engine)) for table in metadata.sorted_tables}

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _identity(path)
        _prepare_file(connection, tables, dialect=engine.dialect)

    @event.listens_for(engine, "checkout")
    def _same_file(_connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        # A file that was removed or replaced stays open under its old connections: they would write into nothing.
        if entry.info["file"] != _identity(path):
            raise DisconnectionError("the database file was replaced")

    return engine


def _identity(path: Path | str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - before each beat, and of a name it takes half the time
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _prepare_file(connection: sqlite3.Connection, tables: Mapping[Table, str], *, dialect: Dialect) -> None:
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = wal")
    cursor.execute("PRAGMA synchronous = normal")  # with a write-ahead log: no corruption, at most the last beats lost
    for table, statement in tables.items():
        cursor.execute(statement)
        there = [row[1] for row in cursor.execute(f"PRAGMA table_info({table.name})")]
        for addition in new_columns(table, there=there, dialect=dialect):
            with suppress(sqlite3.OperationalError):  # another process came first
                cursor.execute(addition)
    if cursor.execute("SELECT epoch FROM servicegroup_store").fetchone() is None:
        row = (1, secrets.token_hex(16))
        cursor.execute("INSERT INTO servicegroup_store (id, epoch) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
    connection.commit()
    cursor.close()
