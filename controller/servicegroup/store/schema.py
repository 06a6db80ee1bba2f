"""The tables of the `db` driver, and the SQL that differs between databases: the server's clock and the upsert.

Beats and verdicts are tables of their own: an agent's role may write the first and not the second, and a table of
beats that is emptied takes no verdict with it. There is no index on a stamp (stores notes 5.2: an update that touches
an indexed column cannot stay on its page).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

LONGEST_KEY = 64 + 64 + 253 + 2
"""A group's key: the store id, the namespace (a DNS label) and the name (a DNS subdomain), joined by slashes."""

metadata = MetaData()

stores = Table(
    "servicegroup_store",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", String(32), nullable=False),
)
"""One row: a random word made with the tables. Other tables under the same address have another word."""

members = Table(
    "servicegroup_member",
    metadata,
    Column("group_key", String(LONGEST_KEY), primary_key=True),
    Column("member", String(253), primary_key=True),
    Column("incarnation", String(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("promised_interval", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stamp", BigInteger, nullable=False),
)
"""One row a member; `stamp` is microseconds of the server's clock."""

groups = Table(
    "servicegroup_group",
    metadata,
    Column("group_key", String(LONGEST_KEY), primary_key=True),
    Column("publication", BigInteger, nullable=False),
    Column("report_interval", Float, nullable=False),
    Column("down_time", Float, nullable=False),
    Column("epoch", String(128), nullable=False),
    Column("store_back_for", Float, nullable=False),
    Column("blind_for", Float, nullable=False),
    Column("publisher", String(32), nullable=False),
    Column("stamp", BigInteger, nullable=False),
)

verdicts = Table(
    "servicegroup_verdict",
    metadata,
    Column("group_key", String(LONGEST_KEY), primary_key=True),
    Column("member", String(253), primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("since", Float, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("beneath", String(64), nullable=True),
)


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
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"


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
