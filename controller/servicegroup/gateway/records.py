"""Group records for many readers: one read serves all who ask within a moment, and their ages count from that read."""

import asyncio
from dataclasses import dataclass, field, replace

from servicegroup.clock import monotonic
from servicegroup.gateway.lane import Lane
from servicegroup.gateway.pages import Listing
from servicegroup.model import GroupKey
from servicegroup.record import Record
from servicegroup.store import GatewayStore

FRESH_SECONDS = 0.5
"""Half a pass: the operator publishes once a pass."""

READ_SECONDS = 5.0


def publication(record: Record) -> tuple[object, ...]:
    """Two records of which this is the same say the same of all members."""
    return record.header.publisher, record.header.publication, record.header.policy


@dataclass(frozen=True, slots=True)
class Read:
    """`listing` is of the record's members, for as long as nothing else is published."""

    record: Record | None
    listing: Listing
    asked: float


@dataclass(slots=True)
class Records:
    _read: dict[GroupKey, Read] = field(default_factory=dict)
    _reading: dict[GroupKey, asyncio.Task[Read]] = field(default_factory=dict)

    async def of(self, key: GroupKey, lane: Lane) -> tuple[Record, Listing] | None:
        """None when no operator ever published it. Raises Refused: 429 or 503."""
        read = self._read.get(key)
        if read is None or monotonic() - read.asked > FRESH_SECONDS:
            task = self._reading.get(key)
            if task is None:
                task = self._reading[key] = asyncio.get_running_loop().create_task(self._look(key, lane))
                task.add_done_callback(_heard)
            read = await asyncio.shield(task)
        if read.record is None:
            return None
        return replace(read.record, age=read.record.age + monotonic() - read.asked), read.listing

    def keep(self, keys: frozenset[GroupKey]) -> None:
        """Forget groups that are gone."""
        self._read = {key: read for key, read in self._read.items() if key in keys}

    async def _look(self, key: GroupKey, lane: Lane) -> Read:
        asked, before = monotonic(), self._read.get(key)

        def look(store: GatewayStore) -> Read:
            # Most often nothing has changed, and the members need not be read.
            head = store.record(key, timeout=READ_SECONDS, only=())
            if head is None:
                return Read(None, Listing({}), asked)
            if before is not None and before.record is not None and publication(before.record) == publication(head):
                return Read(replace(before.record, header=head.header, age=head.age), before.listing, asked)
            record = store.record(key, timeout=READ_SECONDS)
            return Read(record, Listing({} if record is None else record.members), asked)

        try:
            read = await lane.call(look, wait=READ_SECONDS)
        finally:
            del self._reading[key]
        self._read[key] = read
        return read


def _heard(task: asyncio.Task[Read]) -> None:
    """When all who waited have gone, its error is nobody's."""
    if not task.cancelled():
        task.exception()
