"""The tables of the `db` driver, and the SQL that differs between databases: names, clock, start, commit and upsert.

Beats and verdicts are tables of their own: an agent's role may write the first and not the second, and a table of
beats that is emptied takes no verdict with it. There is no index on a stamp (stores notes 5.2: an update that touches
an indexed column cannot stay on its page).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

LONGEST_KEY = 64 + 64 + 253 + 2
"""A group's key: the store id, the namespace (a DNS label) and the name (a DNS subdomain), joined by slashes."""

BYTES = 4
"""Of the longest character in UTF-8."""


class Name(TypeDecorator[str]):
    """Text that is compared byte for byte: neither case nor spaces at the end are lost.

    MariaDB and MySQL have no collation in common that does this, and hold bytes.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARBINARY(BYTES * self._length))
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(self._length, collation=collation))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return value.encode() if dialect.name in ("mysql", "mariadb") else str(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        # None where there is nothing to do: this runs for each text of each row that is read.
        return _decoded if dialect.name in ("mysql", "mariadb") else None


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


metadata = MetaData()

stores = Table(
    "servicegroup_store",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Name(32), nullable=False),
)
"""One row: a random word made with the tables. Other tables under the same address have another word."""

members = Table(
    "servicegroup_member",
    metadata,
    Column("group_key", Name(LONGEST_KEY), primary_key=True),
    Column("member", Name(253), primary_key=True),
    Column("incarnation", Name(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("promised_interval", Double, nullable=False),
    Column("state", Name(16), nullable=False),
    Column("stamp", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
    mysql_engine="InnoDB",
)
"""One row a member; `stamp` is microseconds of the server's clock.

Half of each page is free on PostgreSQL, so that a beat finds room for its row's next version on the same page.
"""

groups = Table(
    "servicegroup_group",
    metadata,
    Column("group_key", Name(LONGEST_KEY), primary_key=True),
    Column("publication", BigInteger, nullable=False),
    Column("report_interval", Double, nullable=False),
    Column("down_time", Double, nullable=False),
    Column("epoch", Name(128), nullable=False),
    Column("store_back_for", Double, nullable=False),
    Column("blind_for", Double, nullable=False),
    Column("publisher", Name(32), nullable=False),
    Column("promised_interval", Double, nullable=False, server_default="0"),
    Column("held_since", Double, nullable=False, server_default="0"),
    Column("held_until", Double, nullable=False, server_default="0"),
    Column("hold_left", Double, nullable=False, server_default="0"),
    Column("stamp", BigInteger, nullable=False),
    mysql_engine="InnoDB",
)

verdicts = Table(
    "servicegroup_verdict",
    metadata,
    Column("group_key", Name(LONGEST_KEY), primary_key=True),
    Column("member", Name(253), primary_key=True),
    Column("verdict", Name(16), nullable=False),
    Column("reason", Name(64), nullable=False),
    Column("since", Double, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("beneath", Name(64), nullable=True),
    mysql_engine="InnoDB",
)


def new_columns(table: Table, *, there: Collection[str], dialect: Dialect) -> list[str]:
    """The statements that give a table of an earlier version its new columns. Each of those has a default, so that an
    earlier version's agents and operator go on beside this one's.
    """
    return [
        f"ALTER TABLE {table.name} ADD COLUMN {CreateColumn(column).compile(dialect=dialect)}"
        for column in table.columns
        if column.name not in there
    ]


class ServerClock(FunctionElement[int]):
    """Microseconds since 1970 by the clock of the database server, at the time of the statement."""

    type = BigInteger()
    inherit_cache = True


@compiles(ServerClock, "sqlite")
def _sqlite_clock(_element: ServerClock, _compiler: SQLCompiler, **_: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"


@compiles(ServerClock, "postgresql")
def _postgresql_clock(_element: ServerClock, _compiler: SQLCompiler, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(ServerClock, "mysql", "mariadb")
def _mysql_clock(_element: ServerClock, _compiler: SQLCompiler, **_: Any) -> str:
    # By UTC, and not by UNIX_TIMESTAMP of a local time: that one steps back by an hour when summer ends.
    return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"


class ServerStart(FunctionElement[str]):
    """Which server this is and since when it runs, as text; another after a restart or a fail-over."""

    type = String()
    inherit_cache = True


@compiles(ServerStart, "sqlite")
def _sqlite_start(_element: ServerStart, _compiler: SQLCompiler, **_: Any) -> str:
    return "''"


@compiles(ServerStart, "postgresql")
def _postgresql_start(_element: ServerStart, _compiler: SQLCompiler, **_: Any) -> str:
    return "concat(extract(epoch from pg_postmaster_start_time()), ' ', pg_is_in_recovery())"


@compiles(ServerStart, "mysql", "mariadb")
def _mysql_start(_element: ServerStart, compiler: SQLCompiler, **_: Any) -> str:
    # Uptime is the statement's own time less the start, so that the difference is the start to the second.
    schema = "information_schema" if getattr(compiler.dialect, "is_mariadb", False) else "performance_schema"
    uptime = f"SELECT VARIABLE_VALUE FROM {schema}.global_status WHERE VARIABLE_NAME = 'Uptime'"  # noqa: S608
    return f"CONCAT_WS(' ', @@hostname, @@port, @@server_id, UNIX_TIMESTAMP() - CAST(({uptime}) AS SIGNED))"


class AsynchronousCommit(FunctionElement[str]):
    """In a RETURNING clause: commit this statement without waiting for the disk, where that can be asked for.

    A beat that a crash of the server takes with it is written again an interval later.
    """

    type = String()
    inherit_cache = True


@compiles(AsynchronousCommit)
def _as_ever(_element: AsynchronousCommit, _compiler: SQLCompiler, **_: Any) -> str:
    return "NULL"


@compiles(AsynchronousCommit, "postgresql")
def _asynchronous(_element: AsynchronousCommit, _compiler: SQLCompiler, **_: Any) -> str:
    return "set_config('synchronous_commit', 'off', true)"


def insert_absent(connection: Connection, table: Table, row: Mapping[str, Any], **computed: Any) -> bool:
    """Insert the row if there is none of its key; afterwards there is one, and no other transaction can come first.

    True when it is surely new; where the database does not tell, False.
    """
    if connection.dialect.name in ("mysql", "mariadb"):
        key = table.primary_key.columns[0]
        insert = mysql.insert(table).values(**row, **computed)
        connection.execute(insert.on_duplicate_key_update({key.name: key}))
        return False
    new = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    return connection.execute(new.values(**row, **computed).on_conflict_do_nothing()).rowcount > 0


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], **computed: Any) -> None:
    """Insert the rows or, by primary key, overwrite them; `computed` are columns whose value is an SQL expression.

    Rows are written in the order of their keys, so that two writers cannot wait for each other.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    rest = [name for name in (*ordered[0], *computed) if name not in keys]
    if connection.dialect.name in ("mysql", "mariadb"):
        update = mysql.insert(table).values(**computed)
        connection.execute(update.on_duplicate_key_update({name: update.inserted[name] for name in rest}), ordered)
        return
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table).values(**computed)
    changes = {name: insert.excluded[name] for name in rest}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changes), ordered)
