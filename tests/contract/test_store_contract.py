"""What every store keeps, whatever it is made of (design, section 7): one suite, run on each driver."""

import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, Holder, Old, Policy, Reason, State, Verdict
from servicegroup.record import Header, Record
from servicegroup.store import Store, open_store

from tests.contract.conftest import SHARED, STORE_IDS, Driver

KEY = GroupKey("nova", "compute")
OTHER = GroupKey("nova", "network")
TIMEOUT = 30.0
CLOCKS = 0.1
"""Seconds by which a store's clock may differ from ours over the few steps of a test."""

BEAT = Beat("node-1", "one", 1, 10.0)
RIVAL = Beat("node-1", "two", 1, 10.0)
HEADER = Header(
    publication=7,
    policy=Policy(10.0, 60.0),
    epoch="e",
    store_back_for=61.5,
    blind_for=0.25,
    promised=20.5,
    held_since=1_800_000_000.25,
    held_until=1_800_000_600.25,
    hold_left=512.5,
)
UP = Published(Verdict.UP, Reason.BEATING, 1_800_000_000.123456)
DOWN = Published(Verdict.DOWN, Reason.SILENT, 1_800_000_060.5)


def at(beat: Beat, sequence: int) -> Beat:
    return replace(beat, sequence=sequence)


def facts(store: Store, key: GroupKey = KEY) -> dict[str, Fact]:
    read = store.read([key], timeout=TIMEOUT).facts[key]
    assert len({fact.member for fact in read}) == len(read)
    return {fact.member: fact for fact in read}


def ageless(store: Store, key: GroupKey = KEY) -> dict[str, Fact]:
    return {member: fact._replace(age=0.0) for member, fact in facts(store, key).items()}


def grown(age: Callable[[], float], *, beyond: float = 0.02) -> float:
    """The age, once it is more than `beyond`."""
    deadline = time.monotonic() + TIMEOUT
    while (now := age()) <= beyond:
        assert time.monotonic() < deadline, f"an age stays at {now}"
        time.sleep(0.002)
    return now


def publish(
    store: Store,
    changes: dict[str, Published | None],
    *,
    key: GroupKey = KEY,
    header: Header = HEADER,
    whole: bool = False,
) -> None:
    store.publish(key, header, changes=changes, whole=whole, timeout=TIMEOUT)


def said(store: Store, key: GroupKey = KEY, *, only: Iterable[str] | None = None) -> dict[str, Published]:
    record = store.record(key, timeout=TIMEOUT, only=None if only is None else tuple(only))
    assert record is not None
    return dict(record.members)


# Joining and beating.


def test_a_group_that_nobody_joined_is_empty(store: Store) -> None:
    reading = store.read([KEY, OTHER], timeout=TIMEOUT)

    assert dict(reading.facts) == {KEY: (), OTHER: ()}


def test_who_joins_owns_its_row(store: Store) -> None:
    receipt = store.join(KEY, BEAT, timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.interval, receipt.other) == (True, None, None)
    assert fact._replace(age=0.0) == Fact("node-1", "one", 1, 10.0, State.BEATING, 0.0)
    assert 0.0 <= fact.age < TIMEOUT


def test_a_row_keeps_what_was_written_exactly(store: Store) -> None:
    written = Beat("node-1", "f" * 32, 2**53 + 1, 0.1, State.DRAINING)
    store.join(KEY, written, timeout=TIMEOUT)

    assert ageless(store)["node-1"] == Fact("node-1", "f" * 32, 2**53 + 1, 0.1, State.DRAINING, 0.0)


def test_a_row_ages_and_a_beat_makes_it_young(driver: Driver, store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    grown(lambda: facts(store)["node-1"].age, beyond=2 * CLOCKS + driver.tick)
    before = time.monotonic()
    receipt = store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.other) == (True, None)
    assert fact.sequence == 2
    assert fact.age <= time.monotonic() - before + CLOCKS + driver.tick


@pytest.mark.parametrize("state", [state for state in State if state is not State.LEFT])
def test_each_word_of_an_agent_comes_as_it_was_written(store: Store, state: State) -> None:
    joined = replace(BEAT, state=state)
    store.join(KEY, joined, timeout=TIMEOUT)
    assert facts(store)["node-1"].state is state
    store.beat(KEY, replace(joined, sequence=2), timeout=TIMEOUT)
    assert (facts(store)["node-1"].sequence, facts(store)["node-1"].state) == (2, state)
    assert store.join(KEY, RIVAL, timeout=TIMEOUT).other == Holder("one", 2, state)


def test_a_beat_carries_its_promise_and_its_state(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.beat(KEY, Beat("node-1", "one", 2, 100.0, State.DRAINING), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (fact.interval, fact.state) == (100.0, State.DRAINING)


LATE = pytest.mark.parametrize("sequence", [1, 4, 5], ids=["much lower", "lower", "the same"])


@LATE
def test_a_late_beat_changes_nothing_and_is_no_quarrel(store: Store, sequence: int) -> None:
    store.join(KEY, at(BEAT, 5), timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)
    receipt = store.beat(KEY, replace(BEAT, sequence=sequence, interval=99.0), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.other) == (True, None)
    assert (fact.sequence, fact.interval) == (5, 10.0)
    assert fact.age >= age


def test_a_beat_without_a_row_is_told_so_and_makes_none(store: Store) -> None:
    receipt = store.beat(KEY, BEAT, timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (False, None)
    assert facts(store) == {}


def test_the_last_to_join_owns_the_row_and_learns_whom_it_displaced(store: Store) -> None:
    store.join(KEY, at(BEAT, 5), timeout=TIMEOUT)
    receipt = store.join(KEY, RIVAL, timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (True, Holder("one", 5, State.BEATING))
    assert facts(store)["node-1"].incarnation == "two"


def test_the_displaced_learns_who_owns_the_row_and_writes_nothing(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.join(KEY, RIVAL, timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)
    receipt = store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.other) == (False, Holder("two", 1, State.BEATING))
    assert (fact.incarnation, fact.sequence) == ("two", 1)
    assert fact.age >= age


def test_who_joins_again_displaces_nobody_and_goes_on_counting(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    receipt = store.join(KEY, at(BEAT, 2), timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (True, None)
    assert facts(store)["node-1"].sequence == 2


def test_the_displaced_may_join_again(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.join(KEY, RIVAL, timeout=TIMEOUT)
    receipt = store.join(KEY, at(BEAT, 2), timeout=TIMEOUT)

    assert receipt.other == Holder("two", 1, State.BEATING)
    assert store.beat(KEY, at(BEAT, 3), timeout=TIMEOUT).owned
    assert not store.beat(KEY, at(RIVAL, 2), timeout=TIMEOUT).owned


@LATE
def test_a_join_that_comes_after_later_beats_changes_nothing(store: Store, sequence: int) -> None:
    store.join(KEY, at(BEAT, 1), timeout=TIMEOUT)
    store.beat(KEY, at(BEAT, 5), timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)
    receipt = store.join(KEY, replace(BEAT, sequence=sequence, interval=99.0), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.other) == (True, None)
    assert (fact.sequence, fact.interval) == (5, 10.0)
    assert fact.age >= age
    assert store.beat(KEY, at(BEAT, 6), timeout=TIMEOUT).owned


# Leaving.


@LATE
def test_a_join_that_comes_after_the_leave_does_not_undo_it(store: Store, sequence: int) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.leave(KEY, at(BEAT, 5), timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)
    receipt = store.join(KEY, at(BEAT, sequence), timeout=TIMEOUT)
    fact = facts(store)["node-1"]

    assert (receipt.owned, receipt.other) == (False, Holder("one", fact.sequence, State.LEFT))
    assert fact.state is State.LEFT
    assert fact.age >= age


def test_who_leaves_closes_its_row(store: Store) -> None:
    store.join(KEY, at(BEAT, 5), timeout=TIMEOUT)

    assert store.leave(KEY, at(BEAT, 5), timeout=TIMEOUT)
    fact = facts(store)["node-1"]
    assert (fact.incarnation, fact.state) == ("one", State.LEFT)


def test_a_beat_after_leaving_is_refused(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.leave(KEY, at(BEAT, 2), timeout=TIMEOUT)
    receipt = store.beat(KEY, at(BEAT, 3), timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (False, Holder("one", 2, State.LEFT))
    assert facts(store)["node-1"].state is State.LEFT


def test_the_wrong_incarnation_cannot_leave_for_the_owner(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.join(KEY, RIVAL, timeout=TIMEOUT)

    assert not store.leave(KEY, at(BEAT, 9), timeout=TIMEOUT)
    assert facts(store)["node-1"].state is State.BEATING


def test_a_leave_without_a_row_makes_none(store: Store) -> None:
    assert not store.leave(KEY, BEAT, timeout=TIMEOUT)
    assert facts(store) == {}


def test_who_has_left_owns_nothing_that_it_could_leave_again(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.leave(KEY, BEAT, timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)

    assert not store.leave(KEY, BEAT, timeout=TIMEOUT)
    assert facts(store)["node-1"].age >= age


def test_a_row_that_was_left_is_free_to_join(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.leave(KEY, BEAT, timeout=TIMEOUT)
    receipt = store.join(KEY, RIVAL, timeout=TIMEOUT)

    assert receipt.other == Holder("one", 1, State.LEFT)
    assert store.beat(KEY, at(RIVAL, 2), timeout=TIMEOUT).owned


# Names.

NAMES = (
    "node",
    "Node",
    "NODE",
    "node ",
    " node",
    "node  ",
    "node:1",
    "node one",
    " ",
    "n" * 253,
    "n" * 252 + "N",
    "\N{ROCKET}" * 253,
    "straße",
    "strasse",
    "STRASSE",
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "e",
    "計算節點",
    "עברית",
    "\N{LATIN SMALL LETTER DOTLESS I}",
    "i",
    "I",
    "a/b",
    "'",
    '"',
    "`",
    "--",
    "'; DROP TABLE servicegroup_member; --",
    "%",
    "_",
    "no_e",
    "\\",
    "\\'",
    ":name",
    "?",
    "{}",
    "%(name)s",
    "$1",
    "NULL",
    "0",
    "00",
    "1e3",
    "1000",
    "a\N{ZERO WIDTH SPACE}",
    "a",
    "a\N{NO-BREAK SPACE}",
)


def test_names_are_compared_byte_for_byte(store: Store) -> None:
    for number, name in enumerate(NAMES):
        receipt = store.join(KEY, Beat(name, f"of {number}", number, 10.0), timeout=TIMEOUT)
        assert receipt.other is None, f"{name!r} is taken for another"
    found = facts(store)

    assert {name: found[name].sequence for name in found} == {name: number for number, name in enumerate(NAMES)}


def test_each_name_beats_for_itself(store: Store) -> None:
    for name in NAMES:
        store.join(KEY, Beat(name, name[:32], 1, 10.0), timeout=TIMEOUT)
    for number, name in enumerate(NAMES, start=2):
        assert store.beat(KEY, Beat(name, name[:32], number, 10.0), timeout=TIMEOUT).owned

    assert {fact.sequence for fact in facts(store).values()} == set(range(2, len(NAMES) + 2))


def test_each_name_has_a_verdict_of_its_own(store: Store) -> None:
    verdicts = {name: replace(UP, since=float(number)) for number, name in enumerate(NAMES)}
    publish(store, dict(verdicts), whole=True)
    assert said(store) == verdicts
    for name in NAMES:
        assert said(store, only=[name]) == {name: verdicts[name]}
    publish(store, {"node": None, "%": None, "_": None})

    assert set(NAMES) - set(said(store)) == {"node", "%", "_"}


GROUPS = (
    KEY,
    OTHER,
    GroupKey("Nova", "compute"),
    GroupKey("nova", "Compute"),
    GroupKey("nova", "compute "),
    GroupKey("n" * 63, "g" * 253),
    GroupKey("nova", "%"),
    GroupKey("nova", "'"),
)


def test_groups_are_kept_apart(store: Store) -> None:
    for number, key in enumerate(GROUPS):
        store.join(key, at(BEAT, number), timeout=TIMEOUT)
        publish(store, {"node-1": replace(UP, since=float(number))}, key=key)
    reading = store.read(GROUPS, timeout=TIMEOUT)

    assert [fact.sequence for key in GROUPS for fact in reading.facts[key]] == list(range(len(GROUPS)))
    assert [said(store, key)["node-1"].since for key in GROUPS] == [float(number) for number in range(len(GROUPS))]


def test_a_group_is_left_alone_by_another(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.join(OTHER, BEAT, timeout=TIMEOUT)
    publish(store, {"node-1": UP}, key=OTHER)
    store.leave(KEY, BEAT, timeout=TIMEOUT)
    publish(store, {}, whole=True)

    assert facts(store, OTHER)["node-1"].state is State.BEATING
    assert said(store, OTHER) == {"node-1": UP}


@pytest.mark.needs(STORE_IDS)
def test_two_store_ids_are_kept_apart(driver: Driver, store: Store) -> None:
    other = driver.open("two")
    store.join(KEY, BEAT, timeout=TIMEOUT)
    publish(store, {"node-1": UP})

    assert facts(other) == {}
    assert other.record(KEY, timeout=TIMEOUT) is None
    assert not other.beat(KEY, at(BEAT, 2), timeout=TIMEOUT).owned
    other.close()


# Reading.


def test_a_thousand_members_are_read_in_one_batch(store: Store) -> None:
    for number in range(1000):
        store.join(KEY, Beat(f"node-{number}", "one", number, 10.0), timeout=TIMEOUT)
    store.join(OTHER, BEAT, timeout=TIMEOUT)
    reading = store.read([KEY, OTHER], timeout=TIMEOUT)

    assert {fact.member: fact.sequence for fact in reading.facts[KEY]} == {f"node-{n}": n for n in range(1000)}
    assert len(reading.facts[OTHER]) == 1


def test_health_and_reading_name_the_same_epoch(store: Store) -> None:
    epochs = {store.health(timeout=TIMEOUT).epoch for _ in range(3)}
    store.join(KEY, BEAT, timeout=TIMEOUT)

    assert epochs == {store.read([KEY], timeout=TIMEOUT).epoch}
    health = store.health(timeout=TIMEOUT)
    assert (health.latency >= 0.0, health.evictions) == (True, 0)


def test_the_canary_is_no_member(store: Store) -> None:
    publish(store, {})
    store.health(timeout=TIMEOUT)

    assert facts(store) == {}
    assert said(store) == {}


@pytest.mark.needs(SHARED)
def test_every_handle_of_a_store_sees_its_epoch_and_its_rows(driver: Driver, store: Store) -> None:
    other = driver.open("one")
    store.join(KEY, BEAT, timeout=TIMEOUT)
    publish(store, {"node-1": UP})

    assert other.health(timeout=TIMEOUT).epoch == store.health(timeout=TIMEOUT).epoch
    assert ageless(other) == ageless(store)
    assert said(other) == {"node-1": UP}
    other.close()


# The group record.


def test_there_is_no_record_before_an_operator_published(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)

    assert store.record(KEY, timeout=TIMEOUT) is None


def test_a_record_is_what_was_published(store: Store) -> None:
    members = {
        f"{verdict}-{reason}-{shown}": Published(verdict, reason, 0.1, disabled=shown, draining=not shown)
        for verdict in Verdict
        for reason in Reason
        for shown in (False, True)
    }
    publish(store, dict(members), whole=True)
    record = store.record(KEY, timeout=TIMEOUT)

    assert record is not None
    assert record.header == HEADER
    assert dict(record.members) == members
    assert 0.0 <= record.age < TIMEOUT


def test_a_publication_of_changes_leaves_the_rest(store: Store) -> None:
    publish(store, {"a": UP, "b": UP, "c": UP}, whole=True)
    publish(store, {"b": DOWN, "c": None, "d": UP, "never": None}, header=replace(HEADER, publication=8))
    record = store.record(KEY, timeout=TIMEOUT)

    assert record is not None
    assert record.header.publication == 8
    assert dict(record.members) == {"a": UP, "b": DOWN, "d": UP}


def test_a_whole_publication_leaves_nothing_of_the_one_before(store: Store) -> None:
    publish(store, {"a": UP, "b": UP}, whole=True)
    publish(store, {"b": DOWN, "c": None}, whole=True)

    assert said(store) == {"b": DOWN}


def test_an_empty_publication_makes_the_record_young(driver: Driver, store: Store) -> None:
    publish(store, {"a": UP}, whole=True)

    def age() -> float:
        record = store.record(KEY, timeout=TIMEOUT)
        assert record is not None
        return record.age

    grown(age, beyond=2 * CLOCKS + driver.tick)
    before = time.monotonic()
    publish(store, {})

    assert age() <= time.monotonic() - before + CLOCKS + driver.tick
    assert said(store) == {"a": UP}


ONLY = {
    "one": (["a"], {"a"}),
    "two": (["a", "c"], {"a", "c"}),
    "one twice": (["a", "a"], {"a"}),
    "one that is not there": (["x"], set()),
    "nobody": ([], set()),
    "ten thousand": ([f"node-{number}" for number in range(10_000)] + ["b"], {"b"}),
}


@pytest.mark.parametrize("case", ONLY.values(), ids=ONLY.keys())
def test_a_record_of_some_members(store: Store, case: tuple[list[str], set[str]]) -> None:
    only, found = case
    publish(store, {"a": UP, "b": DOWN, "c": UP}, whole=True)

    assert set(said(store, only=only)) == found


def test_a_thousand_verdicts_are_published_at_once(store: Store) -> None:
    up: dict[str, Published | None] = {f"node-{number}": UP for number in range(1000)}
    publish(store, up, whole=True)
    publish(store, {**dict.fromkeys(list(up)[:500], DOWN), **dict.fromkeys(list(up)[900:], None)})
    verdicts = [one.verdict for one in said(store).values()]

    assert (verdicts.count(Verdict.DOWN), verdicts.count(Verdict.UP)) == (500, 400)


def test_agents_learn_the_published_interval_with_each_answer(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    assert store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT).interval is None
    publish(store, {}, header=replace(HEADER, policy=Policy(12.5, 75.0)))

    assert store.beat(KEY, at(BEAT, 3), timeout=TIMEOUT).interval == 12.5
    assert store.beat(KEY, at(BEAT, 3), timeout=TIMEOUT).interval == 12.5
    assert store.beat(KEY, at(RIVAL, 1), timeout=TIMEOUT).interval == 12.5
    assert store.beat(KEY, replace(BEAT, member="gone"), timeout=TIMEOUT).interval == 12.5
    assert store.join(KEY, RIVAL, timeout=TIMEOUT).interval == 12.5
    assert store.join(OTHER, BEAT, timeout=TIMEOUT).interval is None


def test_publication_does_not_disturb_beats(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    age = grown(lambda: facts(store)["node-1"].age)
    before = ageless(store)
    publish(store, {"node-1": DOWN, "node-2": UP}, whole=True)
    publish(store, {"node-1": None})

    assert ageless(store) == before
    assert facts(store)["node-1"].age >= age
    assert store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT).owned


def test_beats_do_not_disturb_a_record(store: Store) -> None:
    publish(store, {"node-1": DOWN}, whole=True)
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT)
    store.leave(KEY, BEAT, timeout=TIMEOUT)

    assert said(store) == {"node-1": DOWN}


# Many at once.

WRITERS = 8
BEATS = 25


def life(store: Store, member: str) -> int:
    """A join and beats; how many of them were owned."""
    beat = Beat(member, "one", 1, 10.0)
    receipts = [store.join(KEY, beat, timeout=TIMEOUT)]
    receipts += [store.beat(KEY, at(beat, number), timeout=TIMEOUT) for number in range(2, BEATS + 1)]
    return sum(receipt.owned for receipt in receipts)


def test_threads_beat_at_the_same_time(store: Store) -> None:
    with ThreadPoolExecutor(WRITERS) as threads:
        owned = list(threads.map(lambda number: life(store, f"node-{number}"), range(WRITERS)))

    assert owned == [BEATS] * WRITERS
    assert {fact.sequence for fact in facts(store).values()} == {BEATS}


def test_beats_that_overtake_each_other_leave_the_last(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    numbers = [number * 37 % 200 + 2 for number in range(200)]
    with ThreadPoolExecutor(WRITERS) as threads:
        receipts = list(threads.map(lambda number: store.beat(KEY, at(BEAT, number), timeout=TIMEOUT), numbers))

    assert all(receipt.owned for receipt in receipts)
    assert facts(store)["node-1"].sequence == max(numbers)


def test_of_many_that_join_at_once_exactly_one_owns_the_row(store: Store) -> None:
    rivals = [Beat("node-1", f"rival-{number}", 1, 10.0) for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        joined = list(threads.map(lambda rival: store.join(KEY, rival, timeout=TIMEOUT), rivals))
    owners = [rival for rival in rivals if store.beat(KEY, at(rival, 2), timeout=TIMEOUT).owned]
    displaced = [receipt.other.incarnation for receipt in joined if receipt.other is not None]

    assert len(owners) == 1
    assert sorted([*displaced, owners[0].incarnation]) == [rival.incarnation for rival in rivals]


def test_no_join_that_is_late_undoes_the_leave_that_it_meets(store: Store) -> None:
    for number in range(20):
        beat = Beat(f"node-{number}", "one", 1, 10.0)
        store.join(KEY, beat, timeout=TIMEOUT)
        calls: list[Callable[[], object]] = [
            partial(store.join, KEY, at(beat, late), timeout=TIMEOUT) for late in range(2, WRITERS + 1)
        ]
        calls.insert(WRITERS // 2, partial(store.leave, KEY, at(beat, WRITERS + 1), timeout=TIMEOUT))
        with ThreadPoolExecutor(WRITERS) as threads:
            for called in [threads.submit(call) for call in calls]:
                called.result()

    assert {fact.state for fact in facts(store).values()} == {State.LEFT}


def publish_often(store: Store, members: list[str], *, times: int) -> None:
    """Publication n says `since` n of every member."""
    for number in range(1, times + 1):
        verdicts: dict[str, Published | None] = dict.fromkeys(members, replace(UP, since=float(number)))
        publish(store, verdicts, header=replace(HEADER, publication=number), whole=number % 2 == 0)


def read_often(store: Store, *, until: Callable[[], bool]) -> list[Record]:
    records = []
    while not until():
        record = store.record(KEY, timeout=TIMEOUT)
        records += [] if record is None else [record]
    return records


def test_a_reader_never_sees_half_a_publication(store: Store) -> None:
    members = [f"node-{number}" for number in range(20)]
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(publish_often, store, members, times=100)
        records = read_often(store, until=writing.done)
        writing.result()
    torn = [
        record.header.publication
        for record in records
        if {record.header.publication} != {said.since for said in record.members.values()} or len(record.members) != 20
    ]

    assert torn == []


def life_elsewhere(url: str, store_id: str, member: str) -> int:
    store = open_store(url, store_id=store_id)
    try:
        return life(store, member)
    finally:
        store.close()


@pytest.mark.needs(SHARED)
def test_processes_beat_at_the_same_time(driver: Driver, store: Store) -> None:
    processes = 3
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        lives = [pool.submit(life_elsewhere, driver.url, driver.first, f"node-{number}") for number in range(processes)]
        assert life(store, "here") == BEATS
        assert [one.result() for one in lives] == [BEATS] * processes

    assert {fact.sequence for fact in facts(store).values()} == {BEATS}
    assert len(facts(store)) == processes + 1


def test_a_store_may_be_closed_twice(driver: Driver) -> None:
    store = driver.open("one")
    store.health(timeout=TIMEOUT)
    store.close()
    store.close()


# Forgetting.


def forget(store: Store, *rows: Old, key: GroupKey = KEY) -> None:
    store.forget(key, rows, timeout=TIMEOUT)


def test_a_row_that_is_as_it_was_read_is_forgotten_and_no_other(store: Store) -> None:
    for member in ("node-1", "node-2", "Node-1"):
        store.join(KEY, replace(BEAT, member=member), timeout=TIMEOUT)
    store.join(OTHER, BEAT, timeout=TIMEOUT)
    forget(store, Old("node-1", "one", 1))

    assert facts(store).keys() == {"node-2", "Node-1"}
    assert facts(store, OTHER).keys() == {"node-1"}


@pytest.mark.parametrize(
    "written", [at(BEAT, 2), replace(RIVAL, sequence=1)], ids=["a beat", "a join by another start of the agent"]
)
def test_a_row_that_was_written_since_it_was_read_stays(store: Store, written: Beat) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    (store.beat if written.incarnation == BEAT.incarnation else store.join)(KEY, written, timeout=TIMEOUT)
    forget(store, Old("node-1", "one", 1))

    assert ageless(store)["node-1"].incarnation == written.incarnation


def test_who_joins_while_the_row_before_it_is_forgotten_has_one(store: Store) -> None:
    with ThreadPoolExecutor(2) as threads:
        for number in range(30):
            before = Beat("node-1", f"before-{number}", 1, 10.0)
            store.join(KEY, before, timeout=TIMEOUT)
            old = Old("node-1", before.incarnation, 1)
            forgetting = threads.submit(store.forget, KEY, [old], timeout=TIMEOUT)
            joining = threads.submit(store.join, KEY, RIVAL, timeout=TIMEOUT)
            assert joining.result().owned
            forgetting.result()
            assert facts(store)["node-1"].incarnation == "two"


def test_forgetting_what_is_not_there_is_no_trouble(store: Store) -> None:
    forget(store, Old("node-1", "one", 1), Old("x" * 253, "two", 2))
    forget(store)

    assert facts(store) == {}


def test_an_agent_whose_row_was_forgotten_is_told_that_it_is_gone_and_joins_again(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    publish(store, {"node-1": DOWN})
    forget(store, Old("node-1", "one", 1))
    publish(store, {"node-1": None})
    facts(store)
    publish(store, {})
    receipt = store.beat(KEY, at(BEAT, 2), timeout=TIMEOUT)
    store.join(KEY, at(BEAT, 3), timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (False, None)
    assert facts(store)["node-1"].sequence == 3


def test_who_was_forgotten_and_joins_again_by_the_same_connection_is_read_again(store: Store) -> None:
    publish(store, {}, whole=True)
    store.join(KEY, BEAT, timeout=TIMEOUT)
    assert facts(store).keys() == {"node-1"}
    publish(store, {"node-1": DOWN})
    forget(store, Old("node-1", "one", 1))
    for _ in range(2):
        assert facts(store) == {}
        publish(store, {"node-1": None})
    store.join(KEY, at(BEAT, 2), timeout=TIMEOUT)

    assert facts(store).keys() == {"node-1"}


def test_five_hundred_rows_are_forgotten_at_once(store: Store) -> None:
    names = [f"node-{number}" for number in range(500)]
    for name in names:
        store.join(KEY, replace(BEAT, member=name), timeout=TIMEOUT)
    forget(store, *(Old(name, "one", 1) for name in names))

    assert facts(store) == {}


def test_sweeping_takes_nothing_that_is_young(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    publish(store, {"node-1": UP})
    store.health(timeout=TIMEOUT)
    store.sweep(timeout=TIMEOUT)
    store.health(timeout=TIMEOUT)

    assert facts(store).keys() == {"node-1"}
    assert said(store) == {"node-1": UP}
