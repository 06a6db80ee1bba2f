"""When a status is written: at once when something changed, then at most once a second a group; and the time of the
last check once a minute. An API server that is away costs nothing: the newest status of a group waits, older ones are
gone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from servicegroup.model import GroupKey
from servicegroup.operator.cluster import ClusterUnavailable, Gone, StatusRefused
from servicegroup.operator.restore import CHECKED_EVERY
from servicegroup.operator.status import seconds

LOGGER = logging.getLogger("servicegroup.operator")
Address = tuple[GroupKey, str]
"""A group and its uid: one that was deleted and made again is another, with nothing written yet."""

WRITE_EVERY = 1.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
WRITES_AT_ONCE = 4


@dataclass(slots=True)
class _Desk:
    """A group's status: what the API server has, what it ought to have, and when it may be told."""

    written: Mapping[str, Any]
    wanted: Mapping[str, Any]
    not_before: float = 0.0
    failures: int = 0
    busy: bool = False


@dataclass(slots=True)
class Writer:
    """`write` puts a status where readers find it, and raises what `cluster` does; `gone` hears of a deleted group."""

    write: Callable[[Address, Mapping[str, Any]], Awaitable[None]]
    gone: Callable[[Address], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _desks: dict[Address, _Desk] = field(default_factory=dict)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def latest(self, key: Address, first: Mapping[str, Any]) -> Mapping[str, Any]:
        """The status that the next one of this group follows; `first` where none was offered yet."""
        desk = self._desks.get(key)
        return first if desk is None else desk.wanted

    def offer(self, key: Address, status: Mapping[str, Any], *, first: Mapping[str, Any]) -> None:
        desk = self._desks.setdefault(key, _Desk(written=first, wanted=first))
        desk.wanted = status
        if due(desk.written, status):
            self._bell.set()

    def forget(self, key: Address) -> None:
        self._desks.pop(key, None)

    async def run(self) -> None:
        gate = asyncio.Semaphore(WRITES_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._bell.clear()
                now, pause = self.clock(), WRITE_EVERY
                for key, desk in self._desks.items():
                    if desk.busy or not due(desk.written, desk.wanted):
                        continue
                    if desk.not_before > now:
                        pause = min(pause, desk.not_before - now)
                        continue
                    desk.busy = True  # a write that hangs keeps no other group waiting
                    tasks.create_task(self._write(key, desk, gate))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), timeout=max(0.05, pause))

    async def _write(self, key: Address, desk: _Desk, gate: asyncio.Semaphore) -> None:
        async with gate:
            status = desk.wanted
            try:
                if self._desks.get(key) is desk:  # else its group was deleted while it waited
                    await self.write(key, status)
            except ClusterUnavailable as error:
                self._failed(desk, key, error)
            except Gone:
                self.gone(key)
            except StatusRefused as error:
                # Written again when it changes; the same bytes would be refused again.
                LOGGER.error("group %s: its status is refused: %s", key[0], error)  # noqa: TRY400 - no traceback
                desk.written, desk.not_before = status, self.clock() + RETRY_SECONDS[-1]
            else:
                if desk.failures:
                    LOGGER.info("group %s: its status is written again", key[0])
                desk.written, desk.failures, desk.not_before = status, 0, self.clock() + WRITE_EVERY
        desk.busy = False
        self._bell.set()

    def _failed(self, desk: _Desk, key: Address, error: ClusterUnavailable) -> None:
        if not desk.failures:
            LOGGER.warning("group %s: its status waits: %s", key[0], error)
        desk.not_before = self.clock() + RETRY_SECONDS[min(desk.failures, len(RETRY_SECONDS) - 1)]
        desk.failures += 1


def due(written: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the API server must be told: something changed, or the time of the last check is a minute newer."""
    if _without_time(written) != _without_time(wanted):
        return True
    before, after = seconds(written.get("checkedTime")), seconds(wanted.get("checkedTime"))
    if before is None or after is None:
        return before != after
    return abs(after - before) >= CHECKED_EVERY  # a clock that went back is no reason to keep quiet


def _without_time(status: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name != "checkedTime"}
