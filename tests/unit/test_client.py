"""What a scheduler imports: joining, leaving, and answers that are the operator's own, with their age."""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import servicegroup
from servicegroup import Member, NotAMember, NotPublished, ServiceGroup, StoreUnavailable, Verdict
from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, InvalidName, Policy, Reading, Reason, Receipt, State
from servicegroup.record import Header, Record
from servicegroup.store import InvalidStore, MemoryStore

KEY = GroupKey("default", "compute")
SINCE = 1_800_000_000.0
SOON = 5.0

VERDICTS = {
    "b": Published(Verdict.DOWN, Reason.SILENT, SINCE),
    "a": Published(Verdict.UP, Reason.BEATING, SINCE, disabled=True, draining=True),
    "d": Published(Verdict.UNKNOWN, Reason.MISSING, SINCE),
    "c": Published(Verdict.DOWN, Reason.FORCED_DOWN, SINCE),
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class LostStore(MemoryStore):
    """A store that does not answer who asks."""

    def record(
        self,
        key: GroupKey,
        *,
        timeout: float,
        only: Collection[str] | None = None,
    ) -> Record | None:
        del key, timeout, only
        raise StoreUnavailable("store of a test: away")


class WatchedStore(MemoryStore):
    """Rings when a row was stamped by a beat."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten = threading.Event()

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        receipt = super().beat(key, beat, timeout=timeout)
        self.beaten.set()
        return receipt


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    found = MemoryStore(clock=clock)
    publish(found, VERDICTS)
    return found


def publish(store: MemoryStore, members: Mapping[str, Published]) -> None:
    header = Header(1, Policy(10.0, 60.0), "epoch", 0.0, 0.0)
    store.publish(KEY, header, changes=members, whole=True, timeout=1.0)


def row(store: MemoryStore) -> Fact:
    reading: Reading = store.read([KEY], timeout=1.0)
    (fact,) = reading.facts[KEY]
    return fact


def test_the_public_names_are_these_and_each_can_be_imported() -> None:
    assert servicegroup.__all__ == [
        "InvalidName",
        "InvalidStore",
        "Member",
        "Membership",
        "NotAMember",
        "NotPublished",
        "ServiceGroup",
        "StoreUnavailable",
        "Verdict",
    ]
    assert all(getattr(servicegroup, name).__name__ == name for name in servicegroup.__all__)


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"servicegroup.*BeatLoop"):
        _ = servicegroup.BeatLoop


def test_members_come_by_name_with_verdict_reason_since_and_age(store: MemoryStore, clock: Clock) -> None:
    clock.now += 4.0

    members = ServiceGroup(store, "compute").members()

    since = datetime.fromtimestamp(SINCE, tz=UTC)
    assert members == [
        Member("a", Verdict.UP, "Beating", since, 4.0, disabled=True, draining=True),
        Member("b", Verdict.DOWN, "Silent", since, 4.0),
        Member("c", Verdict.DOWN, "ForcedDown", since, 4.0),
        Member("d", Verdict.UNKNOWN, "Missing", since, 4.0),
    ]


@dataclass(frozen=True)
class Asked:
    name: str
    age: float
    is_up: bool
    is_down: bool
    reason: str


ASKED = {
    "a member that is up": Asked("a", 0.0, True, False, "Beating"),
    "a member that is silent": Asked("b", 0.0, False, True, "Silent"),
    "a member that was forced down": Asked("c", 0.0, False, True, "ForcedDown"),
    "a member of whom nothing is known: neither": Asked("d", 0.0, False, False, "Missing"),
    "a member that was up 13 s ago, which is 3 passes and I": Asked("a", 13.0, True, False, "Beating"),
    "a member that was up longer ago: neither": Asked("a", 13.1, False, False, "NoOperator"),
    "a member that was down longer ago: neither": Asked("b", 13.1, False, False, "NoOperator"),
    "a member that was forced down longer ago: neither": Asked("c", 13.1, False, False, "NoOperator"),
    "somebody who may have joined since: neither": Asked("new", 13.1, False, False, "NoOperator"),
}


@pytest.mark.parametrize("case", ASKED.values(), ids=ASKED.keys())
def test_whether_up_or_down_is(case: Asked, store: MemoryStore, clock: Clock) -> None:
    clock.now += case.age

    member = ServiceGroup(store, "default/compute").member(case.name)

    assert (member.is_up, member.is_down, member.reason) == (case.is_up, case.is_down, case.reason)
    assert member.age == pytest.approx(case.age)


def test_all_members_of_a_stale_record_are_unknown_and_keep_since(store: MemoryStore, clock: Clock) -> None:
    clock.now += 3600.0

    members = ServiceGroup(store, "compute").members()

    assert {(m.verdict, m.reason, m.since.timestamp()) for m in members} == {(Verdict.UNKNOWN, "NoOperator", SINCE)}


def test_who_is_not_in_the_group_is_not_a_member(store: MemoryStore) -> None:
    with pytest.raises(NotAMember, match="'e' is not a member of default/compute"):
        ServiceGroup(store, "compute").member("e")


def test_a_member_that_left_is_not_a_member(store: MemoryStore) -> None:
    header = Header(2, Policy(10.0, 60.0), "epoch", 0.0, 0.0)
    store.publish(KEY, header, changes={"a": None}, whole=False, timeout=1.0)

    with pytest.raises(NotAMember):
        ServiceGroup(store, "compute").member("a")
    assert [member.name for member in ServiceGroup(store, "compute").members()] == ["b", "c", "d"]


@pytest.mark.parametrize("ask", ["members", "member"])
def test_a_group_that_nobody_published_says_what_to_check(ask: str, store: MemoryStore) -> None:
    group = ServiceGroup(store, "nova/compute")

    with pytest.raises(NotPublished) as caught:
        _ = group.members() if ask == "members" else group.member("a")

    for word in ("nova/compute", "operator", "store id"):
        assert word in str(caught.value)


def test_a_group_of_nobody_is_published_and_empty(store: MemoryStore) -> None:
    publish(store, {})

    assert ServiceGroup(store, "compute").members() == []
    with pytest.raises(NotAMember):
        ServiceGroup(store, "compute").member("a")


def test_a_store_that_does_not_answer_is_an_error_and_never_an_empty_group() -> None:
    group = ServiceGroup(LostStore(), "compute")

    with pytest.raises(StoreUnavailable):
        group.members()
    with pytest.raises(StoreUnavailable):
        group.member("a")


REFUSED = {
    "a group of three parts": ("memory:", "a/b/c", InvalidName),
    "a group without a name": ("memory:", "", InvalidName),
    "a store of an unknown kind": ("redis://db", "compute", InvalidStore),
}


@pytest.mark.parametrize(("url", "group", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_is(url: str, group: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ServiceGroup(url, group)


@pytest.mark.parametrize("name", ["", "x" * 300, "node\n1"])
def test_a_name_that_is_none_is_refused_to_who_asks_and_to_who_joins(name: str, store: MemoryStore) -> None:
    group = ServiceGroup(store, "compute")

    with pytest.raises(InvalidName):
        group.member(name)
    with pytest.raises(InvalidName):
        group.join(name)
    assert store.read([KEY], timeout=1.0).facts[KEY] == ()


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 3601.0])
def test_an_interval_that_is_none_is_refused_with_what_is_allowed(seconds: float, store: MemoryStore) -> None:
    with pytest.raises(ValueError, match=r"report_interval.*0.1 to 3600"):
        ServiceGroup(store, "compute").join("node-1", report_interval=seconds)
    assert store.read([KEY], timeout=1.0).facts[KEY] == ()


def test_who_joins_beats_by_itself_until_it_leaves() -> None:
    store = WatchedStore()
    membership = ServiceGroup(store, "compute").join("node-beats", report_interval=0.1)
    assert membership.wait_joined(SOON)
    assert store.beaten.wait(SOON)
    assert row(store).sequence > 1

    membership.leave()

    assert row(store).state is State.LEFT
    assert not any(thread.name == "servicegroup-node-beats" for thread in threading.enumerate())


def test_who_joins_is_in_at_once_and_leaves_at_once_though_its_interval_is_long() -> None:
    store = MemoryStore()
    started = time.monotonic()
    with ServiceGroup(store, "compute").join("10.0.0.1:機架 七", report_interval=60.0) as membership:
        assert membership.wait_joined(SOON)
        assert (row(store).member, row(store).state, row(store).interval) == ("10.0.0.1:機架 七", State.BEATING, 60.0)

    assert row(store).state is State.LEFT
    assert time.monotonic() - started < 2.0


def test_who_drains_goes_on_beating_and_says_so() -> None:
    store = WatchedStore()
    with ServiceGroup(store, "compute").join("node-1", report_interval=60.0) as membership:
        assert membership.wait_joined(SOON)
        membership.drain()
        assert store.beaten.wait(SOON)
        assert row(store).state is State.DRAINING


def test_leaving_twice_is_leaving_once() -> None:
    store = MemoryStore()
    with ServiceGroup(store, "compute").join("node-1") as membership:
        membership.wait_joined(SOON)
        membership.leave()
        membership.leave()

    assert row(store).state is State.LEFT


def test_a_process_may_join_for_several_nodes_and_to_several_groups() -> None:
    store = MemoryStore()
    groups = [ServiceGroup(store, name) for name in ("compute", "edge")]
    memberships = [group.join(f"node-{number}") for group in groups for number in range(3)]
    assert all(membership.wait_joined(SOON) for membership in memberships)

    facts = store.read([KEY, GroupKey("default", "edge")], timeout=1.0).facts
    for membership in memberships:
        membership.leave()

    assert [sorted(fact.member for fact in found) for found in facts.values()] == [["node-0", "node-1", "node-2"]] * 2


def test_joining_and_leaving_for_days_leaves_no_file_open() -> None:
    store = MemoryStore()

    def join_and_leave() -> None:
        with ServiceGroup(store, "compute").join("node-1") as membership:
            membership.wait_joined(SOON)

    join_and_leave()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        join_and_leave()

    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
