"""One look at one store, in a thread of its own: health, canary and all facts; errors become a failed look, never no
members.

The event loop measures meanwhile for how long it stood still itself (a stopped process, a suspended machine, a starved
core), so that its own absence is not taken for the members'.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from servicegroup.clock import monotonic
from servicegroup.model import Fact, GroupKey
from servicegroup.observation import Pass
from servicegroup.record import Record
from servicegroup.store.base import Store, StoreUnavailable

T = TypeVar("T")

TICK = 0.25
"""Seconds between two looks of the event loop at the clock."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look brought: facts by group, records of the groups that were asked for, or the failure's sentence."""

    asked: float
    now: float
    wall: float
    epoch: str | None = None
    facts: Mapping[GroupKey, tuple[Fact, ...]] = field(default_factory=dict)
    records: Mapping[GroupKey, Record | None] = field(default_factory=dict)
    published: Mapping[GroupKey, tuple[str, int]] = field(default_factory=dict)
    evictions: int = 0
    failure: str | None = None
    stall: float = 0.0

    def of(self, key: GroupKey) -> Pass:
        return Pass(self.asked, self.now, self.epoch, self.facts.get(key, ()), self.stall)


def survey(store: Store, keys: Collection[GroupKey], *, new: Collection[GroupKey], timeout: float) -> Survey:
    """Blocking, for two timeouts at most and one for each group in `new`, whose record is wanted as well."""
    asked = monotonic()
    try:
        health = store.health(timeout=timeout)
        reading = store.read(keys, timeout=timeout)
        records = {key: store.record(key, timeout=timeout) for key in new}
    except StoreUnavailable as error:
        return Survey(asked, monotonic(), time.time(), failure=str(error))
    now, wall = monotonic(), time.time()
    if health.epoch != reading.epoch:
        return Survey(asked, now, wall, failure="the store changed while it was read (another epoch)")
    return Survey(asked, now, wall, reading.epoch, reading.facts, records, reading.published, health.evictions)


async def watched(call: Callable[[], T], *, executor: Executor) -> tuple[T, float]:
    """The call's result, and the longest time in seconds for which this event loop did not turn meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(executor, call)
    stall, last = 0.0, monotonic()
    while not future.done():
        await asyncio.wait({future}, timeout=TICK)
        now = monotonic()
        stall, last = max(stall, now - last - TICK), now
    return future.result(), stall
