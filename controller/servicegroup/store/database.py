"""The `db` driver on SQLAlchemy Core: one row a member, one statement a beat, the server's clock.

SQL that differs between databases is in `schema`; what differs in how a connection is made is in an `Opening` (from
`sqlite` or `server`). Names of a table hold no state of ours: all of them may be lost at any time.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, delete, select, update
from sqlalchemy import Row as NamedRow

from servicegroup.liveness import Published
from servicegroup.model import (
    Beat,
    Fact,
    GroupKey,
    Health,
    Holder,
    Old,
    Reading,
    Receipt,
    State,
)
from servicegroup.record import Header, Record
from servicegroup.store import database_batch, database_record
from servicegroup.store.base import CANARY_SECONDS, LONGEST_SILENCE, StoreUnavailable, claimed
from servicegroup.store.batch import Asked, latest, owner
from servicegroup.store.garbage import uncollected
from servicegroup.store.opening import Opening
from servicegroup.store.rows import AT_ONCE, MICROSECONDS, Row, Text, text
from servicegroup.store.rows import facts as facts_of
from servicegroup.store.schema import (
    ServerClock,
    groups,
    insert_absent,
    members,
    upsert,
    verdicts,
)
from servicegroup.store.statements import EPOCH, Cursor, Statements, compiled

LOGGER = logging.getLogger("servicegroup.store")

CANARY = GroupKey("", "canary")
"""No namespace is empty, so no group has this key."""


class DatabaseStore:
    driver = "db"

    def __init__(self, opening: Opening, *, store_id: str) -> None:
        self._opening = opening
        self._store_id = store_id
        self._compiled: Statements | None = None
        self._warned = False
        self._canary = Beat(f"canary-{secrets.token_hex(4)}", secrets.token_hex(16), 0, 0.0)

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        where = self._where(members, key)
        row = {"group_key": self._key(key), "member": beat.member, "incarnation": beat.incarnation, **_columns(beat)}
        interval = select(groups.c.report_interval).where(self._where(groups, key))

        def take(connection: Connection) -> Receipt:
            """The row is there and locked before it is read: of two that join at once, one displaces the other."""
            before = None
            while not insert_absent(connection, members, row, stamp=ServerClock()):
                found = connection.execute(_holder_of(beat.member).where(where).with_for_update()).one_or_none()
                if found is None:  # forgotten in between: PostgreSQL locks it only now
                    continue
                before = _holder(found)
                if not before.is_past(beat):
                    mine = and_(where, members.c.member == beat.member)
                    connection.execute(update(members).where(mine).values(**row, stamp=ServerClock()))
                break
            return claimed(beat, before, interval=connection.execute(interval).scalar())

        return self._opening.call(take, timeout=timeout, atomic=True)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        values = self._values(key, beat)

        def stamp(cursor: Cursor) -> Receipt:
            sql = self._sql()
            if sql.stamp is not None:
                if stamped := sql.stamp.rows(cursor, values):
                    return Receipt(True, stamped[0][0])
            elif sql.stamp_alone.count(cursor, values):
                return Receipt(True, _only(sql.interval.rows(cursor, values)))
            holders = sql.holder.rows(cursor, values)
            return _refused(beat, holders, interval=_only(sql.interval.rows(cursor, values)), texts=sql.texts)

        return self._opening.direct(stamp, timeout=timeout)

    def beat_many(self, beats: Sequence[Asked], *, timeout: float) -> list[Receipt | None]:
        once = latest(beats)
        rows = [database_batch.row(self._key(asked[0]), asked) for asked in once]
        receipts = self._opening.call(lambda connection: database_batch.stamp(connection, rows), timeout=timeout)
        given = {owner(asked): receipt for asked, receipt in zip(once, receipts, strict=True)}
        return [given[owner(asked)] for asked in beats]

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        values = self._values(key, beat) | {"word": str(State.LEFT)}
        return self._opening.direct(lambda cursor: self._sql().leave.count(cursor, values) > 0, timeout=timeout)

    def _values(self, key: GroupKey, beat: Beat) -> dict[str, Any]:
        return {
            "of_group": self._key(key),
            "of_member": beat.member,
            "by": beat.incarnation,
            "number": beat.sequence,
            "promise": beat.interval,
            "word": str(beat.state),
        }

    def _sql(self) -> Statements:
        """Built within the first call that needs them, since a dialect knows its server only when it has connected."""
        if self._compiled is None:
            self._compiled = compiled(self._opening.pooled.dialect)
        return self._compiled

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:
        def look(cursor: Cursor) -> Reading:
            sql = self._sql()
            facts = {key: self._facts(key, cursor) for key in keys}
            published = self._published(sql.published.rows(cursor, {}), keys)
            return Reading(self._epoch(sql.epoch.rows(cursor, {})), facts, published)

        return self._opening.direct(look, timeout=timeout)

    def _facts(self, key: GroupKey, cursor: Cursor) -> tuple[Fact, ...]:
        sql = self._sql()
        sql.facts.run(cursor, {"of_group": self._key(key)})
        facts: list[Fact] = []
        wrong: list[str] = []
        with uncollected():
            while rows := cursor.fetchmany(AT_ONCE):
                some, others = facts_of(rows, texts=sql.texts)
                facts += some
                wrong += others
        if wrong and not self._warned:
            self._warned = True
            left_out = f"{len(wrong)} of {len(facts) + len(wrong)} rows are left out, since they are no member's"
            LOGGER.warning(
                "store %s: group %s: %s; the first: %s; said once", self._opening.shown, key, left_out, wrong[0]
            )
        return tuple(facts)

    def _published(self, found: Sequence[Row], keys: Collection[GroupKey]) -> dict[GroupKey, tuple[str, int]]:
        """Of all groups of the store: a list of thousands of keys is more than some databases take in a statement."""
        texts = self._sql().texts
        said = {
            text(name, "a group", texts=texts): (text(publisher, "a publisher", texts=texts), number)
            for name, publisher, number in found
        }
        return {key: said[name] for key in keys if (name := self._key(key)) in said}

    def health(self, *, timeout: float) -> Health:
        started = time.monotonic()
        canary = self._canary = Beat(**{**_fields(self._canary), "sequence": self._canary.sequence + 1})
        row = {"group_key": self._key(CANARY), "member": canary.member, "incarnation": canary.incarnation}

        def try_out(connection: Connection) -> Health:
            upsert(connection, members, [row | _columns(canary)], stamp=ServerClock())
            found = connection.execute(_holder_of(canary.member).where(self._where(members, CANARY))).one_or_none()
            if found is None or found.sequence != canary.sequence:
                raise StoreUnavailable(f"store {self._opening.shown}: took a write and does not give it back")
            return Health(epoch=self._epoch(connection.execute(EPOCH).all()), latency=time.monotonic() - started)

        return self._opening.call(try_out, timeout=timeout, fresh=True)

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,
    ) -> None:
        def write(connection: Connection) -> None:
            database_record.write(connection, self._key(key), header, changes=changes, whole=whole)

        self._opening.call(write, timeout=timeout, atomic=True)

    def forget(self, key: GroupKey, rows: Collection[Old], *, timeout: float) -> None:
        ordered = sorted(rows, key=lambda old: old.member)

        def remove(connection: Connection) -> None:
            for old in ordered:
                columns = members.c
                row = and_(columns.member == old.member, columns.incarnation == old.incarnation)
                as_read = and_(self._where(members, key), row, columns.sequence == old.sequence)
                connection.execute(delete(members).where(as_read))

        self._opening.call(remove, timeout=timeout, atomic=True)

    def sweep(self, *, timeout: float) -> None:
        def older(table: Table, seconds: float) -> Any:
            return table.c.stamp < ServerClock() - int(seconds * MICROSECONDS)

        def ours(table: Table) -> Any:
            # Every key of this store id, and of no other that begins with the same letters: 0 comes after the slash.
            return and_(table.c.group_key >= f"{self._store_id}/", table.c.group_key < f"{self._store_id}0")

        def remove(connection: Connection) -> None:
            connection.execute(delete(members).where(self._where(members, CANARY), older(members, CANARY_SECONDS)))
            connection.execute(delete(members).where(ours(members), older(members, LONGEST_SILENCE)))
            silent = select(groups.c.group_key).where(ours(groups), older(groups, LONGEST_SILENCE))
            for (group_key,) in connection.execute(silent).all():
                connection.execute(delete(verdicts).where(verdicts.c.group_key == group_key))
                connection.execute(delete(groups).where(groups.c.group_key == group_key))

        self._opening.call(remove, timeout=timeout, atomic=True)

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        def look(connection: Connection) -> Record | None:
            return database_record.read(connection, self._key(key), only=only)

        return self._opening.call(look, timeout=timeout)

    def close(self) -> None:
        self._opening.close()

    def _key(self, key: GroupKey) -> str:
        return f"{self._store_id}/{key}"

    def _where(self, table: Table, key: GroupKey) -> Any:
        return table.c.group_key == self._key(key)

    def _epoch(self, found: Sequence[Sequence[Any]]) -> str:
        """The word of these tables, and of a server also which start of it this is, in characters of bounded number."""
        if not found:
            raise StoreUnavailable(
                f"store {self._opening.shown}: its tables hold no word yet: they are being made, or "
                "`servicegroup store init` is to be run again"
            )
        word, start = (one.decode() if isinstance(one, bytes) else str(one) for one in found[0])
        return f"{word}-{hashlib.sha256(start.encode()).hexdigest()[:16]}" if start else word


def _refused(beat: Beat, holders: Sequence[Row], *, interval: float | None, texts: Text) -> Receipt:
    if not holders:
        return Receipt(owned=False, interval=interval)
    incarnation, sequence, word = holders[0]
    holder = Holder(
        text(incarnation, "its incarnation", texts=texts), sequence, State(text(word, "its state", texts=texts))
    )
    mine = holder.incarnation == beat.incarnation and holder.state is not State.LEFT
    return Receipt(owned=mine, interval=interval, other=None if mine else holder)


def _only(rows: Sequence[Row]) -> Any:
    return rows[0][0] if rows else None


def _holder_of(member: str) -> Select[Any]:
    columns = members.c
    return select(columns.incarnation, columns.sequence, columns.state).where(columns.member == member)


def _holder(row: NamedRow[Any]) -> Holder:
    return Holder(row.incarnation, row.sequence, State(row.state))


def _columns(beat: Beat) -> dict[str, Any]:
    return {"sequence": beat.sequence, "promised_interval": beat.interval, "state": str(beat.state)}


def _fields(beat: Beat) -> dict[str, Any]:
    return {name: getattr(beat, name) for name in Beat.__dataclass_fields__}
