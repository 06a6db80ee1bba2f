"""The supervised loop: one for each store. Look, judge, publish to the store, hand the status on; again in a second.

It is level-triggered: each pass starts from what is wanted and what is read, and remembers only views. A store that
fails is a failed pass; an error of ours ends the loop, and with it the process.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from servicegroup.clock import monotonic
from servicegroup.config import InvalidSetting
from servicegroup.evaluation import Transition, View, advance
from servicegroup.liveness import Published
from servicegroup.model import LONGEST_PASS, GroupKey, GroupSpec
from servicegroup.operator import decisions
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.groups import Groups, Wanted
from servicegroup.operator.outlet import Outlet
from servicegroup.operator.restore import from_status, with_record
from servicegroup.operator.status import refuse, render
from servicegroup.operator.stores import StoreConfig
from servicegroup.operator.survey import Survey, survey, watched
from servicegroup.record import Header
from servicegroup.store.base import Store, StoreUnavailable

LOGGER = logging.getLogger("servicegroup.operator")
SHORTEST_PASS = 0.1
"""Seconds between two passes, however often a spec changes."""

LONGEST_DEADLINE = 10.0
"""Seconds for one call to a store, or an interval where that is shorter."""

FAILED_PASSES = 2
"""Passes that fail in a row before `StoreReachable` says so: one alone is no news (rule 3)."""


@dataclass(slots=True)
class Tended:
    """What a loop remembers of a group: its view, whether the store's record was taken in, and what is not published
    yet.
    """

    uid: str
    view: View
    recorded: bool = False
    unpublished: bool = True
    written: tuple[str, int] | None = None
    changes: tuple[Transition, ...] = ()


@dataclass(slots=True)
class StoreLoop:
    config: StoreConfig
    store_id: str
    groups: Groups
    outlet: Outlet
    decisions_file: Path | None = None
    finished: float = field(default_factory=monotonic)
    _bell: asyncio.Event = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)
    _store: Store | None = None
    _tended: dict[GroupKey, Tended] = field(default_factory=dict)
    _given_up: set[GroupKey] = field(default_factory=set)
    _publisher: str = field(default_factory=lambda: secrets.token_hex(8))
    _failed: int = 0
    _failure: str | None = None

    def __post_init__(self) -> None:
        self._bell = self.groups.bell()
        # A thread of its own: a store that hangs keeps no other store's groups waiting.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"store-{self.config.name}")

    async def run(self) -> None:
        try:
            while True:
                started = monotonic()
                wanted = self.groups.of_store(self.config.name)
                if wanted:
                    await self._pass(wanted)
                self._forget(wanted)
                self.finished = monotonic()
                await self._rest(wanted, started=started)
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)
            if self._store is not None:
                self._store.close()

    async def _rest(self, wanted: Mapping[GroupKey, Wanted], *, started: float) -> None:
        period = min((spec.policy.pass_seconds for spec in _specs(wanted)), default=LONGEST_PASS)
        await asyncio.sleep(SHORTEST_PASS)
        with suppress(TimeoutError):
            left = started + period - monotonic()
            await asyncio.wait_for(self._bell.wait(), timeout=max(0.0, left))
        self._bell.clear()

    async def _pass(self, wanted: Mapping[GroupKey, Wanted]) -> None:
        try:
            store, _ = await watched(self._opened, executor=self._executor)
        except InvalidSetting as error:
            self._refuse(wanted, str(error))
            return
        except StoreUnavailable as error:
            now = monotonic()
            found, stall = Survey(now, now, time.time(), failure=str(error)), 0.0
        else:
            new = [key for key in wanted if key not in self._tended or not self._tended[key].recorded]
            timeout = min(LONGEST_DEADLINE, *(spec.policy.interval for spec in _specs(wanted)))
            call = _survey_call(store, tuple(wanted), new=new, timeout=timeout)
            found, stall = await watched(call, executor=self._executor)
        wanted = self._still(wanted)
        self._judge(wanted, replace(found, stall=stall))
        if found.failure is None and self._store is not None:
            await self._publish(self._store, wanted)

    def _still(self, wanted: Mapping[GroupKey, Wanted]) -> dict[GroupKey, Wanted]:
        """Without what was edited, moved or deleted during the read: what was read for it is old news."""
        now = self.groups.of_store(self.config.name)
        return {key: one for key, one in wanted.items() if now.get(key) is one}

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self.config.open(store_id=self.store_id)
        return self._store

    def _refuse(self, wanted: Mapping[GroupKey, Wanted], problem: str) -> None:
        self._note_failure(problem)
        for one in wanted.values():
            self._tell_refused(one, problem, reason="StoreMisconfigured")

    def _tell_refused(self, wanted: Wanted, problem: str, *, reason: str) -> None:
        status = refuse(
            problem,
            reason=reason,
            permanent=False,  # a file may be mounted yet, a newer operator come
            generation=wanted.generation,
            before=self.outlet.latest(wanted),
            wall=time.time(),
        )
        self.outlet.status(wanted, status)

    def _judge(self, wanted: Mapping[GroupKey, Wanted], found: Survey) -> None:
        self._note_failure(found.failure)
        for one in wanted.values():
            if one.spec is None:
                continue
            try:
                self._judge_one(one, one.spec, found)
            except Exception as error:  # noqa: BLE001 - told with its traceback, and to one group alone
                self._give_up(one, error)
            else:
                self._given_up.discard(one.key)

    def _judge_one(self, wanted: Wanted, spec: GroupSpec, found: Survey) -> None:
        tended = self._tend(wanted, found, spec=spec)
        # The tables were lost, a backup came back, or another operator wrote: it is given the whole once more.
        written = found.published.get(wanted.key)
        tended.unpublished |= found.failure is None and written != tended.written
        tended.view, changes = advance(tended.view, found.of(wanted.key), spec=spec, wall=found.wall)
        tended.changes += changes
        self._tell(wanted, spec, tended.view, changes, found)

    def _give_up(self, wanted: Wanted, error: Exception) -> None:
        """An error of ours over one group is that group's condition, and not the end of every other's verdicts."""
        self._tended.pop(wanted.key, None)
        if wanted.key in self._given_up:
            return
        self._given_up.add(wanted.key)
        LOGGER.error("group %s: it cannot be evaluated", wanted.key, exc_info=error)
        self._tell_refused(wanted, "the operator failed on this group; its log says how", reason="InternalError")

    def _tend(self, wanted: Wanted, found: Survey, *, spec: GroupSpec) -> Tended:
        tended = self._tended.get(wanted.key)
        if tended is None or tended.uid != wanted.uid:
            view = from_status(self.outlet.latest(wanted), now=found.asked, wall=found.wall)
            tended = self._tended[wanted.key] = Tended(wanted.uid, view)
        if found.failure is None and not tended.recorded and wanted.key in found.records:
            record = found.records[wanted.key]
            tended.recorded = True
            if record is not None:
                tended.view = with_record(
                    tended.view, record, status=self.outlet.latest(wanted), policy=spec.policy, now=found.now
                )
        return tended

    def _tell(
        self, wanted: Wanted, spec: GroupSpec, view: View, changes: tuple[Transition, ...], found: Survey
    ) -> None:
        told = decisions.notices(changes)
        decisions.log(wanted.key, told)
        if self.decisions_file is not None and changes:
            decisions.append(self.decisions_file, wanted.key, changes, down_time=spec.policy.down_time, wall=found.wall)
        status = render(
            view,
            spec=spec,
            before=self.outlet.latest(wanted),
            driver=self.config.driver,
            sight=StoreSight(self._failure if self._failed >= FAILED_PASSES else None, view.watch.healthy is not None),
            now=found.now,
            wall=found.wall,
        )
        self.outlet.status(wanted, status)
        self.outlet.notices(wanted, told)

    async def _publish(self, store: Store, wanted: Mapping[GroupKey, Wanted]) -> None:
        for spec in _specs(wanted):
            tended = self._tended.get(spec.key)
            if tended is None:
                continue
            call = _publish_call(store, spec, tended, publisher=self._publisher)
            try:
                await watched(call, executor=self._executor)
            except StoreUnavailable as error:
                LOGGER.warning("group %s: its record is not published: %s", spec.key, error)
                for late in self._tended.values():
                    late.unpublished = True
                return  # the next group would wait as long, and nobody would look meanwhile
            except Exception as error:  # noqa: BLE001 - told with its traceback, and to one group alone
                self._give_up(wanted[spec.key], error)
            else:
                tended.unpublished, tended.changes = False, ()
                tended.written = (self._publisher, tended.view.publication)

    def _note_failure(self, failure: str | None) -> None:
        if failure is None:
            if self._failed >= FAILED_PASSES:
                LOGGER.info("store %s: answers again", self.config.name)
            self._failed, self._failure = 0, None
            return
        self._failed += 1
        if self._failed == FAILED_PASSES:
            # The first sentence of an outage stays: one that changes with each pass would be a write each pass.
            self._failure = failure
            LOGGER.warning("store %s: %s", self.config.name, failure)

    def _forget(self, wanted: Mapping[GroupKey, Wanted]) -> None:
        for key in [key for key in self._tended if key not in wanted]:
            del self._tended[key]


def _specs(wanted: Mapping[GroupKey, Wanted]) -> list[GroupSpec]:
    return [one.spec for one in wanted.values() if one.spec is not None]


def _survey_call(
    store: Store, keys: tuple[GroupKey, ...], *, new: list[GroupKey], timeout: float
) -> Callable[[], Survey]:
    return lambda: survey(store, keys, new=new, timeout=timeout)


def _publish_call(store: Store, spec: GroupSpec, tended: Tended, *, publisher: str) -> Callable[[], None]:
    view, now = tended.view, monotonic()
    whole = tended.unpublished
    changes: Mapping[str, Published | None] = (
        view.published if whole else {change.member: change.after for change in tended.changes}
    )
    header = Header(
        publication=view.publication,
        policy=spec.policy,
        epoch=view.watch.epoch or "",
        store_back_for=0.0 if view.watch.store_back is None else now - view.watch.store_back,
        blind_for=view.watch.blind_for(now=now),
        publisher=publisher,
    )
    timeout = min(LONGEST_DEADLINE, spec.policy.interval)
    return lambda: store.publish(spec.key, header, changes=changes, whole=whole, timeout=timeout)
