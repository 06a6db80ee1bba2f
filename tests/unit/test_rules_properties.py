"""The rules' promises under random faults: no false down, every death found, nobody raised, no idle Unknown.

CI runs the same few histories each time. To hunt, with new ones each time:

    SERVICEGROUP_EXAMPLES=5000 python -m pytest tests/unit/test_rules_properties.py --timeout 0
"""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servicegroup.model import Policy, Verdict

from tests.unit.simulation import POLICY, Change, Rows, World

WILD = os.environ.get("SERVICEGROUP_EXAMPLES")
pytestmark = pytest.mark.timeout(0 if WILD else 300)
"""Seconds: half a minute of work, on a machine that may have no time."""
FEW = settings(max_examples=int(WILD or 80), deadline=None, derandomize=WILD is None)

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN

POLICIES = (POLICY, Policy(20.0, 120.0), Policy(5.0, 30.0), Policy(10.0, 25.0), Policy(1.0, 5.0))
LONGEST_INTERVAL = max(policy.interval for policy in POLICIES)
LONGEST_DOWN_TIME = max(policy.stretched(LONGEST_INTERVAL).down_time for policy in POLICIES)
SLOWEST = 4.0

LIVING = ("a", "b")
MORTAL = ("c", "d")
LEAVING = ("e",)

Fault = Callable[[World, list[Rows]], None]
History = list[tuple[str, float]]
"""Names of faults, and the seconds that pass after each."""


def _store(*, reachable: bool = True, writable: bool = True) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        world.store.reachable, world.store.writable = reachable, writable

    return fault


def _restart_store(*, wiped: bool) -> Fault:
    return lambda world, _: world.store.restart(wiped=wiped)


def _delete_rows(world: World, _: list[Rows]) -> None:
    world.store.rows = {}


def _go_back(*, snapshots: int) -> Fault:
    """As a fail-over to a replica that lags, or a backup that is restored."""

    def fault(world: World, past: list[Rows]) -> None:
        world.store.rows = past[-snapshots:][0]

    return fault


def _step(seconds: float) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        world.store.step += seconds

    return fault


def _pause_operator(*, paused: bool) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        if world.observer is not None:
            world.observer.paused = paused

    return fault


def _stop_operator(world: World, _: list[Rows]) -> None:
    world.stop()


def _start_operator(world: World, _: list[Rows]) -> None:
    world.start()


def _slow(seconds: float) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        world.latency = seconds

    return fault


def _respec(policy: Policy) -> Fault:
    return lambda world, _: world.respec(replace(world.spec, policy=policy))


def _kill(member: str) -> Fault:
    return lambda world, _: world.kill(member)


def _leave(member: str) -> Fault:
    return lambda world, _: world.leave(member)


def _begin_again(member: str) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        world.kill(member)
        world.join(member)

    return fault


def _suspend_agent(member: str, *, paused: bool) -> Fault:
    def fault(world: World, _: list[Rows]) -> None:
        world.agent(member).paused = paused

    return fault


STORE: dict[str, Fault] = {
    "the store is out": _store(reachable=False),
    "the store takes no writes": _store(writable=False),
    "the store serves": _store(),
    "the store is slow": _slow(SLOWEST),
    "the store is quick": _slow(0.0),
}
PAST: dict[str, Fault] = {
    "memcached restarts": _restart_store(wiped=True),
    "the database restarts": _restart_store(wiped=False),
    "rows are deleted": _delete_rows,
    "the store goes back one fault": _go_back(snapshots=1),
    "the store goes back four faults": _go_back(snapshots=4),
}
CLOCK: dict[str, Fault] = {
    "the store's clock steps forward": _step(600.0),
    "the store's clock steps by almost T forward": _step(POLICY.down_time - 2.0),
    "the store's clock steps back": _step(-600.0),
}
OPERATOR: dict[str, Fault] = {
    "the operator is suspended": _pause_operator(paused=True),
    "the operator resumes": _pause_operator(paused=False),
    "the operator dies": _stop_operator,
    "the operator starts": _start_operator,
}
INTERVALS: dict[str, Fault] = {
    f"I is {policy.interval}, T is {policy.down_time}": _respec(policy) for policy in POLICIES
}
MEMBERS: dict[str, Fault] = {
    **{f"{member} dies": _kill(member) for member in MORTAL},
    **{f"{member} is suspended": _suspend_agent(member, paused=True) for member in MORTAL},
    **{f"{member} resumes": _suspend_agent(member, paused=False) for member in MORTAL},
    **{f"{member} begins again": _begin_again(member) for member in (*MORTAL, *LEAVING)},
    **{f"{member} leaves": _leave(member) for member in LEAVING},
}
FAULTS = {**STORE, **PAST, **CLOCK, **OPERATOR, **INTERVALS, **MEMBERS}


def histories(faults: dict[str, Fault], *, longest: int = 14) -> st.SearchStrategy[History]:
    pauses = st.sampled_from((0.0, 0.25, 0.5, 2.0, 5.25, 12.0, 24.75, 31.0, 66.0, 130.0))
    return st.lists(st.tuples(st.sampled_from(sorted(faults)), pauses), min_size=3, max_size=longest)


def played(history: History, *, heals: bool = True) -> World:
    """A world that has run well, then lived through the history; `heals` ends all faults but deaths."""
    world = World()
    world.join(*LIVING, *MORTAL, *LEAVING)
    world.start()
    world.run(2 * POLICY.down_time)
    past = [world.store.rows]
    for name, seconds in history:
        FAULTS[name](world, past)
        world.run(seconds)
        past.append(world.store.rows)
    if heals:
        _heal(world)
    return world


def _heal(world: World) -> None:
    world.store.reachable = world.store.writable = True
    world.latency = 0.0
    if world.observer is None:
        world.start()
    world.running.paused = False
    for agent in world.agents:
        agent.paused = False


def until_found(world: World) -> float:
    """T, as the longest promise stretches it, and the passes that see the faults' end and the death."""
    return world.spec.policy.stretched(LONGEST_INTERVAL).down_time + 3.0


@given(history=histories(FAULTS))
@FEW
def test_no_member_that_beats_throughout_is_ever_down(history: History) -> None:
    world = played(history)
    world.run(until_found(world))

    assert [change for change in world.changes if change.member in LIVING and change.after is DOWN] == []


@given(history=histories(FAULTS))
@FEW
def test_every_member_that_died_is_down_when_the_faults_have_ended(history: History) -> None:
    world = played(history)
    dead = [member for member in MORTAL if not world.agent(member).alive and world.said(member) is not None]
    world.run(until_found(world))

    assert {member: world.verdict(member) for member in dead} == dict.fromkeys(dead, DOWN)


@given(history=histories({**STORE, **PAST, **CLOCK, **INTERVALS, **MEMBERS}))
@FEW
def test_a_restart_of_the_operator_delays_a_death_by_its_own_sight_alone(history: History) -> None:
    """C, not T: the store has been back for long, and its record says so."""
    world = played(history)
    world.run(2 * LONGEST_DOWN_TIME)
    world.kill("a")
    world.start()
    wrote = world.agent("a").wrote or 0.0
    policy = world.spec.policy
    due = max(wrote + policy.down_time, world.now + policy.sight) + 3.0
    world.run(due - world.now)

    assert world.verdict("a") is DOWN
    assert world.verdict("b") is UP


@given(history=histories(FAULTS))
@FEW
def test_nobody_who_was_down_is_up_without_a_beat_since(history: History) -> None:
    world = played(history, heals=False)
    world.run(30.0)

    assert [
        rise for rise in rises(world) if not wrote_within(world, rise, rise.at - downed(world, rise) + SLOWEST + 2.0)
    ] == []


@given(history=histories({**STORE, **PAST, **OPERATOR, **INTERVALS, **MEMBERS}))
@FEW
def test_nobody_turns_up_without_a_beat_in_the_down_time_before(history: History) -> None:
    """Without steps of the store's clock, on which the first read of a new operator depends."""
    world = played(history)
    world.run(30.0)
    late = LONGEST_DOWN_TIME + SLOWEST + POLICY.longest_gap

    turned = [change for change in world.changes if change.after is UP and change.before is not UP]
    assert [change for change in turned if not wrote_within(world, change, late)] == []


def rises(world: World) -> list[Change]:
    """Changes to Up of members that were last Down for their silence."""
    return [change for change in world.changes if change.after is UP and downed(world, change) >= 0.0]


def downed(world: World, rise: Change) -> float:
    """When the member was published Down, if nothing but Down and Unknown was said since; else -1."""
    for change in reversed([c for c in world.changes if c.member == rise.member and c.at < rise.at]):
        if change.after is DOWN:
            return change.at
        if change.after is not UNKNOWN:
            break
    return -1.0


def wrote_within(world: World, change: Change, seconds: float) -> bool:
    writes = [at for agent in world.agents if agent.member == change.member for at in agent.writes]
    return any(change.at - seconds <= at <= change.at for at in writes)


@given(history=histories(FAULTS))
@FEW
def test_the_living_are_up_one_interval_after_the_faults_have_ended(history: History) -> None:
    world = played(history)
    world.run(LONGEST_INTERVAL + 3.0)

    assert {world.verdict(member) for member in LIVING} == {UP}
    mortal = [agent.member for agent in world.agents if agent.alive and agent.member in MORTAL]
    assert {member: world.verdict(member) for member in mortal} == dict.fromkeys(mortal, UP)


SHORT = POLICY.down_time - POLICY.interval - 3 * POLICY.pass_seconds
"""Blindness after which a beat of each living member still comes before T is over."""


def _without_operator(world: World, seconds: float) -> None:
    world.stop()
    world.run(seconds)
    world.start()


BREAKS: dict[str, Callable[[World, float], None]] = {
    "outage": lambda world, seconds: world.outage(seconds),
    "pause": lambda world, seconds: world.pause(seconds),
    "restart": _without_operator,
    "memcached restarts": lambda world, _: world.store.restart(wiped=True),
    "rows are deleted": lambda world, _: _delete_rows(world, []),
    "clock forward": lambda world, _: _step(600.0)(world, []),
    "clock back": lambda world, _: _step(-600.0)(world, []),
}


@given(breaks=st.lists(st.tuples(st.sampled_from(sorted(BREAKS)), st.floats(0.0, SHORT)), max_size=12))
@FEW
def test_short_breaks_leave_the_living_up(breaks: list[tuple[str, float]]) -> None:
    """Answering Unknown to be safe is a failure of its own."""
    world = played([])
    for name, seconds in breaks:
        BREAKS[name](world, seconds)
        world.run(2 * POLICY.interval)

    assert [change for change in world.changes if change.before is UP] == []


def _read_only(world: World, seconds: float) -> None:
    world.store.writable = False
    world.run(seconds)
    world.store.writable = True


MUTE: dict[str, Callable[[World, float], None]] = {"outage": BREAKS["outage"], "read-only": _read_only}
BLIND: dict[str, Callable[[World, float], None]] = {"pause": BREAKS["pause"], "restart": _without_operator}


@given(
    name=st.sampled_from(sorted(MUTE | BLIND)),
    blind=st.integers(4, 800).map(lambda ticks: ticks / 4),
    policy=st.sampled_from(POLICIES[:4]),
)
@FEW
def test_the_seconds_in_which_the_living_are_unknown_follow_from_the_blindness(
    name: str, blind: float, policy: Policy
) -> None:
    world = World()
    world.respec(replace(world.spec, policy=policy))
    world.join(*LIVING)
    world.start()
    world.run(2 * policy.down_time)
    (MUTE | BLIND)[name](world, blind)
    world.run(2 * policy.down_time)

    # From one healthy pass to the next: one pass longer than the store or the operator was away.
    apart = blind + 2 * policy.pass_seconds
    bound = apart - policy.down_time + (policy.interval + 2 * policy.pass_seconds if name in MUTE else 0.0)
    assert all(unknown_for(world, member) <= max(0.0, bound) for member in LIVING)


def unknown_for(world: World, member: str) -> float:
    """The seconds in which it was Unknown."""
    turns = [change for change in world.changes if change.member == member]
    ends = [change.at for change in turns[1:]] + [world.now]
    return sum(end - change.at for change, end in zip(turns, ends, strict=True) if change.after is UNKNOWN)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_alone_is_survived(name: str) -> None:
    """The properties are worth what their histories do: each fault is one of them, and no error of the simulation."""
    world = played([(name, 30.0)])
    world.run(until_found(world))

    assert {world.verdict(member) for member in LIVING} == {UP}
