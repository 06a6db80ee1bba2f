"""Who publishes a group's record, of several operators over one store, look by look."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from servicegroup.evaluation import View, advance
from servicegroup.model import GroupKey, GroupSpec, Policy
from servicegroup.operator.survey import Survey
from servicegroup.operator.tending import PASSES_OF_THE_LIVING, Tended
from servicegroup.record import Record
from servicegroup.store.memory import MemoryStore

KEY = GroupKey("nova", "compute")
POLICY = Policy(10.0, 60.0)
QUICK = Policy(1.0, 3.0)
WALL = 1_800_000_000.0


@dataclass(slots=True)
class Operator:
    """As its loop does: a look, and a while later what follows from it."""

    name: str
    policy: Policy
    tended: Tended = field(init=False)
    found: Survey | None = None

    def __post_init__(self) -> None:
        self.tended = Tended("uid", View(), GroupSpec(KEY, self.policy))

    def look(self, store: MemoryStore, *, now: float, lost: bool = False) -> None:
        tended, records = self.tended, dict[GroupKey, Record | None]()
        reading = store.read([KEY], timeout=1.0)
        if tended.yields or not tended.recorded:
            records[KEY] = None if lost else store.record(KEY, timeout=1.0)
        self.found = Survey(now, now, WALL + now, reading.epoch, reading.facts, records, reading.published)

    def act(self, store: MemoryStore) -> bool:
        """Whether it publishes."""
        found, tended = self.found, self.tended
        assert found is not None
        tended.take_records(found, status={})
        tended.view, _ = advance(tended.view, found.of(KEY), spec=tended.spec, wall=found.wall)
        tended.make_way(found, publisher=self.name)
        if tended.yields:
            return False
        header = tended.header(publisher=self.name, now=found.now)
        store.publish(KEY, header, changes=tended.said(), whole=tended.unpublished, timeout=1.0)
        tended.unpublished, tended.written = False, (self.name, tended.view.publication)
        return True


@dataclass(slots=True)
class Pair:
    """Two operators; the store's clock is `shown` of theirs."""

    policy: Policy = POLICY
    shown: Callable[[float], float] = lambda now: now
    now: float = 0.0
    first: Operator = field(init=False)
    second: Operator = field(init=False)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.second = Operator("first", self.policy), Operator("second", self.policy)
        self.store = MemoryStore(clock=lambda: self.shown(self.now))

    def run(self, seconds: float, *, one: bool = True, other: bool = True) -> tuple[bool, bool]:
        """Who publishes in the last pass; each looks at what the other wrote last."""
        wrote = (False, False)
        for _ in range(round(seconds / self.policy.pass_seconds)):
            wrote = (self._pass(self.first, runs=one), self._pass(self.second, runs=other))
        return wrote

    def _pass(self, operator: Operator, *, runs: bool) -> bool:
        self.now += self.policy.pass_seconds / 2
        if not runs:
            return False
        operator.look(self.store, now=self.now)
        return operator.act(self.store)


@pytest.mark.parametrize("policy", [POLICY, QUICK])
def test_of_two_that_start_at_once_over_an_empty_store_one_publishes_soon(policy: Policy) -> None:
    pair = Pair(policy)
    pair.first.look(pair.store, now=0.0)
    pair.second.look(pair.store, now=0.0)
    assert (pair.first.act(pair.store), pair.second.act(pair.store)) == (True, True)
    assert sum(pair.run(policy.sight + 3.0)) == 1


@pytest.mark.parametrize("shown", [lambda now: now, lambda now: float(int(now + 0.03))], ids=["exact", "whole seconds"])
@pytest.mark.parametrize("policy", [POLICY, QUICK], ids=["ten seconds", "a second"])
def test_the_one_that_came_last_publishes_once_it_has_watched(policy: Policy, shown: Callable[[float], float]) -> None:
    pair = Pair(policy, shown)
    pair.run(policy.down_time + policy.sight, other=False)
    assert pair.run(policy.sight / 2) == (True, False)
    pair.run(policy.sight)
    for _ in range(100):
        assert pair.run(policy.pass_seconds) == (False, True)


def test_one_that_yields_goes_on_when_the_other_ends_though_the_stores_clock_goes_back() -> None:
    pair = Pair()
    pair.run(100.0, other=False)
    assert pair.run(50.0) == (False, True)
    pair.shown = lambda now: now - 3600.0
    assert pair.run(PASSES_OF_THE_LIVING + 2.0, other=False) == (True, False)


def test_one_that_yields_goes_on_when_the_others_record_is_lost() -> None:
    pair = Pair()
    pair.run(100.0, other=False)
    assert pair.run(50.0) == (False, True)
    pair.first.look(pair.store, now=pair.now + 1.0, lost=True)
    assert pair.first.act(pair.store)
