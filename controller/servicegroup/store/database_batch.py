"""Many beats by one statement of SQL, each database in its own words: rows as JSON, or as arrays on PostgreSQL.

The statement is the same for any number of beats, so that it is compiled once. It says what `DatabaseStore.beat` says
of one row; who was not stamped is looked up by a second one.
"""

import json
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, TextClause, select, text, tuple_

from servicegroup.model import Holder, Receipt, State
from servicegroup.store.batch import Asked
from servicegroup.store.schema import AsynchronousCommit, ServerClock, groups, members

CHUNK = 500
"""Rows of one statement: SQLite takes no more than 32,766 values in the one that looks up who was not stamped."""

Row = tuple[str, str, str, int, float, str]
"""group key, member, incarnation, sequence, promised interval, state"""

FIELDS = ("group_key", "member", "incarnation", "sequence", "promised_interval", "state")
MINE = (
    "m.group_key = b.group_key AND m.member = b.member AND m.incarnation = b.incarnation "
    "AND m.state <> 'left' AND m.sequence < b.sequence"
)
CHANGES = "sequence = b.sequence, promised_interval = b.promised_interval, state = b.state"


def row(group_key: str, asked: Asked) -> Row:
    beat = asked[1]
    return group_key, beat.member, beat.incarnation, beat.sequence, beat.interval, str(beat.state)


def stamp(connection: Connection, rows: Sequence[Row]) -> list[Receipt]:
    """The receipts, in the order of the rows, which are of different incarnations and sorted by key."""
    receipts: list[Receipt] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        stamped = _update(connection, chunk)
        others = _holders(connection, [one[:2] for one in chunk if one[:3] not in stamped])
        intervals = _intervals(connection, {one[0] for one in chunk})
        receipts += [_receipt(one, stamped, others, intervals.get(one[0])) for one in chunk]
    return receipts


def _receipt(
    one: Row,
    stamped: Collection[tuple[str, str, str]],
    others: Mapping[tuple[str, str], Holder],
    interval: float | None,
) -> Receipt:
    if one[:3] in stamped:
        return Receipt(owned=True, interval=interval)
    other = others.get(one[:2])
    if other is not None and other.incarnation == one[2] and other.state is not State.LEFT:
        return Receipt(owned=True, interval=interval)
    return Receipt(owned=False, interval=interval, other=other)


def _update(connection: Connection, rows: Sequence[Row]) -> set[tuple[str, str, str]]:
    """Which rows were surely stamped; nobody, where the database does not tell."""
    dialect = connection.dialect
    clock, commit = (str(one.compile(dialect=dialect)) for one in (ServerClock(), AsynchronousCommit()))
    if dialect.name == "postgresql":
        columns = {name: [one[place] for one in rows] for place, name in enumerate(FIELDS)}
        found = connection.execute(_postgresql(clock, commit), columns)
    elif dialect.name == "sqlite":
        found = connection.execute(_sqlite(clock), {"batch": json.dumps(rows, ensure_ascii=False)})
    else:
        connection.execute(_mysql(clock), {"batch": json.dumps(rows, ensure_ascii=False)})
        return set()
    return {(one[0], one[1], one[2]) for one in found}


def _postgresql(clock: str, commit: str) -> TextClause:
    types = ("varchar", "varchar", "varchar", "bigint", "double precision", "varchar")
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in zip(FIELDS, types, strict=True))
    return text(
        f"UPDATE {members.name} AS m SET {CHANGES}, stamp = {clock} "  # noqa: S608 - names of ours
        f"FROM unnest({arrays}) AS b({', '.join(FIELDS)}) WHERE {MINE} "
        f"RETURNING m.group_key, m.member, m.incarnation, {commit}"
    )


def _sqlite(clock: str) -> TextClause:
    fields = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(FIELDS))
    return text(
        f"UPDATE {members.name} AS m SET {CHANGES}, stamp = {clock} "  # noqa: S608 - names of ours
        f"FROM (SELECT {fields} FROM json_each(:batch)) AS b WHERE {MINE} "
        "RETURNING group_key, member, incarnation"
    )


def _mysql(clock: str) -> TextClause:
    # Names are bytes there: without the cast two texts of different kinds would be compared, by no index.
    kinds = ("VARCHAR(512)", "VARCHAR(253)", "VARCHAR(32)", "BIGINT", "DOUBLE", "VARCHAR(16)")
    texts = [kind if kind in ("BIGINT", "DOUBLE") else f"{kind} CHARACTER SET utf8mb4" for kind in kinds]
    columns = ", ".join(
        f"{name} {kind} PATH '$[{place}]'" for place, (name, kind) in enumerate(zip(FIELDS, texts, strict=True))
    )
    binary = ("group_key", "member", "incarnation", "state")
    fields = ", ".join(f"CAST({name} AS BINARY) AS {name}" if name in binary else name for name in FIELDS)
    return text(
        f"UPDATE {members.name} AS m JOIN (SELECT {fields} "  # noqa: S608 - names of ours
        f"FROM JSON_TABLE(:batch, '$[*]' COLUMNS ({columns})) AS j) AS b ON {MINE} "
        f"SET m.sequence = b.sequence, m.promised_interval = b.promised_interval, m.state = b.state, m.stamp = {clock}"
    )


def _holders(connection: Connection, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Holder]:
    if not keys:
        return {}
    columns = members.c
    wanted = select(columns.group_key, columns.member, columns.incarnation, columns.sequence, columns.state).where(
        tuple_(columns.group_key, columns.member).in_(list(keys))
    )
    return {
        (one.group_key, one.member): Holder(one.incarnation, one.sequence, State(one.state))
        for one in connection.execute(wanted)
    }


def _intervals(connection: Connection, keys: Collection[str]) -> dict[str, float]:
    wanted = select(groups.c.group_key, groups.c.report_interval).where(groups.c.group_key.in_(list(keys)))
    return {one.group_key: one.report_interval for one in connection.execute(wanted)}
