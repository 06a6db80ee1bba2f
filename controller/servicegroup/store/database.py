"""The `db` driver on SQLAlchemy Core: one row a member, one statement a beat, the server's clock.

SQL that differs between databases is in `schema`; what differs in how a connection is made is in an `Opening` (for
SQLite in `sqlite`). Names of a table hold no state of ours: all of them may be lost at any time.
"""

import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Table, Update, and_, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, Health, Holder, Policy, Reading, Reason, Receipt, State, Verdict
from servicegroup.record import Header, Record
from servicegroup.store.base import StoreUnavailable
from servicegroup.store.schema import ServerClock, groups, members, stores, upsert, verdicts

MICROSECONDS = 1_000_000
CANARY = GroupKey("", "canary")
"""No namespace is empty, so no group has this key."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How one kind of database is reached.

    `pooled` serves the calls, `fresh` connects anew each time (the canary's way), `shown` is the address without
    secrets, `begin` and `deadline` are statements (None: the driver's own way), `deadline` with the seconds as `{}`.
    """

    pooled: Engine
    fresh: Engine
    shown: str
    begin: str | None
    deadline: str | None


class DatabaseStore:
    driver = "db"

    def __init__(self, opening: Opening, *, store_id: str) -> None:
        self._opening = opening
        self._store_id = store_id
        self._canary = Beat(f"canary-{secrets.token_hex(4)}", secrets.token_hex(16), 0, 0.0)

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        where = self._where(members, key)
        with self._transaction(timeout) as connection:
            before = connection.execute(_holder_of(beat.member).where(where)).one_or_none()
            row = {"group_key": self._key(key), "member": beat.member, "incarnation": beat.incarnation, **_values(beat)}
            upsert(connection, members, [row], stamp=ServerClock())
            interval = connection.execute(select(groups.c.report_interval).where(self._where(groups, key))).scalar()
        displaced = None if before is None or before.incarnation == beat.incarnation else _holder(before)
        return Receipt(owned=True, interval=interval, other=displaced)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        statement = self._stamp(key, beat).where(members.c.sequence < beat.sequence)
        interval = select(groups.c.report_interval).where(self._where(groups, key)).scalar_subquery()
        with self._connected(timeout) as connection:
            if connection.dialect.update_returning:
                stamped = connection.execute(statement.returning(interval)).one_or_none()
                if stamped is not None:
                    return Receipt(owned=True, interval=stamped[0])
            elif connection.execute(statement).rowcount:
                return Receipt(owned=True, interval=connection.execute(select(interval)).scalar())
            return self._refused(connection, key, beat, interval=connection.execute(select(interval)).scalar())

    def _refused(self, connection: Connection, key: GroupKey, beat: Beat, *, interval: float | None) -> Receipt:
        row = connection.execute(_holder_of(beat.member).where(self._where(members, key))).one_or_none()
        if row is None:
            return Receipt(owned=False, interval=interval)
        mine = row.incarnation == beat.incarnation and row.state != State.LEFT
        return Receipt(owned=mine, interval=interval, other=None if mine else _holder(row))

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        left = Beat(beat.member, beat.incarnation, beat.sequence, beat.interval, State.LEFT)
        with self._connected(timeout) as connection:
            return connection.execute(self._stamp(key, left)).rowcount > 0

    def _stamp(self, key: GroupKey, beat: Beat) -> Update:
        """One statement: stamp the row by the server's clock, if this incarnation owns it and has not left."""
        mine = and_(members.c.incarnation == beat.incarnation, members.c.state != State.LEFT)
        row = and_(self._where(members, key), members.c.member == beat.member)
        return update(members).where(row, mine).values(stamp=ServerClock(), **_values(beat))

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:
        with self._connected(timeout) as connection:
            facts = {key: tuple(self._facts(connection, key)) for key in keys}
            return Reading(_epoch(connection), facts, self._published(connection, keys))

    def _published(self, connection: Connection, keys: Collection[GroupKey]) -> dict[GroupKey, tuple[str, int]]:
        columns = (groups.c.group_key, groups.c.publisher, groups.c.publication)
        # All groups of the store: a list of thousands of keys is more than some databases take in one statement.
        found = {row.group_key: (row.publisher, row.publication) for row in connection.execute(select(*columns))}
        return {key: found[name] for key in keys if (name := self._key(key)) in found}

    def _facts(self, connection: Connection, key: GroupKey) -> Iterator[Fact]:
        columns = members.c
        rows = connection.execute(
            select(
                columns.member,
                columns.incarnation,
                columns.sequence,
                columns.promised_interval,
                columns.state,
                (ServerClock() - columns.stamp).label("age"),
            ).where(self._where(members, key))
        )
        for member, incarnation, sequence, interval, state, age in rows:
            yield Fact(member, incarnation, sequence, interval, State(state), age / MICROSECONDS)

    def health(self, *, timeout: float) -> Health:
        started = time.monotonic()
        canary = self._canary = Beat(**{**_fields(self._canary), "sequence": self._canary.sequence + 1})
        row = {"group_key": self._key(CANARY), "member": canary.member, "incarnation": canary.incarnation}
        with self._connected(timeout, fresh=True) as connection:
            upsert(connection, members, [row | _values(canary)], stamp=ServerClock())
            found = connection.execute(_holder_of(canary.member).where(self._where(members, CANARY))).one_or_none()
            if found is None or found.sequence != canary.sequence:
                raise StoreUnavailable(f"store {self._opening.shown}: took a write and does not give it back")
            return Health(epoch=_epoch(connection), latency=time.monotonic() - started)

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,
    ) -> None:
        name = self._key(key)
        gone = [member for member, said in changes.items() if said is None]
        said = [_verdict_row(name, member, said) for member, said in changes.items() if said is not None]
        with self._transaction(timeout) as connection:
            if whole:
                connection.execute(delete(verdicts).where(self._where(verdicts, key)))
            for member in gone:
                row = and_(self._where(verdicts, key), verdicts.c.member == member)
                connection.execute(delete(verdicts).where(row))
            upsert(connection, verdicts, said)
            upsert(connection, groups, [_header_row(name, header)], stamp=ServerClock())

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        """One statement, so that header and verdicts are of one publication."""
        mine = verdicts.c.group_key == groups.c.group_key
        wanted = mine if only is None else and_(mine, verdicts.c.member.in_(only))
        age = (ServerClock() - groups.c.stamp).label("age")
        said = [column for column in verdicts.c if column is not verdicts.c.group_key]
        statement = select(groups, age, *said).select_from(groups.outerjoin(verdicts, wanted))
        with self._connected(timeout) as connection:
            rows = connection.execute(statement.where(self._where(groups, key))).all()
            if not rows:
                return None
            members = {row.member: _published(row) for row in rows if row.member is not None}
            return Record(_header(rows[0]), max(0.0, rows[0].age / MICROSECONDS), members)

    def close(self) -> None:
        self._opening.pooled.dispose()
        self._opening.fresh.dispose()

    def _key(self, key: GroupKey) -> str:
        return f"{self._store_id}/{key}"

    def _where(self, table: Table, key: GroupKey) -> Any:
        return table.c.group_key == self._key(key)

    @contextmanager
    def _connected(self, timeout: float, *, fresh: bool = False) -> Iterator[Connection]:
        """A connection that commits each statement; what goes wrong in it is StoreUnavailable."""
        opening = self._opening
        try:
            with (opening.fresh if fresh else opening.pooled).connect() as connection:
                if opening.deadline is not None:
                    connection.exec_driver_sql(opening.deadline.format(max(1, int(timeout * 1000))))
                yield connection
        except (SQLAlchemyError, OSError, ValueError) as error:  # ValueError: a word in a row that is none of ours
            raise StoreUnavailable(f"store {opening.shown}: {_cause(error)}") from None

    @contextmanager
    def _transaction(self, timeout: float) -> Iterator[Connection]:
        with self._connected(timeout) as connection:
            if self._opening.begin is None:
                with connection.begin():
                    yield connection
                return
            connection.exec_driver_sql(self._opening.begin)
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")


def _epoch(connection: Connection) -> str:
    word = connection.execute(select(stores.c.epoch)).scalar()
    if word is None:
        raise StoreUnavailable("the store's tables are being made; it is empty so far")
    return str(word)


def _cause(error: Exception) -> str:
    """What the database's driver said: SQLAlchemy's own text would add the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _holder_of(member: str) -> Select[Any]:
    columns = members.c
    return select(columns.incarnation, columns.sequence, columns.state).where(columns.member == member)


def _holder(row: Row[Any]) -> Holder:
    return Holder(row.incarnation, row.sequence, State(row.state))


def _values(beat: Beat) -> dict[str, Any]:
    return {"sequence": beat.sequence, "promised_interval": beat.interval, "state": str(beat.state)}


def _fields(beat: Beat) -> dict[str, Any]:
    return {name: getattr(beat, name) for name in Beat.__dataclass_fields__}


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


def _published(row: Row[Any]) -> Published:
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
    }


def _header(row: Row[Any]) -> Header:
    policy = Policy(row.report_interval, row.down_time)
    return Header(row.publication, policy, row.epoch, row.store_back_for, row.blind_for, row.publisher)
