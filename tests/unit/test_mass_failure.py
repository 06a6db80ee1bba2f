"""Rule 6: who falls silent together with most others is held, once, for a while; everyone else is judged as ever."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servicegroup.liveness import Judgement
from servicegroup.massfailure import Count, count, early, of_store
from servicegroup.model import MassFailure, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation
from servicegroup.pods import Duty, Service

from tests.unit.simulation import POLICY, TICK, World

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
TEN = tuple(f"node-{number}" for number in range(10))
RULE = MassFailure()
HOLD = RULE.longest_hold
T, INTERVAL = POLICY.down_time, POLICY.interval
LATE = 3.0
"""Seconds: the passes that see a death, and the agent's phase."""


def running(members: Iterable[str] = TEN, *, rule: MassFailure = RULE, policy: Policy = POLICY) -> World:
    world = World()
    world.respec(replace(world.spec, policy=policy, mass_failure=rule))
    world.join(*members)
    world.start()
    world.run(2 * policy.down_time)
    assert {world.verdict(member) for member in members} == {UP}
    return world


def reasons(world: World, members: Iterable[str]) -> set[Reason | None]:
    found = (world.said(member) for member in members)
    return {None if said is None else said.reason for said in found}


def silent(world: World, *members: str) -> None:
    """As a switch does: the agents live on and nobody hears them."""
    for member in members:
        world.agent(member).paused = True


def heard(world: World, *members: str) -> None:
    for member in members:
        world.agent(member).paused = False


def until_found(world: World) -> float:
    return world.spec.policy.down_time + world.spec.policy.interval + LATE


def test_six_of_ten_that_fall_silent_are_held_and_nobody_is_down() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    assert reasons(world, TEN[6:]) == {Reason.BEATING}
    world.run(HOLD - 4 * INTERVAL)
    assert not any(DOWN in world.story(member) for member in TEN)


def test_a_hold_ends_and_the_dead_are_down() -> None:
    world = running()
    world.kill(*TEN[:6])
    world.run(until_found(world) + HOLD)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}
    assert [world.story(member)[-2:] for member in TEN[:6]] == [[UNKNOWN, DOWN]] * 6


@pytest.mark.parametrize(
    ("members", "dead"),
    [(TEN, TEN[:5]), (TEN[:3], TEN[:2]), (TEN[:2], TEN[:2])],
    ids=["half", "two of three", "all two"],
)
def test_half_of_a_group_or_too_few_are_no_mass(members: tuple[str, ...], dead: tuple[str, ...]) -> None:
    world = running(members)
    world.kill(*dead)
    world.run(until_found(world))
    assert reasons(world, dead) == {Reason.SILENT}
    assert not any(UNKNOWN in world.story(member) for member in dead)


def test_who_is_heard_again_is_up_at_once_and_a_second_silence_is_held_anew() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    heard(world, *TEN[:6])
    world.run(INTERVAL + LATE)
    assert {world.verdict(member) for member in TEN} == {UP}
    assert world.running.view.braking.hold is None
    world.run(T)
    silent(world, *TEN[:6])
    world.run(until_found(world))
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}


def test_a_silence_is_held_once() -> None:
    """The brake stays on by those who are silent now; who was caught before them is judged without it."""
    world = running(rule=replace(RULE, longest_hold=120.0, percent=30))
    silent(world, *TEN[:4])
    world.run(until_found(world) + 60.0)
    silent(world, *TEN[4:8])
    world.run(until_found(world))
    assert reasons(world, TEN[:4]) == {Reason.SILENT}
    assert reasons(world, TEN[4:8]) == {Reason.MASS_FAILURE}


def test_a_hold_is_never_extended_by_who_joins_it() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    hold = world.running.view.braking.hold
    silent(world, TEN[6])
    world.run(until_found(world))
    assert world.said(TEN[6]) is not None
    assert reasons(world, TEN[:7]) == {Reason.MASS_FAILURE}
    assert world.running.view.braking.hold == hold


def test_the_brake_is_on_when_the_first_reaches_t_also_with_the_shortest_t() -> None:
    world = running(policy=Policy(INTERVAL, 2.5 * INTERVAL))
    world.kill(*TEN)
    world.run(until_found(world))
    assert not any(DOWN in world.story(member) for member in TEN)


def test_the_brake_holds_t_longer_than_the_count_is_above() -> None:
    """Six were silent and two of them return: the four that stay away became silent in the same failure."""
    world = running()
    silent(world, *TEN[:6])
    world.run(T - INTERVAL)
    heard(world, *TEN[:2])
    world.run(2 * INTERVAL + LATE)
    assert reasons(world, TEN[2:6]) == {Reason.MASS_FAILURE}
    world.run(T)
    assert reasons(world, TEN[2:6]) == {Reason.SILENT}


def test_a_release_ends_the_hold_and_catches_nobody_else() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    hold = world.running.view.braking.hold
    assert hold is not None
    silent(world, TEN[6])
    world.respec(replace(world.spec, released=float(int(hold.since))))
    world.run(LATE)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}
    world.run(until_found(world))
    assert reasons(world, TEN[:7]) == {Reason.SILENT}
    assert Reason.MASS_FAILURE not in world.reasons_of(TEN[6])


def test_the_release_of_an_earlier_hold_is_no_release_of_this_one() -> None:
    world = running()
    world.respec(replace(world.spec, released=1_800_000_000.0))
    silent(world, *TEN[:6])
    world.run(until_found(world))
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}


def test_who_left_or_is_forced_down_is_in_neither_number() -> None:
    world = running()
    world.respec(replace(world.spec, overrides={TEN[9]: Override(forced_down=True)}))
    for member in TEN[:3]:
        world.leave(member)
    world.kill(TEN[9], *TEN[3:6])  # three of six; with one of those who left or are forced down, more than half
    world.run(until_found(world))
    assert reasons(world, TEN[3:6]) == {Reason.SILENT}
    assert Reason.MASS_FAILURE not in world.reasons_of(TEN[3])
    assert reasons(world, TEN[:3]) == {None}


def test_members_that_nobody_ever_saw_beat_are_not_held() -> None:
    world = World()
    world.join(*TEN)
    world.run(T)
    world.kill(*TEN)
    world.start(remember=False)
    world.run(2 * T + LATE)
    assert reasons(world, TEN) == {Reason.SILENT}


def test_who_was_never_seen_to_beat_is_judged_beside_those_who_are_held() -> None:
    """Its row may be years old: it was written while nobody looked."""
    world = running()
    world.stop()
    world.join("ghost")
    world.run(INTERVAL)
    world.kill("ghost", *TEN[:6])
    world.start()
    world.run(2 * T)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    assert reasons(world, ["ghost"]) == {Reason.SILENT}


def test_a_hold_that_ends_in_an_outage_is_not_begun_again_after_it() -> None:
    world = running(rule=replace(RULE, longest_hold=120.0))
    world.kill(*TEN[:6])
    world.run(until_found(world) + 60.0)
    world.outage(100.0)
    world.run(T + INTERVAL)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}


def test_a_new_operator_holds_for_the_seconds_that_were_left() -> None:
    world = running()
    world.kill(*TEN[:6])
    world.run(until_found(world))
    began = world.now
    world.start()
    world.run(HOLD - (world.now - began) - 3 * INTERVAL)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    world.run(4 * INTERVAL)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}


def test_a_new_operator_over_an_empty_store_holds_them_by_the_status_alone() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    world.stop()
    world.store.restart(wiped=True)
    world.start()
    world.run(2 * T)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}


@pytest.mark.parametrize("seconds", [T / 2, 3 * T])
def test_an_outage_in_a_hold_ends_it_for_nobody(seconds: float) -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(until_found(world))
    world.outage(seconds)
    world.run(T + 2 * INTERVAL)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    assert not any(DOWN in world.story(member) for member in TEN)


def test_who_was_unknown_in_an_outage_and_stays_silent_is_held() -> None:
    """Last definite verdict Up: the store came back, and the network to it did not."""
    world = running()
    silent(world, *TEN[:6])
    world.outage(3 * T)
    assert UNKNOWN in world.verdicts()
    world.run(2 * T)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}


def test_a_rolling_replacement_is_no_mass() -> None:
    world = running()
    for member in TEN:
        world.kill(member)
        world.run(T + INTERVAL)
    assert not any(UNKNOWN in world.story(member) for member in TEN)


def test_a_store_is_above_by_its_groups_together_and_one_group_is_no_store() -> None:
    edge, core = Count(silent=5, of=10), Count(silent=6, of=10)
    assert of_store([edge, core], rule=RULE)
    assert not of_store([core, Count()], rule=RULE)
    assert not of_store([edge, edge], rule=RULE)


def test_a_release_frees_its_group_for_good_though_all_groups_of_the_store_are_above() -> None:
    """And no other group, whose brake is its own."""
    groups = running(), running()
    for world in groups:
        world.running.store_above = True
        silent(world, *TEN[:4])
        world.run(until_found(world))
        assert reasons(world, TEN[:4]) == {Reason.MASS_FAILURE}
    released, held = groups
    hold = released.running.view.braking.hold
    assert hold is not None
    silent(released, TEN[4])
    released.respec(replace(released.spec, released=float(int(hold.since))))
    for world in groups:
        world.run(until_found(world))
    assert reasons(released, TEN[:5]) == {Reason.SILENT}
    assert Reason.MASS_FAILURE not in released.reasons_of(TEN[4])
    assert reasons(held, TEN[:4]) == {Reason.MASS_FAILURE}


def test_an_outage_counts_nobody_and_who_dies_alone_after_it_is_down_at_t() -> None:
    world = running()
    world.outage(2 * T)
    world.kill(TEN[0])
    world.run(T + INTERVAL + LATE)
    assert reasons(world, TEN[:1]) == {Reason.SILENT}
    assert Reason.MASS_FAILURE not in world.reasons_of(TEN[0])


def test_what_was_counted_before_an_outage_puts_no_brake_on_all_groups_of_the_store_after_it() -> None:
    world = running()
    silent(world, *TEN[:6])
    world.run(4 * INTERVAL)
    assert world.running.view.braking.count.above(RULE)
    world.outage(2 * T)
    heard(world, *TEN)
    world.kill(TEN[0])
    end = world.now + until_found(world)
    while world.now < end:  # two groups of which each fares alike
        count = world.running.view.braking.count
        world.running.store_above = of_store([count, count], rule=RULE)
        world.run(TICK)
    assert reasons(world, TEN[:1]) == {Reason.SILENT}
    assert Reason.MASS_FAILURE not in world.reasons_of(TEN[0])


def test_a_rolling_loss_of_most_is_held_until_the_last_of_them_is_silent_no_more() -> None:
    """Who is held counts on: the hold is not over because it holds."""
    world = running(rule=replace(RULE, longest_hold=4 * T))
    silent(world, *TEN[:6])
    world.run(until_found(world) + 2 * T)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}


def test_what_counts_as_silent_comes_before_t_at_every_policy() -> None:
    assert early(POLICY) == POLICY.sight
    shortest = Policy(10.0, 25.0)
    assert early(shortest) == 15.0


@given(
    groups=st.integers(3, 8).flatmap(lambda of: st.tuples(st.just(of), st.integers(0, of))),
    apart=st.floats(0.0, INTERVAL).map(lambda seconds: round(seconds * 4) / 4),
    back=st.sampled_from((None, 70.0, 200.0, 400.0)),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_than_half_that_fall_silent_within_an_interval_are_never_down_before_the_hold_ends(
    groups: tuple[int, int], apart: float, back: float | None
) -> None:
    """At every size: a mass is held and found in the end, what is less is found at T, and who returns is Up."""
    of, dead = groups
    members, lost = TEN[:of], TEN[:dead]
    world = running(members)
    fell = world.now
    for member in lost[: dead // 2]:
        silent(world, member)
    world.run(apart)
    silent(world, *lost)
    mass = Count(dead, of).above(RULE)
    if back is not None:
        world.run(back)
        heard(world, *lost)
    world.run(apart + until_found(world) + (HOLD if mass else 0.0))
    for member in members:
        down = world.turned(member, DOWN, since=fell)
        if member not in lost or (back is not None and (mass or back <= T - INTERVAL)):
            assert down is None
        elif back is None:
            assert down is not None
            assert not mass or down >= fell + T - INTERVAL + HOLD


def test_who_is_ill_and_falls_silent_with_the_others_keeps_its_reason_until_the_hold_ends() -> None:
    """Only silence is a reason to evacuate, and this silence is most others' too."""
    world = running()
    world.agent(TEN[9]).state = State.UNHEALTHY
    world.run(INTERVAL + LATE)
    assert reasons(world, TEN[9:]) == {Reason.SERVICE_UNHEALTHY}
    silent(world, *TEN[:6], TEN[9])
    world.run(until_found(world))
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    assert reasons(world, TEN[9:]) == {Reason.SERVICE_UNHEALTHY}
    world.run(HOLD + INTERVAL)
    assert reasons(world, [*TEN[:6], TEN[9]]) == {Reason.SILENT}


def test_who_is_ill_and_silent_does_not_begin_a_hold_anew_when_it_ended_in_an_outage() -> None:
    world = running(rule=replace(RULE, longest_hold=120.0))
    world.agent(TEN[9]).state = State.UNHEALTHY
    world.run(INTERVAL + LATE)
    silent(world, *TEN[:6], TEN[9])
    world.run(until_found(world) + 60.0)
    world.outage(100.0)
    world.run(T + INTERVAL)
    assert reasons(world, [*TEN[:6], TEN[9]]) == {Reason.SILENT}
    assert world.running.view.braking.hold is None


def test_ill_health_is_no_mass_failure() -> None:
    world = running()
    for member in TEN[:8]:
        world.agent(member).state = State.UNHEALTHY
    world.run(INTERVAL + LATE)
    assert reasons(world, TEN[:8]) == {Reason.SERVICE_UNHEALTHY}
    world.kill(TEN[9])
    world.run(until_found(world))
    assert reasons(world, TEN[9:]) == {Reason.SILENT}


def test_pods_that_are_being_deleted_are_not_counted() -> None:
    judged = {name: Judgement(UP, Reason.BEATING, 0.0, 0.0, definite=UP) for name in TEN}
    seen = {name: Observation("a", 1, INTERVAL, State.BEATING, beat=0.0) for name in TEN}
    going = Duty({name: Service(leaving=True) for name in TEN[:6]})
    found = count(judged, seen, policy=POLICY, overrides={}, duty=going, now=T)
    assert found == Count(silent=4, of=4)
