"""The supervised loop: one for each store. Look, judge, publish to the store, hand the status on; again in a second.

It is level-triggered: each pass starts from what is wanted and what is read, and remembers only views. A store that
fails is a failed pass; an error of ours ends the loop, and with it the process.

It also looks, for other loops, at the groups that were moved away from its store (`moves`).
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from servicegroup.clock import monotonic
from servicegroup.config import InvalidSetting
from servicegroup.forgetting import without
from servicegroup.model import LONGEST_PASS, GroupKey, GroupSpec, Old, Policy
from servicegroup.operator.groups import Groups, Wanted
from servicegroup.operator.judging import Judging
from servicegroup.operator.moves import Guest, Moves
from servicegroup.operator.outlet import Outlet
from servicegroup.operator.roster import Roster
from servicegroup.operator.slowness import Slowness, Took
from servicegroup.operator.stores import SharedStore, StoreConfig
from servicegroup.operator.survey import Survey, survey
from servicegroup.operator.tending import Tended
from servicegroup.operator.thread import StoreThread
from servicegroup.store.base import Store, StoreUnavailable

LOGGER = logging.getLogger("servicegroup.operator")
SHORTEST_PASS = 0.1
"""Seconds between two passes, however often a spec changes."""

LONGEST_DEADLINE = 10.0
"""Seconds for one call to a store, or an interval where that is shorter."""

SWEEP_EVERY = 3600.0
"""Seconds between two removals of what nobody writes any more."""


@dataclass(slots=True)
class StoreLoop:
    shared: SharedStore
    groups: Groups
    outlet: Outlet
    decisions_file: Path | None = None
    moves: Moves = field(default_factory=Moves)
    roster: Roster | None = None
    finished: float = field(default_factory=monotonic)
    _bell: asyncio.Event = field(init=False)
    _thread: StoreThread = field(init=False)
    _store: Store | None = None
    _judging: Judging = field(init=False)
    _publisher: str = field(default_factory=lambda: secrets.token_hex(8))
    _swept: float = float("-inf")
    _late: float = 0.0
    _slowness: Slowness = field(default_factory=Slowness)

    def __post_init__(self) -> None:
        self._bell = self.groups.bell()
        self._judging = Judging(
            self.config, self.outlet, self.moves, self.decisions_file, self.roster, publisher=self._publisher
        )
        self._thread = StoreThread(self.config.name)

    @property
    def config(self) -> StoreConfig:
        return self.shared.config

    async def run(self) -> None:
        due = monotonic()
        try:
            while True:
                started = monotonic()
                self._late = started - due
                wanted = self.groups.of_store(self.config.name)
                guests = self.moves.of_store(self.config.name)
                if wanted or guests:
                    await self._pass(wanted, guests)
                self._judging.let_go(wanted)
                self.finished = monotonic()
                policies = [spec.policy for spec in _specs(wanted)] + [guest.policy for guest in guests.values()]
                due = await self._rest(policies, started=started)
        finally:
            self._thread.close()

    async def _rest(self, policies: Iterable[Policy], *, started: float) -> float:
        """Until the next pass; returns when that was due."""
        period = min((policy.pass_seconds for policy in policies), default=LONGEST_PASS)
        due = max(started + period, monotonic() + SHORTEST_PASS)
        await asyncio.sleep(SHORTEST_PASS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), timeout=max(0.0, due - monotonic()))
            due = min(due, monotonic())
        self._bell.clear()
        return due

    async def _pass(self, wanted: Mapping[GroupKey, Wanted], guests: Mapping[GroupKey, Guest]) -> None:
        started = monotonic()
        try:
            found = await self._look(wanted, guests)
        except InvalidSetting as error:
            self._judging.refuse(wanted, str(error))
            now = monotonic()
            found, wanted = Survey(now, now, time.time(), failure=str(error)), {}
        looked = monotonic()
        for guest in guests.values():
            guest.look(found)
        wanted = self._still(wanted)
        self._judging.judge(wanted, found)
        judged = monotonic()
        if found.failure is None and self._store is not None:
            await self._forget(self._store, wanted, found)
            await self._publish(self._store, wanted)
            await self._sweep(self._store)
        ended = monotonic()
        took = Took(self._late, looked - started, judged - looked, ended - judged)
        if said := self._slowness.take(took, now=ended):
            LOGGER.info("store %s: %s", self.config.name, said)

    async def _look(self, wanted: Mapping[GroupKey, Wanted], guests: Mapping[GroupKey, Guest]) -> Survey:
        """Raises InvalidSetting."""
        try:
            store = await self._thread.run(self._opened)
        except StoreUnavailable as error:
            now = monotonic()
            return Survey(now, now, time.time(), failure=str(error))
        new = {key for key in wanted if not self._judging.recorded(key)}
        new |= {key for key, guest in guests.items() if not guest.recorded}
        keys = tuple({**wanted, **guests})
        policies = [spec.policy for spec in _specs(wanted)] + [guest.policy for guest in guests.values()]
        timeout = min(LONGEST_DEADLINE, *(policy.interval for policy in policies))
        lag = self._late + self._thread.stood()
        found = await self._thread.run(lambda: survey(store, keys, new=new, timeout=timeout))
        return replace(found, stall=self._thread.stood(), lag=lag)

    def _still(self, wanted: Mapping[GroupKey, Wanted]) -> dict[GroupKey, Wanted]:
        """Without what was edited, moved or deleted during the read: what was read for it is old news."""
        now = self.groups.of_store(self.config.name)
        return {key: one for key, one in wanted.items() if now.get(key) is one}

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self.shared.open()
        return self._store

    async def _forget(self, store: Store, wanted: Mapping[GroupKey, Wanted], found: Survey) -> None:
        for key, one in wanted.items():
            tended = self._judging.known(key)
            old = () if tended is None else tended.old(found, duty=self._judging.duty(key))
            if tended is None or not old:
                continue
            rows = [row for row in old if row.incarnation]
            timeout = min(LONGEST_DEADLINE, tended.spec.policy.interval)
            try:
                await self._thread.run(_forget_call(store, key, rows, timeout=timeout))
            except StoreUnavailable as error:
                LOGGER.warning("group %s: who is to be forgotten stays for now: %s", key, error)
                return
            tended.view, changes = without(tended.view, {row.member for row in old})
            self._judging.tell(one, tended, changes, found)

    async def _publish(self, store: Store, wanted: Mapping[GroupKey, Wanted]) -> None:
        for key, one in wanted.items():
            tended = self._judging.known(key)
            if tended is None or tended.waiting or tended.yields:
                continue
            call = _publish_call(store, tended, publisher=self._publisher)
            try:
                await self._thread.run(call)
            except StoreUnavailable as error:
                LOGGER.warning("group %s: its record is not published: %s", key, error)
                self._judging.publish_whole()
                return  # the next group would wait as long, and nobody would look meanwhile
            except Exception as error:  # noqa: BLE001 - told with its traceback, and to one group alone
                self._judging.give_up(one, error)
            else:
                tended.unpublished, tended.changes = False, ()
                tended.written = (self._publisher, tended.view.publication)

    async def _sweep(self, store: Store) -> None:
        if monotonic() - self._swept < SWEEP_EVERY:
            return
        self._swept = monotonic()
        try:
            await self._thread.run(lambda: store.sweep(timeout=LONGEST_DEADLINE))
        except StoreUnavailable as error:
            LOGGER.warning("store %s: what nobody writes any more is not removed: %s", self.config.name, error)


def _specs(wanted: Mapping[GroupKey, Wanted]) -> list[GroupSpec]:
    return [one.spec for one in wanted.values() if one.spec is not None]


def _forget_call(store: Store, key: GroupKey, rows: list[Old], *, timeout: float) -> Callable[[], None]:
    return lambda: store.forget(key, rows, timeout=timeout)


def _publish_call(store: Store, tended: Tended, *, publisher: str) -> Callable[[], None]:
    key, whole, said = tended.spec.key, tended.unpublished, tended.said()
    header = tended.header(publisher=publisher, now=monotonic())
    timeout = min(LONGEST_DEADLINE, tended.spec.policy.interval)
    return lambda: store.publish(key, header, changes=said, whole=whole, timeout=timeout)
