"""The rules' promises while a group moves between stores, under random faults: as in `test_rules_properties`, and that
nobody vanishes or comes back from an earlier stay.

    SERVICEGROUP_EXAMPLES=2000 python -m pytest tests/unit/test_moves_properties.py --timeout 0
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from servicegroup.model import Beat, Policy, Verdict

from tests.unit.several_stores import Site
from tests.unit.simulation import POLICY, Row

WILD = os.environ.get("SERVICEGROUP_EXAMPLES")
pytestmark = pytest.mark.timeout(0 if WILD else 300)
"""Seconds: half a minute of work, on a machine that may have no time."""
FEW = settings(
    max_examples=int(WILD or 40), deadline=None, derandomize=WILD is None, phases=[Phase.explicit, Phase.generate]
)

UP, DOWN = Verdict.UP, Verdict.DOWN
POLICIES = (POLICY, Policy(20.0, 120.0), Policy(10.0, 25.0))
LONGEST_INTERVAL = max(policy.interval for policy in POLICIES)
LIVING, MORTAL, LEAVING = ("m", "n"), ("o", "p"), "q"
GHOST = "ghost"
DAY = 86_400.0

Fault = Callable[[Site], None]
History = list[tuple[str, float]]


def _move(store: str) -> Fault:
    def fault(it: Site) -> None:
        """Nobody can know of a store that the group was in between two looks: one edit waits for an operator."""
        if it.status.get("store") == it.spec.store:
            it.move(store)

    return fault


def _follow(member: str, how: str) -> Fault:
    return lambda it: it.follow(member, how=how) if it.last(member)[0].alive else None


def _store(name: str, *, reachable: bool = True, writable: bool = True, latency: float = 0.0) -> Fault:
    def fault(it: Site) -> None:
        store = it.stores[name]
        store.reachable, store.writable, store.latency = reachable, writable, latency

    return fault


def _restart(name: str, *, wiped: bool) -> Fault:
    return lambda it: it.stores[name].restart(wiped=wiped)


def _wall(seconds: float) -> Fault:
    def fault(it: Site) -> None:
        it.wall_step += seconds

    return fault


def _respec(policy: Policy) -> Fault:
    return lambda it: it.respec(policy=policy)


def _kill(member: str) -> Fault:
    return lambda it: it.kill(member)


def _leave(it: Site) -> None:
    if it.last(LEAVING)[0].alive:
        it.leave(LEAVING)


MOVES: dict[str, Fault] = {
    **{f"the group moves to {name}": _move(name) for name in "abc"},
    **{f"{m} follows, {how}": _follow(m, how) for m in (*LIVING, *MORTAL) for how in ("killed", "overlaps")},
}
OPERATOR: dict[str, Fault] = {"a new operator starts": Site.start}
DEATHS: dict[str, Fault] = {**{f"{member} dies": _kill(member) for member in MORTAL}, "q leaves": _leave}
INTERVALS: dict[str, Fault] = {
    f"I is {policy.interval}, T is {policy.down_time}": _respec(policy) for policy in POLICIES
}
STORES: dict[str, Fault] = {
    name: fault
    for store in "abc"
    for name, fault in {
        f"{store} is out": _store(store, reachable=False),
        f"{store} takes no writes": _store(store, writable=False),
        f"{store} is slow": _store(store, latency=4.0),
        f"{store} hangs": _store(store, latency=24.0),
        f"{store} serves": _store(store),
        f"{store} restarts, wiped": _restart(store, wiped=True),
        f"{store} restarts": _restart(store, wiped=False),
    }.items()
}
CLOCK: dict[str, Fault] = {"the wall clock goes forward": _wall(DAY), "the wall clock goes back": _wall(-DAY)}
ABSENCE: dict[str, Fault] = {"the operator stops": Site.stop}
FAULTS = {**MOVES, **OPERATOR, **DEATHS, **INTERVALS, **STORES, **CLOCK, **ABSENCE}


def histories(*faults: dict[str, Fault], longest: int = 12) -> st.SearchStrategy[History]:
    """Half of what happens are moves and agents that follow."""
    pauses = st.sampled_from((0.0, 0.25, 2.0, 5.25, 12.0, 31.0, 66.0, 130.0))
    others = sorted({name for some in faults for name in some})
    names = st.one_of(st.sampled_from(sorted(MOVES)), st.sampled_from(others or sorted(MOVES)))
    return st.lists(st.tuples(names, pauses), min_size=3, max_size=longest)


def played(history: History) -> Site:
    """A group that has run well in `a`, then lived through the history; the faults end, the moves do not."""
    it = Site()
    for name in "bc":
        store = it.stores[name]
        store.rows = {GHOST: Row(Beat(GHOST, "old", 7, POLICY.interval), store.clock(-DAY))}
    it.join(*LIVING, *MORTAL, LEAVING)
    it.start()
    it.run(2 * POLICY.down_time)
    for name, seconds in history:
        FAULTS[name](it)
        it.run(seconds)
    for store in it.stores.values():
        store.reachable, store.writable, store.latency = True, True, 0.0
    if it.operator is None:
        it.start()
    return it


def until_found(it: Site) -> float:
    """T, as the longest promise stretches it, after the last look that the faults spoiled."""
    return it.spec.policy.stretched(LONGEST_INTERVAL).down_time + 30.0


@given(history=histories(FAULTS))
@FEW
def test_no_member_that_beats_in_one_store_or_another_is_ever_down(history: History) -> None:
    it = played(history)
    it.run(until_found(it))

    assert [change for change in it.changes if change.member in LIVING and it.turned(change.member, DOWN)] == []


@given(history=histories(FAULTS))
@FEW
def test_every_dead_one_is_down_when_the_faults_have_ended_wherever_it_died(history: History) -> None:
    it = played(history)
    dead = [member for member in MORTAL if not it.last(member)[0].alive]
    it.run(until_found(it))

    assert {member: it.verdict(member) for member in dead} == dict.fromkeys(dead, DOWN)


@given(history=histories(FAULTS))
@FEW
def test_the_living_are_up_one_interval_after_the_faults_have_ended_wherever_they_beat(history: History) -> None:
    it = played(history)
    it.run(LONGEST_INTERVAL + 30.0)
    living = [member for member in (*LIVING, *MORTAL) if it.last(member)[0].alive]

    assert {member: it.verdict(member) for member in living} == dict.fromkeys(living, UP)


@given(history=histories(FAULTS))
@FEW
def test_nobody_who_was_published_vanishes_and_nobody_of_the_past_appears(history: History) -> None:
    it = played(history)
    it.run(until_found(it))

    vanished = {change.member for change in it.changes if change.after is None}
    assert vanished <= {LEAVING}
    assert GHOST not in {change.member for change in it.changes}


@given(history=histories(OPERATOR, DEATHS))
@FEW
def test_moves_and_restarts_of_the_operator_leave_the_living_up(history: History) -> None:
    """Answering Unknown to be safe is a failure of its own."""
    it = played(history)
    it.run(until_found(it))

    assert [it.story(member) for member in LIVING] == [[UP]] * len(LIVING)


@given(history=histories(FAULTS))
@FEW
def test_a_move_that_everybody_followed_is_over(history: History) -> None:
    it = played(history)
    it.run(LONGEST_INTERVAL + 30.0)
    for member in (*LIVING, *MORTAL, LEAVING):
        if it.last(member)[0].alive:
            it.follow(member)
    it.run(until_found(it))

    assert "movingFrom" not in it.status
    assert it.status["store"] == it.spec.store
