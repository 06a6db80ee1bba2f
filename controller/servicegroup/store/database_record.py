"""The group record in a database: its header is a row of the groups' table, each verdict one of the verdicts'."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, and_, delete, select
from sqlalchemy import Row as NamedRow

from servicegroup.liveness import Published
from servicegroup.model import Policy, Reason, Verdict
from servicegroup.record import Header, Record
from servicegroup.store.rows import MICROSECONDS
from servicegroup.store.schema import ServerClock, groups, upsert, verdicts


def write(
    connection: Connection, group_key: str, header: Header, *, changes: Mapping[str, Published | None], whole: bool
) -> None:
    """In a transaction of the caller's: readers see all of it or nothing."""
    mine = verdicts.c.group_key == group_key
    if whole:
        connection.execute(delete(verdicts).where(mine))
    for member in [member for member, said in changes.items() if said is None]:
        connection.execute(delete(verdicts).where(and_(mine, verdicts.c.member == member)))
    said = [_verdict_row(group_key, member, said) for member, said in changes.items() if said is not None]
    upsert(connection, verdicts, said)
    upsert(connection, groups, [_header_row(group_key, header)], stamp=ServerClock())


def read(connection: Connection, group_key: str, *, only: Collection[str] | None) -> Record | None:
    """One statement, so that header and verdicts are of one publication. `only` are members; None: all."""
    mine = verdicts.c.group_key == groups.c.group_key
    wanted = mine if only is None else and_(mine, verdicts.c.member.in_(only))
    age = (ServerClock() - groups.c.stamp).label("age")
    said = [column for column in verdicts.c if column is not verdicts.c.group_key]
    statement = select(groups, age, *said).select_from(groups.outerjoin(verdicts, wanted))
    rows = connection.execute(statement.where(groups.c.group_key == group_key)).all()
    if not rows:
        return None
    members = {row.member: _published(row) for row in rows if row.member is not None}
    return Record(_header(rows[0]), max(0.0, rows[0].age / MICROSECONDS), members)


def _verdict_row(group_key: str, member: str, said: Published) -> dict[str, Any]:
    return {
        "group_key": group_key,
        "member": member,
        "verdict": str(said.verdict),
        "reason": str(said.reason),
        "since": said.since,
        "disabled": said.disabled,
        "draining": said.draining,
        "beneath": None if said.beneath is None else str(said.beneath),
    }


def _published(row: NamedRow[Any]) -> Published:
    beneath = None if row.beneath is None else Reason(row.beneath)
    return Published(Verdict(row.verdict), Reason(row.reason), row.since, row.disabled, row.draining, beneath)


def _header_row(group_key: str, header: Header) -> dict[str, Any]:
    return {
        "group_key": group_key,
        "publication": header.publication,
        "report_interval": header.policy.interval,
        "down_time": header.policy.down_time,
        "epoch": header.epoch,
        "store_back_for": header.store_back_for,
        "blind_for": header.blind_for,
        "publisher": header.publisher,
        "promised_interval": header.promised,
        "held_since": header.held_since,
        "held_until": header.held_until,
        "hold_left": header.hold_left,
    }


def _header(row: NamedRow[Any]) -> Header:
    policy = Policy(row.report_interval, row.down_time)
    return Header(
        row.publication,
        policy,
        row.epoch,
        row.store_back_for,
        row.blind_for,
        row.publisher,
        row.promised_interval,
        row.held_since,
        row.held_until,
        row.hold_left,
    )
