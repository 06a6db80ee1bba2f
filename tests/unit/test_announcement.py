"""A hold announced before planned work: while it is in force nobody becomes Down for silence, and nothing else
changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servicegroup.__main__ import main
from servicegroup.announcement import AHEAD, LONGEST, Announcement, InvalidAnnouncement, duration, heard, parse, written
from servicegroup.liveness import Brake, Judgement, Moment, judge
from servicegroup.model import Announced, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.manifest import HOLD, spec_of
from servicegroup.operator.status import render

from tests.unit.simulation import World
from tests.unit.test_mass_failure import INTERVAL, LATE, TEN, T, reasons, running, silent, until_found

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
WALL = 1_800_000_000.0
BEGIN, END = "2027-01-15T08:00:00Z", "2027-01-15T08:30:00Z"
SAID = Announced(WALL, WALL + 1800.0, "new disks")

# The annotation.


def test_what_is_written_is_what_is_read() -> None:
    assert written(SAID) == f"{BEGIN} {END} new disks"
    assert parse(written(SAID)) == SAID
    assert parse(f"{BEGIN} {END}") == replace(SAID, why="")


MALFORMED = {
    "nothing": "",
    "no time": "tonight",
    "one time": BEGIN,
    "an end before the begin": f"{END} {BEGIN}",
    "an end at the begin": f"{BEGIN} {BEGIN}",
    "a time without an offset": "2027-01-15T08:00:00 2027-01-15T08:30:00Z",
    "a year that no status can show": f"0001-01-01T00:00:00+23:00 {END}",
    "an end after all time": f"{BEGIN} 9999-12-31T23:59:59-23:00",
    "another order": f"why {BEGIN} {END}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_annotation_is_told_and_the_group_is_judged_as_without_it(text: str) -> None:
    spec = spec_of({"metadata": {"name": "compute", "annotations": {HOLD: text}}})
    assert spec.announced is None
    world = running()
    world.respec(replace(world.spec, unheard=spec.unheard))
    world.kill(TEN[0])
    world.run(until_found(world))
    assert world.verdict(TEN[0]) is DOWN
    said = held(world)
    assert (said["status"], said["reason"]) == ("False", "InvalidHold")
    assert f"ignored: annotation {HOLD}: {text[:60]!r}" in said["message"]
    assert "servicegroup hold" in said["message"]


def held(world: World) -> dict[str, Any]:
    observer = world.running
    status = render(
        observer.view,
        spec=world.spec,
        before={},
        driver="db",
        sight=StoreSight(read_once=True),
        now=observer.clock(world.now),
        wall=world.wall,
    )
    return next(one for one in status["conditions"] if one["type"] == "Held")


@dataclass(frozen=True)
class Heard:
    """`left` are the seconds for which it is in force, from when it is read."""

    said: Announced | None
    left: float
    wall: float = WALL
    before: Announcement | None = None


ONCE = Announcement(SAID, until=1500.0, ends=WALL + 1800.0)
HEARD = {
    "at once": Heard(SAID, 1800.0),
    "a while after it was said": Heard(SAID, 1200.0, wall=WALL + 600.0),
    "by an operator whose clock is behind: until then by that": Heard(SAID, 2400.0, wall=WALL - AHEAD),
    "by one whose clock is behind, at the longest": Heard(
        replace(SAID, until=WALL + 86400.0), LONGEST, wall=WALL - AHEAD
    ),
    "by one that starts late in it": Heard(replace(SAID, until=WALL + 86400.0), 60.0, wall=WALL + LONGEST - 60.0),
    "by one that starts after its longest": Heard(replace(SAID, until=WALL + 9e9), 0.0, wall=WALL + LONGEST),
    "after its end": Heard(SAID, 0.0, wall=WALL + 1801.0),
    "longer than a hold may be": Heard(replace(SAID, until=WALL + 86400.0), LONGEST),
    "again, whatever the time of day is by now": Heard(SAID, 500.0, wall=WALL + 9e6, before=ONCE),
    "said anew for longer": Heard(replace(SAID, until=WALL + 3600.0), 3600.0, before=ONCE),
}


@pytest.mark.parametrize("case", HEARD.values(), ids=HEARD)
def test_how_long_a_hold_is_in_force_that_is_heard(case: Heard) -> None:
    found = heard(case.before, case.said, now=1000.0, wall=case.wall)
    assert found is not None
    assert found.until == 1000.0 + case.left
    assert found.in_force(now=1000.0) is (case.left > 0)


def test_a_hold_whose_begin_lies_ahead_is_waited_for_however_often_an_operator_starts() -> None:
    world = running()
    began = world.now + 3600.0
    world.respec(replace(world.spec, announced=Announced(world.wall + 3600.0, world.wall + 5400.0, "new disks")))
    world.kill(TEN[0])
    world.run(until_found(world))
    assert reasons(world, TEN[:1]) == {Reason.SILENT}
    _restart(world)
    assert held(world)["status"] == "False"
    world.run(began - world.now)
    world.kill(TEN[1])
    world.run(until_found(world))
    assert reasons(world, TEN[1:2]) == {Reason.HOLD_ANNOUNCED}
    world.run(began + 1800.0 - world.now + LATE)
    assert reasons(world, TEN[1:2]) == {Reason.SILENT}


def test_a_hold_that_is_taken_back_is_over() -> None:
    assert heard(ONCE, None, now=1000.0, wall=WALL) is None


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800.0), ("4h", LONGEST), ("90s", 90.0)])
def test_a_length(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["5h", "241m", "0m", "30", "m", "-5m", "1.5h", "³m", "1d"])
def test_a_length_that_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidAnnouncement):
        duration(text)
    assert main(["hold", "compute", f"--for={text}"]) == 64
    assert f"--for is {text!r}: allowed is" in capsys.readouterr().err


# What it means, pass by pass.

POLICY_NOW, NOW = Policy(10.0, 60.0), 1000.0
WATCHED = Watch(sight=0.0, store_back=0.0, healthy=NOW)
IN_FORCE = Brake(announced=True)
SILENT = Observation("one", 5, 10.0, State.BEATING, beat=NOW - 61.0, fresh=500.0, met=0.0)
WAS_UP = Judgement(UP, Reason.BEATING, WALL, 900.0, definite=UP)
ILL = Judgement(DOWN, Reason.SERVICE_UNHEALTHY, WALL, 900.0, definite=DOWN)
WAITS = Judgement(UNKNOWN, Reason.HOLD_ANNOUNCED, WALL, 900.0, definite=UP)
CAUGHT = Judgement(UNKNOWN, Reason.MASS_FAILURE, WALL, 900.0, definite=UP, caught=True)
WAS_DOWN = Judgement(DOWN, Reason.SILENT, WALL, 900.0, definite=DOWN)


@dataclass(frozen=True)
class Case:
    before: Judgement | None
    said: tuple[Verdict, Reason]
    seen: Observation | None = SILENT
    brake: Brake = IN_FORCE
    healthy: bool = True


CASES = {
    "who falls silent waits": Case(WAS_UP, (UNKNOWN, Reason.HOLD_ANNOUNCED)),
    "who was never judged and is silent waits": Case(None, (UNKNOWN, Reason.HOLD_ANNOUNCED)),
    "who waits goes on to": Case(WAITS, (UNKNOWN, Reason.HOLD_ANNOUNCED)),
    "who waits and beats is up": Case(WAITS, (UP, Reason.BEATING), replace(SILENT, beat=NOW, fresh=NOW, sequence=6)),
    "who waits is down when it is over": Case(WAITS, (DOWN, Reason.SILENT), brake=Brake()),
    "who waits may be caught when it is over": Case(
        WAITS, (UNKNOWN, Reason.MASS_FAILURE), brake=Brake(catches=True, holds=False)
    ),
    "who waits goes on to while nobody can tell": Case(WAITS, (UNKNOWN, Reason.HOLD_ANNOUNCED), healthy=False),
    "who waits is not judged when it ends while nobody can tell": Case(
        WAITS, (UNKNOWN, Reason.NOT_WATCHING), brake=Brake(), healthy=False
    ),
    "who is down stays so": Case(WAS_DOWN, (DOWN, Reason.SILENT)),
    "who is down and has no row stays so": Case(WAS_DOWN, (DOWN, Reason.SILENT), None),
    "who is ill and falls silent keeps that reason": Case(ILL, (DOWN, Reason.SERVICE_UNHEALTHY)),
    "who becomes ill is down": Case(
        WAS_UP,
        (DOWN, Reason.SERVICE_UNHEALTHY),
        replace(SILENT, beat=NOW, fresh=NOW, state=State.UNHEALTHY, well=False),
    ),
    "who is held after a mass failure is so": Case(
        CAUGHT, (UNKNOWN, Reason.MASS_FAILURE), brake=Brake(holds=True, announced=True)
    ),
    "who was held until now waits": Case(CAUGHT, (UNKNOWN, Reason.HOLD_ANNOUNCED)),
    "who ought to beat and was never seen is missing": Case(None, (UNKNOWN, Reason.MISSING), None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_while_a_hold_is_in_force(case: Case) -> None:
    moment = Moment(now=NOW, wall=WALL, healthy=case.healthy, last_sight=NOW - 1.0, brake=case.brake)
    judged = judge(case.before, case.seen, policy=POLICY_NOW, watch=WATCHED, moment=moment)
    assert judged is not None
    assert (judged.verdict, judged.reason) == case.said


# In a world.


def announced(world: World, *, seconds: float = 900.0) -> None:
    world.respec(replace(world.spec, announced=Announced(world.wall, world.wall + seconds, "new disks")))


def test_one_that_dies_in_it_is_unknown_and_down_when_it_ends_by_itself() -> None:
    world = running()
    announced(world)
    world.kill(TEN[0])
    world.run(900.0 - LATE)
    assert reasons(world, TEN[:1]) == {Reason.HOLD_ANNOUNCED}
    said = held(world)
    assert (said["status"], said["reason"]) == ("True", "Announced")
    assert "(new disks)" in said["message"]
    assert "1 are held" in said["message"]
    world.run(2 * LATE)
    assert reasons(world, TEN[:1]) == {Reason.SILENT}
    assert held(world)["status"] == "False"


def test_most_that_are_silent_at_its_end_are_held_by_the_brake() -> None:
    world = running()
    announced(world)
    silent(world, *TEN[:6])
    world.run(900.0 + LATE)
    assert reasons(world, TEN[:6]) == {Reason.MASS_FAILURE}
    world.run(world.spec.mass_failure.longest_hold + LATE)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}


def test_whom_a_mass_failure_held_before_is_down_at_its_end() -> None:
    """A silence is caught once; the hold that a person announced spares nobody that."""
    world = running(rule=replace(running().spec.mass_failure, longest_hold=120.0))
    silent(world, *TEN[:6])
    world.run(until_found(world))
    announced(world)
    world.run(120.0)
    assert reasons(world, TEN[:6]) == {Reason.HOLD_ANNOUNCED}
    world.run(900.0)
    assert reasons(world, TEN[:6]) == {Reason.SILENT}


def test_it_lifts_nobody_and_an_administrators_word_and_a_leave_count_in_it() -> None:
    world = running()
    world.kill(TEN[0])
    world.run(until_found(world))
    announced(world)
    world.respec(replace(world.spec, overrides={TEN[1]: Override(forced_down=True)}))
    world.leave(TEN[2])
    world.run(LATE)
    assert reasons(world, TEN[:3]) == {Reason.SILENT, Reason.FORCED_DOWN, None}


def test_taken_back_it_is_over_at_once() -> None:
    world = running()
    announced(world)
    world.kill(TEN[0])
    world.run(until_found(world))
    world.respec(replace(world.spec, announced=None))
    world.run(LATE)
    assert reasons(world, TEN[:1]) == {Reason.SILENT}


def _restart(world: World) -> None:
    world.stop()
    world.run(30.0)
    world.start()


def _step_the_time_of_day(seconds: float) -> Callable[[World], None]:
    def happens(world: World) -> None:
        world.wall_step += seconds

    return happens


HAPPENINGS: dict[str, Callable[[World], None]] = {
    "the operator restarts": _restart,
    "the time of day steps forward": _step_the_time_of_day(86400.0),
    "the time of day steps back": _step_the_time_of_day(-86400.0),
    "the store is out": lambda world: world.outage(3 * T),
    "memcached restarts": lambda world: world.store.restart(wiped=True),
}


@pytest.mark.parametrize("happens", HAPPENINGS.values(), ids=HAPPENINGS)
def test_it_lasts_as_long_as_was_said_though(happens: Callable[[World], None]) -> None:
    world = running()
    announced(world)
    world.kill(TEN[0])
    began = world.now
    world.run(until_found(world))
    happens(world)
    world.run(began + 900.0 - world.now - LATE)
    assert reasons(world, TEN[:1]) == {Reason.HOLD_ANNOUNCED}
    world.run(2 * LATE)
    assert reasons(world, TEN[:1]) == {Reason.SILENT}
    assert {world.verdict(member) for member in TEN[1:]} == {UP}


def test_who_lives_is_up_after_work_on_the_store_that_took_all_beats_from_some() -> None:
    world = running()
    announced(world)
    silent(world, *TEN[:3])
    world.run(T + 3 * INTERVAL)
    for member in TEN[:3]:
        world.agent(member).paused = False
    world.run(INTERVAL + LATE)
    assert {world.verdict(member) for member in TEN} == {UP}
    assert not any(DOWN in world.story(member) for member in TEN)
