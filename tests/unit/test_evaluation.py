"""Whole stories in virtual time: what a group's members are called while things break (I = 10, T = 60, C = 25)."""

from dataclasses import dataclass, replace

import pytest
from servicegroup.evaluation import NO_PODS, View, advance, duplicates
from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, GroupSpec, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Pass
from servicegroup.pods import UNTOLD, Duty, Service

from tests.unit.simulation import POLICY, TICK, Row, SimStore, World

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
T, C, INTERVAL = POLICY.down_time, POLICY.sight, POLICY.interval
PASS = POLICY.pass_seconds
DAY = 86_400.0


def world(*members: str, policy: Policy = POLICY) -> World:
    """A group whose members have beaten, watched, for long enough that nothing is in doubt."""
    it = World(spec=GroupSpec(GroupKey("test", "compute"), policy))
    it.join(*members)
    it.start()
    it.run(2 * policy.down_time)
    return it


def silence(it: World, member: str) -> float:
    """Seconds since the last beat of a member that the store took."""
    wrote = it.agent(member).wrote
    assert wrote is not None
    return it.now - wrote


def found(it: World, member: str, *, since: float = 0.0) -> float:
    """When the member was first published Down."""
    at = it.turned(member, DOWN, since=since)
    assert at is not None, f"{member} was never found: {it.story(member)}"
    return at


# The plain life of a member.


def test_a_member_is_up_from_its_first_beat() -> None:
    it = world("a")
    it.join("b")
    it.run(2 * PASS)

    assert it.verdict("b") is UP


def test_a_dead_member_is_down_in_the_first_pass_after_the_down_time() -> None:
    it = world("a", "b")
    wrote = it.agent("b").wrote
    assert wrote is not None
    it.kill("b")
    it.run(2 * T)

    assert wrote + T < found(it, "b") <= wrote + T + 2 * PASS
    assert it.story("b") == [UP, DOWN]
    assert it.story("a") == [UP]


def test_down_ends_with_the_beat_of_a_new_incarnation() -> None:
    it = world("a")
    it.kill("a")
    it.run(2 * T)
    it.join("a")
    it.run(2 * PASS)

    assert it.verdict("a") is UP


def test_an_agent_that_was_suspended_is_up_when_it_resumes() -> None:
    it = world("a")
    it.agent("a").paused = True
    it.run(5 * T)
    assert it.verdict("a") is DOWN
    it.agent("a").paused = False
    it.run(2 * PASS)

    assert it.verdict("a") is UP


def test_exactly_the_down_time_is_up_and_a_hair_more_is_down() -> None:
    it = world("a")
    it.kill("a")
    it.run(T - silence(it, "a"))
    while it.verdict("a") is UP:
        last_up = silence(it, "a")
        it.run(TICK)

    assert last_up >= T
    assert found(it, "a") - (it.agent("a").wrote or 0.0) > T


# Stores that fail.

OUTAGES = {"shorter than I/2": 4.0, "of half of T": 30.0, "a hair less than T less I": T - INTERVAL - 2 * PASS}


@pytest.mark.parametrize("seconds", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_after_which_a_beat_still_comes_within_the_down_time_changes_nothing(seconds: float) -> None:
    it = world("a", "b", "c")
    before = it.now
    it.outage(seconds)
    it.run(3 * T)

    assert [it.story(member, since=before) for member in "abc"] == [[], [], []]


def test_a_long_outage_makes_up_unknown_after_the_down_time_of_blindness_and_then_up_again() -> None:
    it = world("a", "b", "c")
    before = it.now
    it.outage(10 * T)
    blind = it.turned("a", UNKNOWN, since=before)
    returned = it.now
    it.run(3 * T)

    assert blind is not None
    assert T <= blind - before <= T + 2 * PASS
    assert [it.story(member, since=before) for member in "abc"] == [[UNKNOWN, UP]] * 3
    assert all((it.turned(member, UP, since=returned) or 0.0) <= returned + INTERVAL + 2 * PASS for member in "abc")


def test_an_outage_says_so() -> None:
    it = world("a")
    it.outage(2 * T)
    said = it.said("a")

    assert said is not None
    assert said.reason is Reason.STORE_UNREACHABLE


def test_who_dies_in_an_outage_is_down_one_down_time_after_the_stores_return() -> None:
    it = world("a", "b", "c")
    it.store.reachable = False
    it.run(T)
    it.kill("c")
    it.run(9 * T)
    it.store.reachable = True
    returned = it.now
    it.run(3 * T)

    assert returned + T <= found(it, "c") <= returned + T + 3 * PASS
    assert {it.story(member).count(DOWN) for member in "ab"} == {0}


def test_who_was_down_before_an_outage_stays_down() -> None:
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    before = it.now
    it.outage(10 * T)
    it.run(3 * T)

    assert it.story("b", since=before) == []


def test_a_store_that_takes_no_writes_kills_nobody() -> None:
    it = world("a", "b")
    it.store.writable = False
    it.run(10 * T)
    assert it.verdicts() == {UNKNOWN}
    it.store.writable = True
    it.run(INTERVAL + 2 * PASS)

    assert it.verdicts() == {UP}
    assert it.turned("a", DOWN) is None


def test_a_pass_that_fails_alone_delays_nothing() -> None:
    it = world("a", "b")
    wrote = it.agent("b").wrote
    assert wrote is not None
    it.kill("b")
    it.run(30.0)
    it.outage(PASS)
    it.run(2 * T)

    assert found(it, "b") <= wrote + T + 2 * PASS


def test_a_store_that_never_lasts_the_down_time_finds_no_dead_and_says_so() -> None:
    it = world("a", "b")
    it.kill("b")
    for _ in range(12):
        it.outage(8.0)
        it.run(40.0)

    assert it.turned("b", DOWN) is None
    assert it.turned("a", DOWN) is None
    assert it.blind_for() > 2 * T


def test_slow_passes_kill_nobody() -> None:
    it = world("a", "b", "c")
    before = it.now
    it.latency = 8.0
    it.run(10 * T)

    assert [it.story(member, since=before) for member in "abc"] == [[], [], []]


def test_slow_passes_within_half_an_interval_still_find_the_dead() -> None:
    it = world("a", "b")
    wrote = it.agent("b").wrote
    assert wrote is not None
    it.kill("b")
    it.latency = 3.0
    it.run(3 * T)

    assert found(it, "b") <= wrote + T + 3 * it.latency
    assert it.story("a") == [UP]


# Stores that come back as another, or as they were.


def test_a_new_epoch_with_all_rows_gone_turns_nobody() -> None:
    """memcached restarts: 200 members, ten of them down before."""
    members = [f"node-{number}" for number in range(200)]
    it = world(*members)
    it.kill(*members[:10])
    it.run(2 * T)
    before = len(it.changes)
    it.store.restart(wiped=True)
    it.run(5 * T)

    assert it.changes[before:] == []
    assert {it.verdict(member) for member in members[:10]} == {DOWN}


def test_who_dies_with_its_row_at_a_new_epoch_is_down_after_the_down_time() -> None:
    it = world("a", "b")
    it.kill("b")
    it.store.restart(wiped=True)
    restarted = it.now
    it.run(3 * T)

    assert restarted + T <= found(it, "b") <= restarted + T + 3 * PASS


def test_a_store_that_went_back_in_time_turns_nobody() -> None:
    it = world("a", "b", "c")
    it.kill("c")
    it.run(2 * T)
    rows = it.store.rows
    it.run(40.0)
    before = len(it.changes)
    it.store.rows = rows
    it.run(5 * T)

    assert it.changes[before:] == []


def test_a_store_that_went_back_to_before_a_death_does_not_raise_the_dead() -> None:
    it = world("a", "b")
    rows = it.store.rows
    it.kill("b")
    it.run(2 * T)
    died = it.now
    it.store.rows = rows
    it.run(2 * T)

    assert it.verdict("b") is DOWN
    assert it.story("b", since=died) == []


def test_a_replica_that_lags_and_whose_clock_is_behind_does_not_raise_the_dead() -> None:
    """Its old rows look young."""
    it = world("a", "b")
    rows = it.store.rows
    it.run(INTERVAL)
    it.kill("b")
    it.run(2 * T)
    died = it.now
    it.store.rows, it.store.step = rows, -600.0
    it.run(3 * T)

    assert it.verdict("b") is DOWN
    assert [it.story(member, since=died) for member in "ab"] == [[], []]


def test_what_another_store_says_of_the_dead_raises_nobody() -> None:
    """A fail-over to a store with another epoch, in which a row of the dead is young and of an unknown incarnation."""
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    died = it.now
    it.store.restart(wiped=False)
    it.store.rows = {"b": Row(Beat("b", "of another store", 99, INTERVAL), it.store.clock(it.now - 1.0))}
    it.run(3 * T)

    assert [it.story(member, since=died) for member in "ab"] == [[], []]


def test_a_row_that_goes_back_to_a_dead_incarnation_keeps_the_living_up() -> None:
    """A fail-over to a replica from before a pod was rescheduled: the agent learns it and joins again at once."""
    it = world("a")
    it.kill("a")
    rows = it.store.rows
    it.join("a")
    it.run(30.0)
    before = it.now
    it.store.rows = rows
    it.run(5 * T)

    assert it.story("a", since=before) == []


def test_rows_that_were_deleted_turn_nobody() -> None:
    it = world("a", "b")
    before = it.now
    it.store.rows = {}
    it.run(5 * T)

    assert [it.story(member, since=before) for member in "ab"] == [[], []]


STEPS = {"forward": 600.0, "back": -600.0}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_a_stores_clock_that_steps_ten_minutes_turns_nobody(step: float) -> None:
    it = world("a", "b", "c")
    it.kill("c")
    it.run(2 * T)
    before = len(it.changes)
    for _ in range(10):
        it.store.step += step
        it.run(33.25)

    assert it.changes[before:] == []


def test_a_stores_clock_that_steps_forward_between_a_beat_and_its_read_turns_nobody() -> None:
    """The beat looks almost T old, but it was not there a pass ago."""
    it = world("a", "b")
    before = len(it.changes)
    for _ in range(10):
        while silence(it, "b") > 0.0:
            it.run(TICK)
        it.store.step += T - PASS
        it.run(INTERVAL / 2)

    assert it.changes[before:] == []


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_a_stores_clock_that_steps_does_not_hide_a_death(step: float) -> None:
    it = world("a", "b")
    it.kill("b")
    wrote = it.agent("b").wrote
    assert wrote is not None
    it.run(30.0)
    it.store.step += step
    it.run(2 * T)

    assert found(it, "b") <= wrote + T + 2 * PASS


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_the_operators_time_of_day_decides_nothing(step: float) -> None:
    it = world("a", "b")
    before = len(it.changes)
    for _ in range(10):
        it.wall_step += step
        it.run(33.25)

    assert it.changes[before:] == []


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_who_joins_as_the_stores_clock_steps_is_not_down(step: float) -> None:
    """The clock steps between the first write of a new member and the read of it."""
    it = world("a")
    it.join("b")
    it.agent("b").due = it.now
    it.agent("b").act(it.store, now=it.now)
    it.store.step += step
    it.run(3 * T)

    assert it.turned("b", DOWN) is None


# Operators that fail.


def test_a_paused_operator_calls_nobody_down() -> None:
    it = world("a", "b", "c")
    before = it.now
    it.pause(2 * T)
    it.run(3 * T)

    assert [it.story(member, since=before) for member in "abc"] == [[], [], []]


def test_who_died_in_the_operators_pause_is_down_two_and_a_half_intervals_after_it() -> None:
    it = world("a", "b")
    it.kill("b")
    it.pause(2 * T)
    resumed = it.now
    it.run(3 * T)

    assert resumed + C <= found(it, "b") <= resumed + C + 2 * PASS


def reading_a_new_beat(it: World, member: str) -> bool:
    """Whether a pass has read a beat that the one before had not."""
    read = it.running.read
    return read is not None and 0.0 <= read[0] - (it.now - silence(it, member)) < it.latency


def paused_within_a_pass(it: World, seconds: float) -> None:
    """Just when the pass has read a beat of `b`."""
    it.latency = 2.0
    it.run(INTERVAL)
    while not reading_a_new_beat(it, "b"):
        it.run(TICK)
    it.pause(seconds)


def test_an_operator_paused_within_a_pass_calls_nobody_down() -> None:
    it = world("a", "b")
    paused_within_a_pass(it, 2 * T)
    resumed = it.now
    it.run(3 * T)

    assert it.turned("a", DOWN) is None
    assert it.turned("b", DOWN) is None
    assert max(it.turned(member, UP, since=resumed) or 0.0 for member in "ab") <= resumed + 2 * PASS + 2 * it.latency


def test_what_was_read_before_a_pause_is_as_old_as_the_pause() -> None:
    """`b` beats, is read, and dies; the pass ends after the pause."""
    it = world("a", "b")
    paused_within_a_pass(it, TICK)
    it.kill("b")
    it.pause(2 * T)
    resumed = it.now
    it.run(3 * T)

    assert found(it, "b") <= resumed + C + 2 * PASS + 2 * it.latency


def test_a_restarted_operator_does_not_blink() -> None:
    it = world("a", "b", "c")
    it.kill("c")
    it.run(2 * T)
    before = len(it.changes)
    for gap in (0.0, 5.0, 30.0):
        it.stop()
        it.run(gap)
        it.start()
        it.run(C)

    assert it.changes[before:] == []


def test_since_is_kept_over_restarts() -> None:
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    before = [it.said(member) for member in "ab"]
    it.start()
    it.run(2 * T)

    assert [it.said(member) for member in "ab"] == before


def dead_at_a_restart(*, gap: float) -> float:
    """Seconds from the start of a new operator, `gap` after the end of the old one, until it finds who had died."""
    it = world("a", "b")
    it.kill("b")
    it.stop()
    it.run(gap)
    it.start()
    started = it.now
    it.run(4 * T)
    return found(it, "b") - started


def test_who_died_around_a_restart_is_down_two_and_a_half_intervals_after_the_start() -> None:
    assert C <= dead_at_a_restart(gap=T - INTERVAL) <= C + 2 * PASS


def test_who_died_while_no_operator_ran_for_long_is_down_one_down_time_after_the_start() -> None:
    """What the store went through meanwhile is not known, so it gets its T again."""
    assert T <= dead_at_a_restart(gap=10 * T) <= T + 2 * PASS


def restarting(every: float, *, lasting: float) -> World:
    """`b` dies under an operator that restarts again and again."""
    it = world("a", "b")
    it.kill("b")
    for _ in range(int(lasting / every)):
        it.start()
        it.run(every)
    return it


def test_an_operator_that_restarts_every_20_s_finds_no_new_dead_and_says_so() -> None:
    it = restarting(20.0, lasting=10 * T)

    assert it.turned("b", DOWN) is None
    assert it.turned("a", DOWN) is None
    assert it.blind_for() > 2 * T


def test_under_an_operator_that_restarts_every_20_s_the_living_stay_up() -> None:
    assert restarting(20.0, lasting=10 * T).story("a") == [UP]


def test_under_an_operator_that_restarts_every_20_s_the_dead_do_not_stay_up() -> None:
    """Rule 4: at most T after it was last up on sight; a restart is no sight."""
    it = restarting(20.0, lasting=10 * T)

    assert it.verdict("b") is UNKNOWN


def test_an_operator_that_restarts_every_40_s_finds_the_dead() -> None:
    it = restarting(40.0, lasting=4 * T)

    assert it.verdict("b") is DOWN
    assert it.blind_for() <= 40.0


def test_down_does_not_blink_under_an_operator_that_restarts_every_20_s() -> None:
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    before = len(it.changes)
    for _ in range(20):
        it.start()
        it.run(20.0)

    assert it.changes[before:] == []


def test_a_member_dead_for_a_day_at_a_fresh_install_is_unknown_then_down_and_never_up() -> None:
    it = World()
    it.store.rows = {"b": Row(Beat("b", "old", 7, INTERVAL), it.store.clock(-DAY))}
    it.join("a")
    it.run(INTERVAL)
    it.start()
    started = it.now
    it.run(3 * T)

    assert it.story("b") == [UNKNOWN, DOWN]
    assert started + T <= found(it, "b") <= started + T + 2 * PASS
    assert it.story("a") == [UP]


def test_a_new_operator_before_its_first_read_keeps_up_for_the_down_time_then_unknown() -> None:
    it = world("a")
    it.kill("a")
    it.store.reachable = False
    stopped = it.now
    it.start()
    it.run(3 * T)
    blind = it.turned("a", UNKNOWN)

    assert blind is not None
    assert T - PASS <= blind - stopped <= T + 2 * PASS
    assert it.story("a") == [UP, UNKNOWN]


def test_a_new_operator_before_its_first_read_keeps_down() -> None:
    it = world("a")
    it.kill("a")
    it.run(2 * T)
    it.store.reachable = False
    it.start()
    it.run(3 * T)

    assert it.verdict("a") is DOWN


def test_a_store_that_restarts_while_no_operator_runs_turns_nobody() -> None:
    """Only the status is left: the new operator waits for T, and calls nobody Up that it was not told of."""
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    before = len(it.changes)
    it.stop()
    it.store.restart(wiped=True)
    it.start()
    it.run(3 * T)

    assert it.changes[before:] == []


def test_a_row_that_is_gone_at_a_restart_counts_from_the_first_read() -> None:
    it = world("a", "b")
    it.kill("b")
    it.stop()
    it.store.rows = {member: row for member, row in it.store.rows.items() if member != "b"}
    it.start()
    started = it.now
    it.run(3 * T)

    assert started + T <= found(it, "b") <= started + T + 3 * PASS
    assert it.story("a") == [UP]


def test_nobody_is_up_because_its_row_is_gone() -> None:
    """An Unknown member, whose row is gone when a new operator reads: no beat, no baseline, nothing to be Up for."""
    it = world("a", "b")
    it.kill("b")
    it.outage(3 * T)
    assert it.verdict("b") is UNKNOWN
    before = it.now
    it.store.restart(wiped=True)
    it.start()
    it.run(3 * T)

    assert it.story("b", since=before) == [DOWN]


# Intervals that change.


def learnt(it: World, interval: float) -> bool:
    return all(agent.interval == interval for agent in it.agents)


RESPECS = {
    "from 100 s to 10 s": (Policy(100.0, 600.0), Policy(10.0, 60.0)),
    "from 10 s to 100 s": (Policy(10.0, 60.0), Policy(100.0, 600.0)),
    "from 10 s to 1 s": (Policy(10.0, 60.0), Policy(1.0, 2.5)),
    "from 1 s to 10 s": (Policy(1.0, 2.5), Policy(10.0, 25.0)),
}


@pytest.mark.parametrize("case", RESPECS.values(), ids=RESPECS.keys())
def test_an_interval_that_changes_turns_nobody(case: tuple[Policy, Policy]) -> None:
    before, after = case
    it = world("a", "b", "c", "d", policy=before)
    it.respec(replace(it.spec, policy=after))
    it.run(3 * before.down_time + 3 * after.down_time)

    assert learnt(it, after.interval)
    assert [it.story(member) for member in "abcd"] == [[UP]] * 4


@pytest.mark.parametrize("case", RESPECS.values(), ids=RESPECS.keys())
def test_an_interval_that_changes_back_and_forth_turns_nobody(case: tuple[Policy, Policy]) -> None:
    it = world("a", "b", "c", "d", policy=case[0])
    for turn in range(12):
        it.respec(replace(it.spec, policy=case[turn % 2]))
        it.run(7.25 + 13.5 * turn)

    assert [it.story(member) for member in "abcd"] == [[UP]] * 4


def test_who_dies_before_it_learns_a_shorter_interval_is_down_by_its_own_promise() -> None:
    it = world("a", "b", policy=Policy(100.0, 600.0))
    wrote = it.agent("b").wrote
    assert wrote is not None
    it.kill("b")
    it.respec(replace(it.spec, policy=POLICY))
    it.run(1300.0)

    assert wrote + 600.0 < found(it, "b") <= wrote + 600.0 + 2 * PASS


# Leaving, draining, overrides, names that ought to beat.


def test_who_leaves_is_gone_at_once() -> None:
    it = world("a", "b")
    it.leave("b")
    it.run(2 * PASS)
    assert it.said("b") is None
    it.run(3 * T)

    assert it.story("b") == [UP, None]


def test_who_left_comes_back_with_a_new_incarnation() -> None:
    it = world("a")
    it.leave("a")
    it.run(3 * T)
    it.join("a")
    it.run(3 * T)

    assert it.story("a") == [UP, None, UP]


def test_who_is_down_may_leave() -> None:
    it = world("a")
    it.agent("a").paused = True
    it.run(2 * T)
    it.leave("a")
    it.run(2 * PASS)

    assert it.story("a") == [UP, DOWN, None]


def test_who_left_while_no_operator_ran_is_gone() -> None:
    it = world("a")
    it.stop()
    it.leave("a")
    it.run(T)
    it.start()
    it.run(3 * T)

    assert it.story("a") == [UP, None]


def test_a_store_that_went_back_to_before_a_leave_brings_nobody_back() -> None:
    it = world("a", "b")
    rows = it.store.rows
    it.run(20.0)
    it.leave("b")
    it.run(20.0)
    it.store.rows = rows
    it.run(3 * T)

    assert it.story("b") == [UP, None]


def test_draining_is_shown_and_not_alarmed() -> None:
    it = world("a")
    it.agent("a").state = State.DRAINING
    it.run(2 * INTERVAL)
    said = it.said("a")

    assert said is not None
    assert (said.verdict, said.draining) == (UP, True)
    assert it.story("a") == [UP]


def test_who_dies_draining_is_down_and_drains_no_more() -> None:
    it = world("a")
    it.agent("a").state = State.DRAINING
    it.run(2 * INTERVAL)
    it.kill("a")
    it.run(2 * T)
    said = it.said("a")

    assert said is not None
    assert (said.verdict, said.draining) == (DOWN, False)


def override(it: World, **overrides: Override) -> None:
    it.respec(replace(it.spec, overrides=overrides))


def reason(it: World, member: str) -> tuple[Verdict, Reason] | None:
    said = it.said(member)
    return None if said is None else (said.verdict, said.reason)


def test_forced_down_is_down_at_once_and_survives_a_restart() -> None:
    it = world("a", "b")
    override(it, a=Override(forced_down=True))
    it.run(2 * PASS)
    forced = it.said("a")
    assert reason(it, "a") == (DOWN, Reason.FORCED_DOWN)
    it.start()
    it.run(3 * T)

    assert it.said("a") == forced
    assert it.story("a") == [UP, DOWN]


@dataclass(frozen=True)
class Lifted:
    dies: bool
    restarts: bool
    shown: tuple[Verdict, Reason]


LIFTS = {
    "over one that beats": Lifted(False, False, (UP, Reason.BEATING)),
    "over one that beats, after a restart": Lifted(False, True, (UP, Reason.BEATING)),
    "over one that died": Lifted(True, False, (DOWN, Reason.SILENT)),
    "over one that died, after a restart": Lifted(True, True, (DOWN, Reason.SILENT)),
}


@pytest.mark.parametrize("case", LIFTS.values(), ids=LIFTS.keys())
def test_lifting_forced_down_shows_what_was_seen(case: Lifted) -> None:
    it = world("a")
    override(it, a=Override(forced_down=True))
    it.run(2 * PASS)
    it.agent("a").alive = not case.dies
    it.run(2 * T)
    if case.restarts:
        it.start()
        it.run(2 * T)
    override(it)
    it.run(2 * PASS)

    assert reason(it, "a") == case.shown


def test_forced_down_over_a_name_that_was_never_seen_does_not_become_up() -> None:
    """It ought to beat, was forced down, the operator restarted, the word is lifted: still nobody saw it."""
    it = World()
    it.join("a")
    it.respec(replace(it.spec, expected=frozenset({"b"}), overrides={"b": Override(forced_down=True)}))
    it.start()
    it.run(2 * T)
    it.start()
    it.run(2 * PASS)
    it.respec(replace(it.spec, overrides={}))
    it.run(3 * T)

    assert UP not in it.story("b")


def test_disabled_leaves_liveness_alone() -> None:
    it = world("a", "b")
    override(it, a=Override(disabled=True), b=Override(disabled=True))
    it.kill("b")
    it.run(2 * T)
    a, b = it.said("a"), it.said("b")

    assert a is not None
    assert b is not None
    assert (a.verdict, a.disabled) == (UP, True)
    assert (b.verdict, b.disabled) == (DOWN, True)


def test_a_name_that_ought_to_beat_and_was_never_seen_is_missing_for_ever() -> None:
    it = World(spec=GroupSpec(GroupKey("test", "compute"), POLICY, expected=frozenset({"a", "b"})))
    it.join("a")
    it.start()
    it.run(3 * T)
    it.start()
    it.run(3 * T)

    assert reason(it, "b") == (UNKNOWN, Reason.MISSING)
    assert it.story("b") == [UNKNOWN]


def test_a_missing_name_is_up_with_its_first_beat() -> None:
    it = World(spec=GroupSpec(GroupKey("test", "compute"), POLICY, expected=frozenset({"a"})))
    it.start()
    it.run(2 * T)
    it.join("a")
    it.run(2 * PASS)

    assert it.story("a") == [UNKNOWN, UP]


def test_a_missing_name_that_need_not_beat_any_more_is_gone() -> None:
    it = World(spec=GroupSpec(GroupKey("test", "compute"), POLICY, expected=frozenset({"a"})))
    it.start()
    it.run(T)
    it.respec(replace(it.spec, expected=frozenset()))
    it.run(2 * PASS)

    assert it.said("a") is None


# Two agents, one member.


def test_two_agents_that_take_a_member_from_each_other_are_a_duplicate() -> None:
    """Each joins over the other, as agents do that cannot hear that they were displaced."""
    it = world("a")
    it.join("a")
    it.run(PASS)
    for place in (0, 1, 0, 1):
        rival = it.agents[place]
        rival.sequence += 1
        it.store.join(Beat("a", rival.incarnation, rival.sequence, INTERVAL), now=it.now)
        it.run(2 * PASS)
    clock = it.running.clock(it.now)

    assert duplicates(it.running.view, policy=POLICY, now=clock) == ("a",)
    assert it.story("a") == [UP]


def test_a_displaced_agent_stands_by_and_takes_over_when_the_owner_dies() -> None:
    it = world("a")
    it.join("a")
    it.run(2 * T)
    clock = it.running.clock(it.now)
    assert duplicates(it.running.view, policy=POLICY, now=clock) == ()
    it.kill("a")
    it.run(3 * T)

    assert it.story("a") == [UP]


# What a pass says of itself.


def passed(view: View, *, now: float, facts: tuple[Fact, ...] = (), duty: Duty = NO_PODS) -> View:
    spec = GroupSpec(GroupKey("test", "compute"), POLICY)
    return advance(view, Pass(asked=now, now=now, epoch="e", facts=facts), spec=spec, wall=now, duty=duty)[0]


def test_a_pass_in_which_nothing_changed_is_no_publication() -> None:
    joined = passed(View(), now=1.0, facts=(Fact("a", "one", 1, INTERVAL, State.BEATING, 0.5),))
    same = passed(joined, now=2.0, facts=(Fact("a", "one", 1, INTERVAL, State.BEATING, 1.5),))

    assert (joined.publication, same.publication) == (1, 1)
    assert same.published["a"] is joined.published["a"]


def test_a_transition_carries_its_evidence() -> None:
    it = world("a")
    it.kill("a")
    it.run(2 * T)
    down = next(change.transition for change in it.changes if change.after is DOWN)

    assert down.before == Published(UP, Reason.BEATING, down.before.since if down.before else 0.0)
    assert down.silent_for is not None
    assert T < down.silent_for <= T + 2 * PASS
    assert down.watched


# Who has a pod (rule 8's roster).


def seen(view: View) -> dict[str, Reason]:
    return {member: said.reason for member, said in view.published.items()}


RUNS = Duty({"a": Service(expected=0.0, ran=0.0)})


def test_whose_pod_has_run_for_longer_than_the_down_time_is_missing_until_it_beats() -> None:
    at_t = passed(View(), now=T, duty=RUNS)
    later = passed(at_t, now=T + 1, duty=RUNS)
    beats = passed(later, now=T + 2, facts=(Fact("a", "one", 1, INTERVAL, State.BEATING, 0.5),), duty=RUNS)

    assert [seen(view) for view in (at_t, later, beats)] == [{}, {"a": Reason.MISSING}, {"a": Reason.BEATING}]


def test_missing_ends_with_the_pod_and_not_with_an_operator_that_has_not_seen_it_yet() -> None:
    missing = passed(View(), now=T + 1, duty=RUNS)
    anew = Duty({"a": Service(expected=T + 2, ran=T + 2)})
    cases = {"not told": UNTOLD, "seen just now": anew, "being deleted": Duty({"a": Service(leaving=True)})}
    after = {name: seen(passed(missing, now=T + 2, duty=duty)) for name, duty in cases.items()}

    assert after == {"not told": {"a": Reason.MISSING}, "seen just now": {"a": Reason.MISSING}, "being deleted": {}}
    assert seen(passed(missing, now=T + 2)) == {}


def test_who_left_and_whose_pod_runs_on_is_missing_when_it_stays_away() -> None:
    beats = passed(View(), now=T, facts=(Fact("a", "one", 1, INTERVAL, State.BEATING, 0.5),), duty=RUNS)
    rows = (Fact("a", "one", 2, INTERVAL, State.LEFT, 0.5),)
    left = passed(beats, now=T + 1, facts=rows, duty=RUNS)
    away = passed(left, now=2 * T + 1, facts=rows, duty=RUNS)
    gone = passed(away, now=2 * T + 2, facts=rows)
    back = passed(away, now=2 * T + 2, facts=(Fact("a", "two", 1, INTERVAL, State.BEATING, 0.5),), duty=RUNS)

    assert (seen(left), seen(away), seen(gone)) == ({}, {"a": Reason.MISSING}, {})
    assert seen(back) == {"a": Reason.BEATING}


def test_a_pod_that_is_gone_takes_no_dead_member_with_it() -> None:
    it = world("a", "b")
    it.kill("b")
    it.run(2 * T)
    now = it.running.clock(it.now)
    facts = it.store.facts(now=it.now)
    view = passed(it.running.view, now=now, facts=facts, duty=Duty({"a": Service(expected=0.0, ran=0.0)}))

    assert seen(view) == {"a": Reason.BEATING, "b": Reason.SILENT}


def test_the_simulated_store_keeps_its_rules() -> None:
    """The stories are worth what their store is: the same cases as the contract's first ones."""
    store = SimStore()
    assert not store.beat(Beat("a", "one", 1, INTERVAL), now=1.0).owned
    assert store.join(Beat("a", "one", 2, INTERVAL), now=2.0).owned
    displaced = store.join(Beat("a", "two", 1, INTERVAL), now=3.0).other
    assert displaced is not None
    assert displaced.incarnation == "one"
    assert not store.beat(Beat("a", "one", 3, INTERVAL), now=4.0).owned
    assert store.leave(Beat("a", "two", 1, INTERVAL), now=5.0)
    assert not store.beat(Beat("a", "two", 2, INTERVAL), now=6.0).owned


# Where the store goes back, and what is beneath an administrator's word.


def test_who_died_with_its_row_does_not_stay_up_under_an_operator_that_restarts_every_40_s() -> None:
    it = world("a", "b")
    it.kill("b")
    it.store.rows = {member: row for member, row in it.store.rows.items() if member != "b"}
    for _ in range(20):
        it.start()
        it.run(40.0)

    assert it.verdict("b") is not UP


def test_down_beneath_a_forced_down_survives_a_restart() -> None:
    """So a store whose clock went back meanwhile does not raise the dead when the word is lifted."""
    it = world("a")
    it.kill("a")
    it.run(2 * T)
    override(it, a=Override(forced_down=True))
    it.run(2 * PASS)
    it.start()
    it.store.step -= 600.0
    it.run(2 * PASS)
    override(it)
    it.run(2 * PASS)

    assert reason(it, "a") == (DOWN, Reason.SILENT)


def test_missing_beneath_a_forced_down_survives_a_restart() -> None:
    forced = {"b": Override(forced_down=True)}
    it = World(spec=GroupSpec(GroupKey("test", "compute"), POLICY, expected=frozenset({"b"}), overrides=forced))
    it.start()
    it.run(T)
    it.start()
    override(it)
    it.run(3 * T)

    assert reason(it, "b") == (UNKNOWN, Reason.MISSING)


def test_a_store_that_went_back_to_an_earlier_incarnation_brings_back_nobody_who_left() -> None:
    it = world("a")
    it.kill("a")
    rows = it.store.rows
    it.join("a")
    it.run(T / 2)
    it.leave("a")
    it.run(2 * T)
    it.store.rows = rows
    it.run(2 * T)

    assert it.story("a") == [UP, None]


def test_a_store_that_went_back_over_a_restart_of_an_agent_shows_no_duplicate() -> None:
    it = world("a")
    it.kill("a")
    rows = it.store.rows
    it.join("a")
    it.run(1.5 * INTERVAL)
    it.store.rows = rows
    it.run(2 * INTERVAL)

    assert duplicates(it.running.view, policy=POLICY, now=it.running.clock(it.now)) == ()


def test_a_shorter_interval_a_wiped_store_and_a_new_operator_at_once_kill_nobody() -> None:
    """All within the ten seconds that the agents had promised; found by the properties in a wild run."""
    it = world("a", "b")
    it.respec(replace(it.spec, policy=Policy(1.0, 5.0)))
    it.run(TICK)
    it.store.restart(wiped=True)
    it.start()
    it.run(3 * T)

    assert [it.turned(member, DOWN) for member in "ab"] == [None, None]
