"""What the observer's own lag and the store's latency are worth: no living member is Down for them, no death is lost.

Tables of what counts, and the simulation: agents whose writes take as long as the store needs, directly or through a
gateway that stands still with the observer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicegroup.model import GroupKey, GroupSpec, MassFailure, Policy, Verdict
from servicegroup.observation import Pass, Watch, look

from tests.unit.simulation import POLICY, TICK, World
from tests.unit.test_rules_properties import FEW, pytestmark

__all__ = ["pytestmark"]

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
TIGHT = Policy(10.0, 25.0)
"""The shortest down time for its interval."""

PASS = POLICY.pass_seconds
SLOWEST = 4.75
"""Seconds for a write, in ticks: with the tick between two passes no more than I/2."""


@dataclass(frozen=True)
class Met:
    """What a pass met, a second after the one before."""

    latency: float = 0.0
    lag: float = 0.0
    stall: float = 0.0
    failed: bool = False
    seconds: int = 1


def lateness(*passes: Met, policy: Policy = POLICY) -> float:
    watch, at = Watch(), 0.0
    for one in (Met(seconds=100), *passes):
        for _ in range(one.seconds):
            asked = at + PASS + one.lag
            at = asked + max(one.latency, one.stall)
            seen = Pass(asked, at, None if one.failed else "e", stall=one.stall, lag=one.lag, latency=one.latency)
            watch = look(watch, seen, policy=policy)
    return watch.lateness.seconds(policy)


WORTH: dict[str, tuple[Sequence[Met], float]] = {
    "quick passes": ([Met(latency=0.25, seconds=10)], 0.25),
    "the slowest write counts": ([Met(latency=1.0), Met(latency=3.0), Met(latency=2.0)], 3.0),
    "of a failed pass too": ([Met(latency=3.0, failed=True)], 3.0),
    "a pass that is late by a pass costs nothing": ([Met(lag=1.0, seconds=30)], 0.0),
    "one that is later does": ([Met(lag=3.0)], 3.0),
    "a stall does": ([Met(stall=3.0)], 3.0),
    "late and stalled are added up": ([Met(lag=1.0, stall=2.0)], 3.0),
    "many stalls of less than I/2 are added up": ([Met(stall=2.0, seconds=10)], 20.0),
    "a stall within a slow write counts once": ([Met(latency=4.0, stall=3.0)], 4.0),
    "slow and stalled are added up": ([Met(latency=3.0), Met(stall=2.0)], 5.0),
    "never more than T/2": ([Met(stall=4.0, seconds=12)], 30.0),
    "it counts for T": ([Met(latency=3.0), Met(seconds=59)], 3.0),
    "and for no more than 2T": ([Met(latency=3.0), Met(stall=2.0), Met(seconds=121)], 0.0),
    "a pass that was due long ago is an interruption, whose C is enough": ([Met(latency=3.0), Met(lag=6.0)], 0.0),
    "so is a stall of more than I/2": ([Met(latency=3.0), Met(stall=6.0)], 0.0),
    "so is an outage, whose T is": ([Met(latency=3.0), Met(failed=True, seconds=6), Met()], 0.0),
}


@pytest.mark.parametrize("case", WORTH.values(), ids=WORTH)
def test_worth_in_seconds_of_silence(case: tuple[Sequence[Met], float]) -> None:
    passes, seconds = case

    assert lateness(*passes) == seconds


def world(policy: Policy, *, gateway: bool = False) -> World:
    """Without the brake, which would hold whom the rule here calls Down wrongly."""
    spec = GroupSpec(GroupKey("test", "compute"), policy, mass_failure=MassFailure(percent=100))
    it = World(spec=spec, gateway=gateway, eager=True)
    it.join("a", "b", "c", "d", "e", "f")
    it.start()
    it.run(3 * policy.down_time)
    return it


def changed(it: World, *members: str) -> list[Verdict | None]:
    """What was said of them, after they were Up first."""
    return [change.after for change in it.changes if change.member in members and change.before is UP]


@pytest.mark.parametrize("policy", [POLICY, TIGHT], ids=["T is 6 I", "T is 2.5 I"])
@pytest.mark.parametrize("slow", [0.5, 2.0, 2.25, 3.0, 4.0, 4.25, SLOWEST])
def test_a_store_that_needs_so_long_for_a_write_makes_nobody_down_who_lives_and_hides_no_death(
    slow: float, policy: Policy
) -> None:
    it = world(policy)
    for _ in range(10):  # the stamp of a beat is early, and that of the next one late
        it.store.slow, it.store.answers = 0.0, slow
        it.run(22.0)
        it.store.slow, it.store.answers = slow, 0.0
        it.run(22.0)
    it.kill("f")
    wrote = it.agent("f").wrote or 0.0
    it.run(200.0)

    assert changed(it, "a", "b", "c", "d", "e") == []
    down = it.turned("f", DOWN)
    assert down is not None
    # The pass that finds it begins within a pass of T + L after the last beat, and needs L itself, as did the one
    # that read the beat.
    assert down - wrote <= policy.down_time + slow + 2 * (slow + PASS)


def stalls(it: World, *, on: float, off: float, times: int) -> None:
    for _ in range(times):
        it.pause(off)
        it.run(on)


DUTY = {"half of the time": (3.0, 3.0), "four fifths of the time": (1.0, 4.0), "nearly always": (0.5, 4.5)}


@pytest.mark.parametrize("gateway", [False, True], ids=["agents beat into the store", "agents beat through it"])
@pytest.mark.parametrize("policy", [POLICY, TIGHT], ids=["T is 6 I", "T is 2.5 I"])
@pytest.mark.parametrize("duty", DUTY.values(), ids=DUTY)
def test_an_operator_that_stands_still_calls_nobody_down_who_lives_and_finds_the_dead(
    duty: tuple[float, float], policy: Policy, *, gateway: bool
) -> None:
    on, off = duty
    it = world(policy, gateway=gateway)
    it.store.slow = 1.0  # a write through the gateway needs several of its turns
    stalls(it, on=on, off=off, times=40)
    it.kill("f")
    wrote = it.agent("f").wrote or 0.0
    stalls(it, on=on, off=off, times=40)

    assert changed(it, "a", "b", "c", "d", "e") == []
    down = it.turned("f", DOWN)
    assert down is not None
    assert down - wrote <= 1.5 * policy.down_time + 2 * (on + off)


def test_one_slow_write_costs_a_death_no_more_than_that_and_later_ones_nothing() -> None:
    it = world(POLICY)
    it.store.slow = 4.0
    it.run(8.0)
    it.store.slow = 0.0
    it.run(3 * PASS)
    it.kill("a")
    at_once = it.agent("a").wrote or 0.0
    it.run(3 * POLICY.down_time)
    it.kill("b")
    later = it.agent("b").wrote or 0.0
    it.run(2 * POLICY.down_time)

    assert 4.0 <= (it.turned("a", DOWN) or 0.0) - at_once - POLICY.down_time <= 4.0 + 2 * PASS
    assert (it.turned("b", DOWN) or 0.0) - later - POLICY.down_time <= 2 * PASS


def test_a_beat_that_comes_while_the_facts_are_on_their_way_is_not_missed() -> None:
    """The read takes a while, and who beats in it is not seen by it: silence ends where the read began."""
    it = world(TIGHT)
    it.agent("a").interval = 23.0  # as it promised nobody: its beats come late, and in time
    it.latency = 4.0
    it.run(400.0)

    assert changed(it, "a") == []


Trouble = Callable[[World], None]


def _slow(seconds: float, *, answers: float = 0.0) -> Trouble:
    def trouble(it: World) -> None:
        it.store.slow, it.store.answers = seconds, answers

    return trouble


def _stopped(seconds: float) -> Trouble:
    return lambda it: it.pause(seconds)


TROUBLES: dict[str, Trouble] = {
    **{f"a write takes {seconds} s": _slow(seconds) for seconds in (0.0, 0.25, 2.25, 4.25, SLOWEST, 8.0, 20.0)},
    **{f"an answer takes {seconds} s": _slow(0.0, answers=seconds) for seconds in (0.25, 2.25, 4.25, SLOWEST)},
    **{f"it stands still for {seconds} s": _stopped(seconds) for seconds in (0.75, 2.5, 4.75, 12.0)},
    "a read takes 3 s": lambda it: setattr(it, "latency", 3.0),
    "a read takes no time": lambda it: setattr(it, "latency", 0.0),
    "the store refuses for a moment": lambda it: it.outage(1.5),
    "the store refuses for long": lambda it: it.outage(40.0),
}
HISTORIES = st.lists(
    st.tuples(st.sampled_from(sorted(TROUBLES)), st.sampled_from((0.25, 1.0, 4.0, 12.5, 31.0))), max_size=20
)


@given(history=HISTORIES, gateway=st.booleans(), policy=st.sampled_from((POLICY, TIGHT, Policy(5.0, 12.5))))
@FEW
def test_whatever_is_slow_or_stands_still_nobody_who_lives_is_down(
    history: list[tuple[str, float]], policy: Policy, *, gateway: bool
) -> None:
    it = world(policy, gateway=gateway)
    for name, seconds in history:
        TROUBLES[name](it)
        it.run(seconds)
    it.kill("f")
    it.store.slow = it.store.answers = it.latency = 0.0
    it.run(2.5 * policy.down_time + TICK)

    assert [change for change in it.changes if change.member != "f" and change.after is DOWN] == []
    assert it.verdict("f") is DOWN
    assert {it.verdict(member) for member in "abcde"} == {UP}
