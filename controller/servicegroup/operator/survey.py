"""One look at one store, in a thread of its own: health, canary and all facts; errors become a failed look, never no
members.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from servicegroup.clock import monotonic
from servicegroup.model import Fact, GroupKey
from servicegroup.observation import Pass
from servicegroup.record import Record
from servicegroup.store.base import RecordLost, Store, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look brought: facts by group, records of the groups that were asked for, or the failure's sentence. The
    times and durations are those of a `Pass`.
    """

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
    lag: float = 0.0
    latency: float = 0.0
    read: float | None = None

    def of(self, key: GroupKey) -> Pass:
        return Pass(
            asked=self.asked,
            now=self.now,
            epoch=self.epoch,
            facts=self.facts.get(key, ()),
            stall=self.stall,
            lag=self.lag,
            latency=self.latency,
            read=self.read,
        )


def survey(store: Store, keys: Collection[GroupKey], *, new: Collection[GroupKey], timeout: float) -> Survey:
    """Blocking, for two timeouts at most and one for each group in `new`, whose record is wanted as well."""
    asked = monotonic()
    try:
        health = store.health(timeout=timeout)
        read = monotonic()
        reading = store.read(keys, timeout=timeout)
        records = {key: _record(store, key, timeout=timeout) for key in new}
    except StoreUnavailable as error:
        now = monotonic()
        return Survey(asked, now, time.time(), failure=str(error), latency=now - asked)
    now, wall = monotonic(), time.time()
    if health.epoch != reading.epoch:
        return Survey(asked, now, wall, failure="the store changed while it was read (another epoch)")
    return Survey(
        asked=asked,
        now=now,
        wall=wall,
        epoch=reading.epoch,
        facts=reading.facts,
        records=records,
        published=reading.published,
        evictions=health.evictions,
        latency=read - asked,
        read=read,
    )


def _record(store: Store, key: GroupKey, *, timeout: float) -> Record | None:
    """One that is not whole is as good as none: who waited for it to be renewed would wait for itself."""
    try:
        return store.record(key, timeout=timeout)
    except RecordLost:
        return None
