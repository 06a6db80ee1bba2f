"""The same work on the bare driver of each store, as plainly as a sensible person would write it by hand.

One connection that is kept, autocommit, the timeouts that the driver takes as parameters (who goes without hangs with
the first server that does), and no more: no deadline for each call, no look at the connection before it serves, nothing
checked. A read is what `fetchall` gives for the same columns, once; ours makes facts of them, and reads
the epoch and the publications too.

A beat does what ours does: it stamps the row by the server's clock, guarded by incarnation and sequence, and brings the
group's interval back, in as many round trips. It is bound as ours is by what PgBouncer takes in transaction mode: no
statement is prepared, nothing is set for a session, and the commit that does not wait for the disk is asked for in the
statement. SQLite's file has our settings. On memcached a beat is a `gets` of row and head and a `cas`, a read is
`get_many` in chunks as large as ours, and values are read by `json.loads` alone.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
from pymemcache import Client
from servicegroup.model import Beat
from servicegroup.store.mc_connection import BATCH
from servicegroup.store.mc_wire import TTL

SECONDS = 60
"""For which a server may be silent."""

Bare = Callable[[], AbstractContextManager["Calls"]]


@dataclass(frozen=True, slots=True)
class Calls:
    """`beat` says whether the row was stamped, `read` how many there are."""

    beat: Callable[[Beat], bool]
    read: Callable[[], int]


UPDATE = """
UPDATE servicegroup_member SET sequence = {0}, promised_interval = {0}, state = {0}, stamp = {1}
WHERE group_key = {0} AND member = {0} AND incarnation = {0} AND state <> 'left' AND sequence < {0}
"""
RETURNING = "RETURNING (SELECT report_interval FROM servicegroup_group WHERE group_key = {0})"
INTERVAL = "SELECT report_interval FROM servicegroup_group WHERE group_key = {0}"
READ = """
SELECT member, incarnation, sequence, promised_interval, state, {1} - stamp
FROM servicegroup_member WHERE group_key = {0}
"""
SQLITE = ("?", "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)")
POSTGRESQL = ("%s", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
MYSQL = ("%s", "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))")


def on_sqlite(path: Path, *, group: str) -> Bare:
    stamp, read = (UPDATE + RETURNING).format(*SQLITE), READ.format(*SQLITE)

    @contextmanager
    def opened() -> Iterator[Calls]:
        with closing(sqlite3.connect(path, timeout=SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = normal")
            yield Calls(
                lambda beat: connection.execute(stamp, (*_values(beat, group), group)).fetchone() is not None,
                lambda: len(connection.execute(read, (group,)).fetchall()),
            )

    return opened


def on_postgresql(parameters: dict[str, Any], *, group: str) -> Bare:
    asynchronous = ", set_config('synchronous_commit', 'off', true)"
    stamp, read = (UPDATE + RETURNING + asynchronous).format(*POSTGRESQL), READ.format(*POSTGRESQL)

    @contextmanager
    def opened() -> Iterator[Calls]:
        with psycopg.connect(
            **parameters, connect_timeout=SECONDS, autocommit=True, prepare_threshold=None
        ) as connection:
            yield Calls(
                lambda beat: connection.execute(stamp, (*_values(beat, group), group)).fetchone() is not None,
                lambda: len(connection.execute(read, (group,)).fetchall()),
            )

    return opened


def on_mysql(parameters: dict[str, Any], *, group: str) -> Bare:
    timeouts: dict[str, Any] = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), SECONDS)
    stamp, interval, read = UPDATE.format(*MYSQL), INTERVAL.format("%s"), READ.format(*MYSQL)

    @contextmanager
    def opened() -> Iterator[Calls]:
        with (
            closing(pymysql.connect(**parameters, **timeouts, autocommit=True)) as connection,
            connection.cursor() as cursor,
        ):

            def beat(beat: Beat) -> bool:
                stamped = cursor.execute(stamp, _values(beat, group))
                cursor.execute(interval, (group,))
                return stamped > 0 and cursor.fetchone() is not None

            def read_all() -> int:
                cursor.execute(read, (group,))
                return len(cursor.fetchall())

            yield Calls(beat, read_all)

    return opened


def on_memcached(server: tuple[str, int], *, rows: Mapping[str, str], head: str) -> Bare:
    """`rows` are the keys of the members' rows."""
    keys = list(rows.values())
    chunks = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]

    @contextmanager
    def opened() -> Iterator[Calls]:
        with closing(Client(server, default_noreply=False, connect_timeout=SECONDS, timeout=SECONDS)) as client:

            def beat(beat: Beat) -> bool:
                key = rows[beat.member]
                found = client.gets_many([key, head])
                value, cas = found[key]
                before = json.loads(value)
                interval = json.loads(found[head][0])["header"]["policy"]["interval"]
                if before["i"] != beat.incarnation or before["s"] >= beat.sequence or interval is None:
                    return False
                return bool(client.cas(key, json.dumps({**before, "s": beat.sequence}), cas, expire=TTL))

            def read() -> int:
                return sum(len([json.loads(value) for value in client.get_many(chunk).values()]) for chunk in chunks)

            yield Calls(beat, read)

    return opened


def _values(beat: Beat, group: str) -> tuple[Any, ...]:
    what = (beat.sequence, beat.interval, str(beat.state))
    return (*what, group, beat.member, beat.incarnation, beat.sequence)
