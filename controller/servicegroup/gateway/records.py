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


@dataclass(frozen=True, slots=True)
class Read:
    """`listing` is of the record's members, and the read's before it where they are the same."""

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
            record = store.record(key, timeout=READ_SECONDS)
            members = {} if record is None else record.members
            same = before is not None and before.listing.members == members
            return Read(record, before.listing if before is not None and same else Listing(members), asked)

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
