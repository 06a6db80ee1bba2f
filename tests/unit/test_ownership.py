"""Two agents for one member (design, rule 9): receipts in, what this start of an agent does next out."""

from dataclasses import dataclass, field

import pytest
from servicegroup.agent.ownership import Role, Standing, beaten, joined
from servicegroup.model import Beat, GroupKey, Holder, Receipt, State
from servicegroup.store import MemoryStore

NOW = 1000.0
INTERVAL = 10.0
SIGHT = 25.0

OURS = Receipt(owned=True, interval=None)
GONE = Receipt(owned=False, interval=None)


def held_by(incarnation: str, sequence: int = 7, state: State = State.BEATING) -> Receipt:
    return Receipt(owned=False, interval=None, other=Holder(incarnation, sequence, state))


OWNER = Standing(Role.OWNER)
WAITING = Standing(Role.STANDBY, owner=Holder("other", 7, State.BEATING), owner_since=NOW - SIGHT)
RECONQUERED = Standing(Role.OWNER, displaced={"earlier": 7})


@dataclass(frozen=True)
class Case:
    before: Standing
    receipt: Receipt
    role: Role
    now: float = NOW


CASES = {
    "whose beat was taken goes on": Case(OWNER, OURS, Role.OWNER),
    "whose row belongs to another stands by": Case(OWNER, held_by("other"), Role.STANDBY),
    "whose row belongs to one that drains stands by": Case(OWNER, held_by("other", 7, State.DRAINING), Role.STANDBY),
    "whose row belongs to one that has left joins": Case(OWNER, held_by("other", 7, State.LEFT), Role.JOINING),
    "whose row is gone joins": Case(OWNER, GONE, Role.JOINING),
    "whose row belongs to one that it displaced joins at once": Case(RECONQUERED, held_by("earlier"), Role.JOINING),
    "whose row belongs to one that it displaced and that joined anew stands by": Case(
        RECONQUERED, held_by("earlier", 8), Role.STANDBY
    ),
    "whose row belongs to a third stands by, whomever it displaced": Case(RECONQUERED, held_by("third"), Role.STANDBY),
    "standing by, joins when the owner has left": Case(
        WAITING, held_by("other", 8, State.LEFT), Role.JOINING, NOW - 24
    ),
    "standing by, joins when the row is gone": Case(WAITING, GONE, Role.JOINING, NOW - 24),
    "standing by, goes on waiting while the owner beats": Case(WAITING, held_by("other", 8), Role.STANDBY, NOW + 100),
    "standing by, goes on waiting while the owner changes": Case(WAITING, held_by("third"), Role.STANDBY, NOW + 100),
    "standing by, waits while the owner is silent for exactly C": Case(WAITING, held_by("other"), Role.STANDBY, NOW),
    "standing by, joins when the owner is silent for more": Case(WAITING, held_by("other"), Role.JOINING, NOW + 0.001),
    "standing by, and given the row back, owns it": Case(WAITING, OURS, Role.OWNER),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_agent(case: Case) -> None:
    assert beaten(case.before, case.receipt, now=case.now, interval=INTERVAL).role is case.role


def test_an_agent_that_starts_joins() -> None:
    assert Standing().role is Role.JOINING


def test_the_silence_of_an_owner_counts_from_its_last_beat_and_not_from_the_first_sight_of_it() -> None:
    standing = OWNER
    for second in range(0, 200, 10):
        standing = beaten(standing, held_by("other", second), now=NOW + second, interval=INTERVAL)
    assert standing.role is Role.STANDBY

    still = beaten(standing, held_by("other", 190), now=NOW + 190 + SIGHT, interval=INTERVAL)
    late = beaten(still, held_by("other", 190), now=NOW + 190 + SIGHT + 1, interval=INTERVAL)

    assert (still.role, late.role) == (Role.STANDBY, Role.JOINING)


def test_an_owner_waits_for_another_anew_after_it_owned_its_row_in_between() -> None:
    standing = beaten(OWNER, held_by("other"), now=NOW, interval=INTERVAL)
    standing = beaten(standing, OURS, now=NOW + 20, interval=INTERVAL)
    standing = beaten(standing, held_by("other"), now=NOW + 30, interval=INTERVAL)

    assert standing.role is Role.STANDBY


def test_who_was_displaced_is_remembered_through_all_that_follows() -> None:
    first = joined(Standing(), Receipt(owned=True, interval=None, other=Holder("earlier", 4, State.BEATING)))
    second = joined(first, Receipt(owned=True, interval=None, other=Holder("other", 9, State.BEATING)))
    third = beaten(beaten(second, OURS, now=NOW, interval=INTERVAL), GONE, now=NOW, interval=INTERVAL)

    for displaced in (held_by("earlier", 4), held_by("other", 9)):
        assert beaten(third, displaced, now=NOW, interval=INTERVAL).role is Role.JOINING


def test_a_join_that_finds_its_own_leave_owns_nothing() -> None:
    assert joined(Standing(), held_by("ours", 7, State.LEFT)) == Standing()


@dataclass
class Agent:
    """An agent on the pure rules alone, beating when it is told to."""

    incarnation: str
    standing: Standing = field(default_factory=Standing)
    sequence: int = 0
    joins: int = 0

    def turn(self, store: MemoryStore, now: float) -> Role:
        if self.standing.role is not Role.JOINING:
            receipt = store.beat(KEY, self._next(), timeout=1.0)
            self.standing = beaten(self.standing, receipt, now=now, interval=INTERVAL)
        if self.standing.role is Role.JOINING:
            self.standing = joined(self.standing, store.join(KEY, self._next(), timeout=1.0))
            self.joins += 1
        return self.standing.role

    def _next(self) -> Beat:
        self.sequence += 1
        return Beat("node-1", self.incarnation, self.sequence, INTERVAL)


KEY = GroupKey("default", "compute")


def owner(store: MemoryStore) -> str:
    return store.read([KEY], timeout=1.0).facts[KEY][0].incarnation


def test_of_two_agents_that_both_live_the_last_to_join_owns_the_member_for_good() -> None:
    store, first, second = MemoryStore(), Agent("first"), Agent("second")

    for turn in range(20):
        first.turn(store, turn * INTERVAL)
        second.turn(store, turn * INTERVAL + 1)

    assert owner(store) == "second"
    assert (first.standing.role, first.joins, second.joins) == (Role.STANDBY, 1, 1)


def test_the_agent_that_stood_by_takes_over_within_c_and_one_interval_of_the_owners_death() -> None:
    store, first, second = MemoryStore(), Agent("first"), Agent("second")
    first.turn(store, 0.0)
    second.turn(store, 1.0)
    first.turn(store, 10.0)
    second.turn(store, 11.0)

    roles = [first.turn(store, now) for now in (20.0, 30.0, 40.0, 50.0)]

    assert roles == [Role.STANDBY, Role.STANDBY, Role.STANDBY, Role.OWNER]
    assert owner(store) == "first"


def test_an_owner_that_was_paused_and_displaced_stands_by_when_it_returns() -> None:
    """Each has displaced the other by then; the last to join owns the row all the same."""
    store, first, second = MemoryStore(), Agent("first"), Agent("second")
    first.turn(store, 0.0)
    second.turn(store, 1.0)
    for now in (10.0, 20.0, 30.0, 40.0):  # the second one is paused
        first.turn(store, now)
    assert owner(store) == "first"

    owners = []
    for now in (50.0, 60.0, 70.0):
        second.turn(store, now)
        owners.append(owner(store))
        first.turn(store, now + 1)
        owners.append(owner(store))

    assert owners == ["first"] * 6
