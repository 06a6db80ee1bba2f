"""The conditions of a group (design, section 5): what Helm, Flux, `kubectl wait` and a person at night rely on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from servicegroup.model import MinAvailable
from servicegroup.operator import conditions
from servicegroup.operator.conditions import LONGEST_MESSAGE, Condition, StoreSight

NOW = "2027-01-15T08:00:00Z"
BEFORE = "2027-01-14T07:00:00Z"
HALF = MinAvailable(51, percent=True)


@dataclass(frozen=True)
class Roster:
    told: bool
    refused: str | None = None


TOLD, STARTING = ("True", "Watching"), ("Unknown", "Starting")
KNOWN: Mapping[str, tuple[Roster, Condition | None, tuple[str, str]]] = {
    "the pods were listed": (Roster(told=True), None, TOLD),
    "they were not yet": (Roster(told=False), None, STARTING),
    "they were not yet, and an operator before had": (
        Roster(told=False),
        Condition("RosterKnown", "True", "Watching"),
        TOLD,
    ),
    "they were not yet, and an operator before might not": (
        Roster(told=False),
        Condition("RosterKnown", "False", "PodsForbidden", "why"),
        ("False", "PodsForbidden"),
    ),
    "they may not be seen": (
        Roster(told=False, refused="why"),
        Condition("RosterKnown", "True", "Watching"),
        ("False", "PodsForbidden"),
    ),
    "they may not be asked for": (Roster(told=True, refused="why"), None, ("False", "PodsForbidden")),
}


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN)
def test_whether_the_roster_is_known(case: tuple[Roster, Condition | None, tuple[str, str]]) -> None:
    sight, before, said = case
    found = conditions.roster_known(sight, before={} if before is None else status_with(before))

    assert (found.status, found.reason) == said
    assert ("why" in found.message) is (found.status == "False")


@dataclass(frozen=True)
class Group:
    up: int
    unknown: int
    total: int
    said: tuple[str, str]
    needed: MinAvailable = HALF
    blind: bool = False
    read_once: bool = True


ENOUGH, TOO_FEW, OPEN = ("True", "EnoughUp"), ("False", "TooFewUp"), ("Unknown", "MembersUnknown")
BLIND = ("Unknown", "StoreUnreachable")
THREE = MinAvailable(3, percent=False)

AVAILABLE = {
    "all of ten are up": Group(10, 0, 10, ENOUGH),
    "exactly as many as needed are up": Group(6, 0, 10, ENOUGH),
    "one fewer than needed is up, the rest is down": Group(5, 0, 10, TOO_FEW),
    "one fewer than needed is up, and one cannot be judged": Group(5, 1, 10, OPEN),
    "those who cannot be judged would not be enough": Group(3, 2, 10, TOO_FEW),
    "enough are up, whatever the rest is": Group(6, 4, 10, ENOUGH),
    "nobody can be judged": Group(0, 10, 10, OPEN),
    "the only member is up": Group(1, 0, 1, ENOUGH),
    "the only member is down": Group(0, 0, 1, TOO_FEW),
    "nobody is a member": Group(0, 0, 0, ("False", "NoMembers")),
    "nobody is a member and none is needed": Group(0, 0, 0, ("False", "NoMembers"), MinAvailable(0, percent=True)),
    "none is needed and all are down": Group(0, 0, 3, ENOUGH, MinAvailable(0, percent=False)),
    "more are needed than there are": Group(2, 0, 2, TOO_FEW, THREE),
    "exactly the number needed is up": Group(3, 0, 100, ENOUGH, THREE),
    "the store is blind, and all were up": Group(10, 0, 10, BLIND, blind=True),
    "the store is blind, and all were down": Group(0, 0, 10, BLIND, blind=True),
    "the store is blind, and nobody is a member": Group(0, 0, 0, BLIND, blind=True),
    "the store was not read yet": Group(10, 0, 10, ("Unknown", "Starting"), read_once=False),
    "the store was not read yet, and nobody is known": Group(0, 0, 0, ("Unknown", "Starting"), read_once=False),
}


@pytest.mark.parametrize("case", AVAILABLE.values(), ids=AVAILABLE.keys())
def test_available_when(case: Group) -> None:
    said = conditions.available(
        up=case.up,
        unknown=case.unknown,
        total=case.total,
        needed=case.needed,
        blind=case.blind,
        read_once=case.read_once,
    )

    assert (said.type, said.status, said.reason) == ("Available", *case.said)
    assert said.message


def test_whether_enough_are_up_is_said_with_the_figures() -> None:
    said = conditions.available(up=5, unknown=0, total=10, needed=HALF, blind=False, read_once=True)

    for figure in ("5 of 10", "6 are needed"):
        assert figure in said.message


BLIND_FOR = {"never": (0.0, "True"), "for exactly 2T": (120.0, "True"), "for longer than 2T": (120.1, "False")}


@pytest.mark.parametrize(("seconds", "status"), BLIND_FOR.values(), ids=BLIND_FOR.keys())
def test_ready_when_no_death_could_be_found(seconds: float, status: str) -> None:
    assert conditions.ready(blind_for=seconds, down_time=60.0, interval=10.0).status == status


def test_that_no_death_can_be_found_is_said_in_words_that_do_not_change_with_each_second() -> None:
    said = {conditions.ready(blind_for=121.0 + second, down_time=60.0, interval=10.0) for second in range(10_000)}

    (one,) = said
    assert one.reason == "NotWatching"
    assert "120 s" in one.message


@dataclass(frozen=True)
class Late:
    lateness: float
    absent: float
    said: tuple[str, str]
    words: tuple[str, ...] = ()


LATE = {
    "in time": Late(0.0, 0.0, ("True", "Evaluating")),
    "late by a quarter of the interval": Late(2.5, 2.5, ("True", "Evaluating")),
    "a slow store makes deaths late": Late(2.6, 0.0, ("True", "Late"), ("up to 5 s later", "StoreReachable")),
    "the operator was kept from looking": Late(
        11.0, 3.0, ("True", "Late"), ("for up to 5 s", "up to 20 s later", "CPU")
    ),
    "it was for so long that it begins anew": Late(0.0, 60.0, ("True", "Late"), ("for up to 100 s", "CPU")),
}


@pytest.mark.parametrize("case", LATE.values(), ids=LATE)
def test_ready_says_that_deaths_are_found_late_and_stays_true(case: Late) -> None:
    said = conditions.ready(blind_for=0.0, down_time=60.0, interval=10.0, lateness=case.lateness, absent=case.absent)

    assert (said.status, said.reason) == case.said
    assert [word for word in case.words if word not in said.message] == []


SHOWN = {0.0: "0.1 s", 0.11: "0.2 s", 0.5: "0.5 s", 0.51: "1 s", 1.0: "1 s", 2.1: "5 s", 10.0: "10 s", 99.0: "100 s"}


@pytest.mark.parametrize(("seconds", "text"), SHOWN.items())
def test_a_duration_is_rounded_up_to_few_figures(seconds: float, text: str) -> None:
    assert conditions.shown(seconds) == text


REFUSED = "store db: connection refused"
STORES = {
    "it was not read yet": (StoreSight(None, read_once=False), ("Unknown", "Starting")),
    "it answers": (StoreSight(None, read_once=True), ("True", "Answering")),
    "it fails": (StoreSight(REFUSED, read_once=True), ("False", "StoreUnavailable")),
    "it failed from the beginning": (StoreSight(REFUSED, read_once=False), ("False", "StoreUnavailable")),
    "it is slow": (StoreSight(read_once=True, slow=True), ("True", "Slow")),
    "it makes room": (StoreSight(read_once=True, evicting=True), ("True", "Evicting")),
    "it is slow and makes room: what loses rows is said": (
        StoreSight(read_once=True, slow=True, evicting=True),
        ("True", "Evicting"),
    ),
    "it fails, after it was slow and made room": (
        StoreSight(REFUSED, read_once=True, slow=True, evicting=True),
        ("False", "StoreUnavailable"),
    ),
}


@pytest.mark.parametrize(("sight", "said"), STORES.values(), ids=STORES.keys())
def test_store_reachable_when(sight: StoreSight, said: tuple[str, str]) -> None:
    condition = conditions.store_reachable(sight)

    assert (condition.type, condition.status, condition.reason) == ("StoreReachable", *said)
    assert condition.message
    assert sight.failing is None or condition.message == sight.failing


@dataclass(frozen=True)
class Way:
    stores: tuple[str, ...]
    said: tuple[str, str]
    words: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()


TWELVE = tuple(f"node-{number:02}" for number in range(12))
MOVING = {
    "the group is where it was": Way((), ("False", "Settled")),
    "members beat in the old store": Way(
        ("db",), ("True", "MembersElsewhere"), ("2 members", "store db", "a, b"), alone=("a", "b")
    ),
    "more beat there than a message names": Way(
        ("db",), ("True", "MembersElsewhere"), ("12 members", "node-09, ... (+2)"), alone=TWELVE
    ),
    "nobody beats there alone": Way(("db",), ("True", "Arriving"), ("store db",)),
    "it has come from two stores": Way(("db", "mc"), ("True", "Arriving"), ("store db, mc",)),
    "one of them is not read": Way(
        ("db", "mc"),
        ("True", "OldStoreUnreachable"),
        ("store mc,", "not called Down", "take it out"),
        alone=("a",),
        unread=("mc",),
    ),
    "one of them was never read since": Way(
        ("db", "mc"), ("True", "OldStoreUnread"), ("store db,", "take it out"), unrecorded=("db",)
    ),
    "it was never read since, and is not read": Way(
        ("db",), ("True", "OldStoreUnread"), ("store db,",), unread=("db",), unrecorded=("db",)
    ),
}


@pytest.mark.parametrize("case", MOVING.values(), ids=MOVING)
def test_moving_when(case: Way) -> None:
    said = conditions.moving(stores=case.stores, alone=case.alone, unread=case.unread, unrecorded=case.unrecorded)

    assert (said.type, said.status, said.reason) == ("Moving", *case.said)
    assert [word for word in case.words if word not in said.message] == []
    assert said.message


def test_of_a_group_of_the_longest_names_on_its_way_the_message_fits_the_schema() -> None:
    names = ["節" * 253 for _ in range(1000)]
    (condition,) = rendered(conditions.moving(stores=["s" * 63] * 16, alone=names, unread=(), unrecorded=()), before={})

    assert len(condition["message"]) <= LONGEST_MESSAGE


def test_stalled_says_what_is_wrong_with_the_spec() -> None:
    problem = "spec.store is 'edge': this operator has default"

    assert conditions.stalled(None).status == "False"
    stalled = conditions.stalled(problem, reason="UnknownStore")
    assert stalled == Condition("Stalled", "True", "UnknownStore", problem)


def test_a_slow_store_is_told_with_the_figures_of_write_and_read() -> None:
    said = conditions.store_reachable(StoreSight(read_once=True, slow=True, writing=3.2, reading=0.3))

    for figure in ("a write up to 5 s", "reading all members up to 0.5 s"):
        assert figure in said.message


def test_a_member_with_two_agents_is_named() -> None:
    assert conditions.duplicate([]).status == "False"
    said = conditions.duplicate(["node-3", "node-7"])
    assert said.status == "True"
    assert "node-3, node-7" in said.message


def rendered(*states: Condition, before: Mapping[str, Any], generation: int = 2) -> list[dict[str, Any]]:
    return conditions.render(states, before=before, generation=generation, now=NOW)


def status_with(*states: Condition) -> dict[str, Any]:
    return {"conditions": conditions.render(states, before={}, generation=1, now=BEFORE)}


UP = Condition("Available", "True", "EnoughUp", "3 of 3")
FEWER = Condition("Available", "True", "EnoughUp", "2 of 3")
TOO_FEW_UP = Condition("Available", "False", "TooFewUp", "1 of 3")


@pytest.mark.parametrize(
    ("now", "time"),
    [(UP, BEFORE), (FEWER, BEFORE), (TOO_FEW_UP, NOW)],
    ids=["kept while nothing changes", "kept while the message changes", "new when the status changes"],
)
def test_the_time_of_the_transition_is(now: Condition, time: str) -> None:
    (condition,) = rendered(now, before=status_with(UP))

    assert condition["lastTransitionTime"] == time


def test_a_condition_that_was_not_there_before_changed_now() -> None:
    (condition,) = rendered(UP, before=status_with(Condition("Ready", "True", "Evaluating")))

    assert condition == {
        "type": "Available",
        "status": "True",
        "reason": "EnoughUp",
        "message": "3 of 3",
        "lastTransitionTime": NOW,
        "observedGeneration": 2,
    }


def test_no_message_is_longer_than_the_schema_takes() -> None:
    (condition,) = rendered(conditions.duplicate("節" * 253 + str(number) for number in range(100)), before={})

    assert len(condition["message"]) == LONGEST_MESSAGE
