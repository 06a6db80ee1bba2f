"""Results on their way to the Kubernetes API: statuses by `Writer`, Events in the order in which they came."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servicegroup.operator.cluster import Cluster, ClusterUnavailable, Gone, StatusRefused
from servicegroup.operator.decisions import Notice
from servicegroup.operator.groups import Groups, Wanted
from servicegroup.operator.status import timestamp
from servicegroup.operator.writer import Address, Writer

LOGGER = logging.getLogger("servicegroup.operator")
EVENTS_WAITING = 1000
EVENT_TRIES = 3
EVENT_PAUSE = 5.0


@dataclass(slots=True)
class ToCluster:
    """An outlet. An Event is tried a few times and then dropped: it is news, and the status is the truth."""

    cluster: Cluster
    groups: Groups
    _writer: Writer = field(init=False)
    _events: asyncio.Queue[tuple[Wanted, Notice, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._writer = Writer(self.cluster.write_status, self._gone)
        self._events = asyncio.Queue(EVENTS_WAITING)

    def latest(self, wanted: Wanted) -> Mapping[str, Any]:
        return self._writer.latest((wanted.key, wanted.uid), wanted.status)

    def status(self, wanted: Wanted, status: Mapping[str, Any]) -> None:
        self._writer.offer((wanted.key, wanted.uid), status, first=wanted.status)

    def notices(self, wanted: Wanted, told: list[Notice]) -> None:
        for notice in told:
            if self._events.full():
                LOGGER.warning("group %s: an Event is dropped, too many wait: %s", wanted.key, notice.message)
                continue
            self._events.put_nowait((wanted, notice, timestamp(time.time())))

    def _gone(self, address: Address) -> None:
        # A watch that broke may have missed the deletion; kopf does not make up for it when it lists anew.
        key, uid = address
        self._writer.forget(address)
        self.groups.discard(key, uid=uid)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._writer.run())
            tasks.create_task(self._post_events())
            tasks.create_task(self._forget_deleted())

    async def _post_events(self) -> None:
        while True:
            wanted, notice, at = await self._events.get()
            for last in (*[False] * (EVENT_TRIES - 1), True):
                if await self._posted(wanted, notice, at, last=last):
                    break
                await asyncio.sleep(EVENT_PAUSE)

    async def _posted(self, wanted: Wanted, notice: Notice, at: str, *, last: bool) -> bool:
        """Whether it is done with: taken, refused for good, or tried for the last time."""
        try:
            await self.cluster.write_event(wanted.key, uid=wanted.uid, notice=notice, time=at)
        except Gone:
            return True
        except StatusRefused as error:
            LOGGER.error("group %s: an Event is refused: %s", wanted.key, error)  # noqa: TRY400 - no traceback
        except ClusterUnavailable as error:
            if last:
                LOGGER.warning("group %s: an Event is lost: %s", wanted.key, error)
            return last
        return True

    async def _forget_deleted(self) -> None:
        bell, known = self.groups.bell(), set[Address]()
        while True:
            await bell.wait()
            bell.clear()
            now = {(wanted.key, wanted.uid) for wanted in self.groups.all()}
            for key in known - now:
                self._writer.forget(key)
            known = now
