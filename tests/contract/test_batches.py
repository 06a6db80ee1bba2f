"""Many beats in one call, on every driver: what each of them says, and that none disturbs another."""

from dataclasses import replace

from servicegroup.model import Beat, GroupKey, Holder, Policy, Receipt, State
from servicegroup.store import Store

from tests.contract.test_store_contract import BEAT, HEADER, KEY, NAMES, OTHER, RIVAL, TIMEOUT, at, facts, publish

OWNED = Receipt(owned=True, interval=None)


def beaten(store: Store, batch: list[tuple[GroupKey, Beat]]) -> list[Receipt]:
    """All of them were written."""
    answers = store.beat_many(batch, timeout=TIMEOUT)
    assert None not in answers
    return [answer for answer in answers if answer is not None]


def test_no_beats_are_no_receipts(store: Store) -> None:
    assert store.beat_many([], timeout=TIMEOUT) == []


def test_each_beat_of_a_batch_is_answered_as_if_it_came_alone(store: Store) -> None:
    for name in ("stamped", "late", "left", "displaced"):
        store.join(KEY, Beat(name, "one", 5, 10.0), timeout=TIMEOUT)
    store.leave(KEY, Beat("left", "one", 6, 10.0), timeout=TIMEOUT)
    store.join(KEY, Beat("displaced", "two", 1, 10.0), timeout=TIMEOUT)
    batch = [(KEY, Beat(name, "one", 7, 20.0, State.UNHEALTHY)) for name in ("stamped", "left", "gone", "displaced")]
    batch += [(KEY, Beat("late", "one", 4, 20.0)), (OTHER, Beat("stamped", "one", 7, 20.0))]

    assert store.beat_many(batch, timeout=TIMEOUT) == [
        OWNED,
        Receipt(False, None, Holder("one", 6, State.LEFT)),
        Receipt(False, None),
        Receipt(False, None, Holder("two", 1, State.BEATING)),
        OWNED,
        Receipt(False, None),
    ]
    written = {name: (fact.sequence, fact.interval, fact.state) for name, fact in facts(store).items()}
    assert written == {
        "stamped": (7, 20.0, State.UNHEALTHY),
        "late": (5, 10.0, State.BEATING),
        "left": (6, 10.0, State.LEFT),
        "displaced": (1, 10.0, State.BEATING),
    }
    assert facts(store, OTHER) == {}


def test_of_one_member_the_highest_sequence_is_written_and_both_agents_are_answered(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.join(KEY, RIVAL, timeout=TIMEOUT)
    batch = [(KEY, at(RIVAL, 3)), (KEY, at(RIVAL, 2)), (KEY, at(BEAT, 9))]
    answers = beaten(store, batch)

    assert [answer.owned for answer in answers] == [True, True, False]
    assert answers[2].other is not None
    assert answers[2].other.incarnation == "two"
    assert facts(store)["node-1"].sequence == 3


def test_a_batch_stamps_by_the_stores_clock(store: Store) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.beat_many([(KEY, at(BEAT, 2))], timeout=TIMEOUT)

    assert 0.0 <= facts(store)["node-1"].age < TIMEOUT


def test_every_group_of_a_batch_is_told_its_own_interval(store: Store) -> None:
    for key, interval in ((KEY, 12.5), (OTHER, 5.0)):
        publish(store, {}, key=key, header=replace(HEADER, policy=Policy(interval, 60.0)))
        store.join(key, BEAT, timeout=TIMEOUT)
    third = GroupKey("nova", "third")
    batch = [(OTHER, at(BEAT, 2)), (third, at(BEAT, 2)), (KEY, at(BEAT, 2))]

    assert [answer.interval for answer in beaten(store, batch)] == [5.0, None, 12.5]


def test_names_of_a_batch_are_compared_byte_for_byte(store: Store) -> None:
    for number, name in enumerate(NAMES):
        store.join(KEY, Beat(name, f"{number}", 1, 10.0), timeout=TIMEOUT)
    batch = [(KEY, Beat(name, f"{number}", 2**62 + number, 0.1)) for number, name in enumerate(NAMES)]

    assert store.beat_many(batch, timeout=TIMEOUT) == [OWNED] * len(NAMES)
    assert {name: fact.sequence for name, fact in facts(store).items()} == {
        name: 2**62 + number for number, name in enumerate(NAMES)
    }


def test_more_beats_than_a_statement_takes(store: Store) -> None:
    names = [f"node-{number}" for number in range(1200)]
    for name in names[:3] + names[-3:]:
        store.join(KEY, Beat(name, "one", 1, 10.0), timeout=TIMEOUT)
    answers = beaten(store, [(KEY, Beat(name, "one", 2, 10.0)) for name in names])

    assert [answer.owned for answer in answers] == [True] * 3 + [False] * 1194 + [True] * 3
