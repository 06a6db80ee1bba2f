"""The in-process store of the seed ("in-process caching"): a dictionary, for one process and for tests.

Its clock is this process's monotonic clock; a new object is a new epoch.
"""

import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, Health, Holder, Old, Reading, Receipt, State
from servicegroup.record import Header, Record
from servicegroup.store.base import LONGEST_SILENCE, claimed
from servicegroup.store.batch import Asked, one_by_one


@dataclass(slots=True)
class _Row:
    beat: Beat
    stamp: float


@dataclass(slots=True)
class _Group:
    rows: dict[str, _Row] = field(default_factory=dict)
    members: dict[str, Published] = field(default_factory=dict)
    header: Header | None = None
    stamp: float = 0.0

    @property
    def interval(self) -> float | None:
        return None if self.header is None else self.header.policy.interval


class MemoryStore:
    """All calls return at once, so none of them uses its timeout."""

    driver = "mc"  # the seed's name for it: the memcache driver without servers

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epoch = secrets.token_hex(8)
        self._groups: dict[GroupKey, _Group] = {}
        self._lock = threading.Lock()

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:  # noqa: ARG002
        with self._lock:
            group = self._groups.setdefault(key, _Group())
            row = group.rows.get(beat.member)
            before = None if row is None else _holder(row.beat)
            if before is None or not before.is_past(beat):
                group.rows[beat.member] = _Row(beat, self._clock())
            return claimed(beat, before, interval=group.interval)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:  # noqa: ARG002
        with self._lock:
            group = self._groups.setdefault(key, _Group())
            row = group.rows.get(beat.member)
            if row is None:
                return Receipt(owned=False, interval=group.interval)
            if row.beat.incarnation != beat.incarnation or row.beat.state is State.LEFT:
                return Receipt(owned=False, interval=group.interval, other=_holder(row.beat))
            if beat.sequence > row.beat.sequence:
                group.rows[beat.member] = _Row(beat, self._clock())
            return Receipt(owned=True, interval=group.interval)

    def beat_many(self, beats: Sequence[Asked], *, timeout: float) -> list[Receipt | None]:
        return one_by_one(lambda key, beat, left: self.beat(key, beat, timeout=left), beats, timeout=timeout)

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:  # noqa: ARG002
        with self._lock:
            row = self._groups.setdefault(key, _Group()).rows.get(beat.member)
            if row is None or row.beat.incarnation != beat.incarnation or row.beat.state is State.LEFT:
                return False
            left = Beat(beat.member, beat.incarnation, beat.sequence, beat.interval, State.LEFT)
            self._groups[key].rows[beat.member] = _Row(left, self._clock())
            return True

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:  # noqa: ARG002
        with self._lock:
            now = self._clock()
            facts = {key: self._facts(self._groups.get(key), now=now) for key in keys}
            heads = {key: self._groups[key].header for key in keys if key in self._groups}
            said = {key: (head.publisher, head.publication) for key, head in heads.items() if head is not None}
            return Reading(self._epoch, facts, said)

    @staticmethod
    def _facts(group: _Group | None, *, now: float) -> tuple[Fact, ...]:
        rows = () if group is None else group.rows.values()
        return tuple(
            Fact(
                member=row.beat.member,
                incarnation=row.beat.incarnation,
                sequence=row.beat.sequence,
                interval=row.beat.interval,
                state=row.beat.state,
                age=now - row.stamp,
            )
            for row in rows
        )

    def health(self, *, timeout: float) -> Health:  # noqa: ARG002
        return Health(epoch=self._epoch, latency=0.0)

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,  # noqa: ARG002
    ) -> None:
        with self._lock:
            group = self._groups.setdefault(key, _Group())
            members = {} if whole else group.members
            members.update({member: said for member, said in changes.items() if said is not None})
            for member in (member for member, said in changes.items() if said is None):
                members.pop(member, None)
            group.header, group.members, group.stamp = header, members, self._clock()

    def forget(self, key: GroupKey, rows: Collection[Old], *, timeout: float) -> None:  # noqa: ARG002
        with self._lock:
            group = self._groups.setdefault(key, _Group())
            for old in rows:
                row = group.rows.get(old.member)
                if row is not None and (row.beat.incarnation, row.beat.sequence) == (old.incarnation, old.sequence):
                    del group.rows[old.member]

    def sweep(self, *, timeout: float) -> None:  # noqa: ARG002
        with self._lock:
            limit = self._clock() - LONGEST_SILENCE
            for key, group in list(self._groups.items()):
                group.rows = {member: row for member, row in group.rows.items() if row.stamp >= limit}
                if not group.rows and group.stamp < limit:
                    del self._groups[key]

    def record(
        self,
        key: GroupKey,
        *,
        timeout: float,  # noqa: ARG002
        only: Collection[str] | None = None,
    ) -> Record | None:
        with self._lock:
            group = self._groups.get(key)
            if group is None or group.header is None:
                return None
            members = {m: said for m, said in group.members.items() if only is None or m in only}
            return Record(group.header, self._clock() - group.stamp, members)

    def close(self) -> None:
        """Nothing to release: what it held goes with the process."""


def _holder(beat: Beat) -> Holder:
    return Holder(beat.incarnation, beat.sequence, beat.state)
