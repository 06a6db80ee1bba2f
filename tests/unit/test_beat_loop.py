"""One agent's loop over a store that answers, is away, is emptied, or has another owner: real threads, short waits."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from servicegroup.agent.loop import BeatLoop
from servicegroup.model import Beat, Fact, GroupKey, Policy, Receipt, State
from servicegroup.record import Header
from servicegroup.store import MemoryStore, StoreUnavailable

T = TypeVar("T")
KEY = GroupKey("default", "compute")
QUICK = 0.02
LONG = 30.0
SOON = 5.0
"""Seconds that a slow machine may take; no test waits for so long."""


class Address:
    """Where an agent finds its store: the server behind it can go away, come back and be replaced."""

    def __init__(self) -> None:
        self.server = MemoryStore()
        self.away = False
        self.broken = False
        self.calls: queue.Queue[tuple[str, Beat]] = queue.Queue()

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._called("join", beat, lambda: self.server.join(key, beat, timeout=timeout))

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._called("beat", beat, lambda: self.server.beat(key, beat, timeout=timeout))

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        return self._called("leave", beat, lambda: self.server.leave(key, beat, timeout=timeout))

    def close(self) -> None: ...

    def _called(self, name: str, beat: Beat, call: Callable[[], T]) -> T:
        if self.broken:
            raise RuntimeError("a bug")
        if self.away:
            self.calls.put((f"lost {name}", beat))
            raise StoreUnavailable("store of a test: away")
        answer = call()
        self.calls.put((name, beat))
        return answer

    def publish(self, *, interval: float) -> None:
        header = Header(1, Policy(interval, 6 * interval), "epoch", 0.0, 0.0)
        self.server.publish(KEY, header, changes={}, whole=True, timeout=1.0)

    def next(self, name: str) -> Beat:
        """The next call of this name; those of another name before it are passed over."""
        until = time.monotonic() + SOON
        while True:
            called, beat = self.calls.get(timeout=max(0.01, until - time.monotonic()))
            if called == name:
                return beat

    def row(self) -> Fact:
        (fact,) = self.server.read([KEY], timeout=1.0).facts[KEY]
        return fact


@pytest.fixture
def address() -> Address:
    return Address()


@contextmanager
def running(address: Address, *, interval: float) -> Iterator[BeatLoop]:
    loop = BeatLoop(address, KEY, "node-1", interval, spread_start=False, chance=lambda: 0.0)
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.leave()
        thread.join(SOON)
        loop.bell.close()
    assert not thread.is_alive()


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="servicegroup.agent")


def test_an_agent_joins_beats_and_leaves_under_one_incarnation_and_counts(address: Address) -> None:
    with running(address, interval=QUICK):
        beats = [address.next("join"), address.next("beat"), address.next("beat")]
    beats.append(address.next("leave"))

    assert len({beat.incarnation for beat in beats}) == 1
    assert [beat.sequence for beat in beats[:3]] == [1, 2, 3]
    assert beats[3].sequence > 3
    assert {beat.interval for beat in beats} == {QUICK}
    assert address.row().state is State.LEFT


def test_each_start_of_an_agent_has_an_incarnation_of_its_own(address: Address) -> None:
    incarnations = set()
    for _ in range(2):
        with running(address, interval=LONG):
            incarnations.add(address.next("join").incarnation)

    assert len(incarnations) == 2


def test_leaving_does_not_wait_for_the_next_beat(address: Address) -> None:
    with running(address, interval=LONG):
        address.next("join")
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert address.row().state is State.LEFT


def test_an_agent_told_to_leave_before_it_joined_never_joins(address: Address) -> None:
    loop = BeatLoop(address, KEY, "node-1", LONG, chance=lambda: 0.999)
    loop.leave()
    started = time.monotonic()
    loop.run()
    loop.bell.close()

    assert time.monotonic() - started < 1.0
    assert address.server.read([KEY], timeout=1.0).facts[KEY] == ()


def test_draining_is_told_at_once_and_with_each_beat_that_follows(address: Address) -> None:
    address.publish(interval=LONG)
    with running(address, interval=LONG) as loop:
        address.next("join")
        started = time.monotonic()
        loop.drain()
        told = address.next("beat")
        assert time.monotonic() - started < 1.0
        address.publish(interval=QUICK)
        loop.bell.ring()
        later = [address.next("beat") for _ in range(2)]

    assert {beat.state for beat in [told, *later]} == {State.DRAINING}


def test_an_agent_that_drains_can_leave(address: Address) -> None:
    with running(address, interval=LONG) as loop:
        address.next("join")
        loop.drain()
        loop.leave()
        loop.drain()

    assert address.row().state is State.LEFT


def test_a_store_that_is_lost_and_back_is_said_once_each(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    with running(address, interval=QUICK):
        address.next("join")
        address.away = True
        lost = [address.next("lost beat") for _ in range(5)]
        address.away = False
        back = [address.next("beat") for _ in range(3)]

    assert len(said(caplog, "beats are lost until")) == 1
    assert len(said(caplog, "store of a test: away")) == 1
    assert len(said(caplog, ": the store is back")) == 1
    assert back[0].sequence > lost[-1].sequence
    assert back[0].incarnation == lost[0].incarnation


def test_each_outage_is_said_anew(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    with running(address, interval=QUICK):
        for _ in range(2):
            address.away = False
            address.next("beat")
            address.away = True
            address.next("lost beat")

    assert len(said(caplog, "beats are lost")) == 2


def test_an_agent_that_starts_without_its_store_joins_as_soon_as_it_is_there(address: Address) -> None:
    address.away = True
    with running(address, interval=QUICK):
        address.next("lost join")
        address.next("lost join")
        address.away = False
        address.next("join")
        address.next("beat")


def test_a_leave_that_the_store_does_not_take_ends_the_agent_all_the_same(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    with running(address, interval=LONG):
        address.next("join")
        address.away = True
        started = time.monotonic()

    assert time.monotonic() - started < 1.0
    assert len(said(caplog, "could not leave")) == 1


def test_a_member_that_another_agent_took_is_stood_by_and_this_is_said_once(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    with running(address, interval=QUICK):
        address.next("join")
        for sequence in range(1, 20):
            address.server.join(KEY, Beat("node-1", "other", sequence, QUICK), timeout=1.0)
            address.next("beat")

        assert address.row().incarnation == "other"
        assert len(said(caplog, "standing by")) == 1
        assert "node-1" in said(caplog, "standing by")[0]
        assert "other" in said(caplog, "standing by")[0]


def test_an_agent_that_stands_by_leaves_the_owners_row_alone_when_it_ends(address: Address) -> None:
    with running(address, interval=LONG):
        address.next("join")
        address.server.join(KEY, Beat("node-1", "other", 1, LONG), timeout=1.0)

    assert (address.row().incarnation, address.row().state) == ("other", State.BEATING)


@pytest.mark.parametrize("end", ["left", "silent"])
def test_an_agent_that_stands_by_joins_again_when_the_owner_is(address: Address, end: str) -> None:
    with running(address, interval=QUICK):
        first = address.next("join")
        address.server.join(KEY, Beat("node-1", "other", 1, QUICK), timeout=1.0)
        if end == "left":
            address.next("beat")
            address.server.leave(KEY, Beat("node-1", "other", 2, QUICK), timeout=1.0)
        again = address.next("join")

        assert again.incarnation == first.incarnation == address.row().incarnation
        assert again.sequence > first.sequence


def test_an_agent_whose_row_is_gone_joins_again_with_its_incarnation_and_goes_on_counting(address: Address) -> None:
    with running(address, interval=QUICK):
        first = address.next("join")
        before = address.next("beat")
        address.server = MemoryStore()
        again = address.next("join")
        address.next("beat")

    assert again.incarnation == first.incarnation
    assert again.sequence > before.sequence


def test_an_agent_that_had_left_before_its_machine_was_put_back_joins_as_another(address: Address) -> None:
    with running(address, interval=QUICK):
        ours = address.next("beat").incarnation
        address.server.leave(KEY, Beat("node-1", ours, 10**6, QUICK), timeout=1.0)
        deadline = time.monotonic() + SOON
        while (row := address.row()).state is State.LEFT:
            assert time.monotonic() < deadline
            address.next("join")

    assert row.incarnation != ours


def test_an_agent_whose_store_went_back_to_an_owner_that_it_displaced_joins_at_once(address: Address) -> None:
    address.server.join(KEY, Beat("node-1", "earlier", 9, LONG), timeout=1.0)
    with running(address, interval=LONG) as loop:
        joined = address.next("join")
        restored = MemoryStore()
        restored.join(KEY, Beat("node-1", "earlier", 9, LONG), timeout=1.0)
        address.server = restored
        loop.bell.ring()
        again = address.next("join")

    assert again.incarnation == joined.incarnation
    assert again.sequence > joined.sequence


def test_a_longer_interval_is_kept_only_from_the_beat_on_that_promises_it(address: Address) -> None:
    address.publish(interval=LONG)
    with running(address, interval=QUICK):
        joined = address.next("join")
        promise = address.next("beat")
        with pytest.raises(queue.Empty):
            address.calls.get(timeout=0.2)

    assert (joined.interval, promise.interval) == (QUICK, LONG)


def test_a_shorter_interval_is_kept_at_once(address: Address) -> None:
    address.publish(interval=QUICK)
    with running(address, interval=LONG):
        joined = address.next("join")
        started = time.monotonic()
        promise = address.next("beat")
        assert time.monotonic() - started < 1.0

    assert (joined.interval, promise.interval) == (LONG, QUICK)


def test_an_operator_that_publishes_only_later_is_followed_with_the_next_beat(address: Address) -> None:
    with running(address, interval=QUICK):
        address.next("beat")
        address.publish(interval=2 * QUICK)
        while address.next("beat").interval == QUICK:
            continue


def test_an_error_that_is_no_trouble_of_the_store_ends_the_loop_and_its_caller_knows(address: Address) -> None:
    address.broken = True
    loop = BeatLoop(address, KEY, "node-1", LONG, spread_start=False)

    with pytest.raises(RuntimeError):
        loop.run()
    loop.bell.close()
