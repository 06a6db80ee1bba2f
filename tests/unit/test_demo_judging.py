"""The demo's own judgement: what it calls passed, and above all what it does not."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.demo.evidence import Decision, Said, Sighting
from tests.demo.judging import (
    Pace,
    at_once,
    comeback,
    departure,
    publication,
    remembered,
    silent_deaths,
    undisturbed,
    unshaken,
)

AT = 1000.0
"""When the demo did what it did."""

UP = Said("Up", "Beating", "then")
DOWN = Said("Down", "Silent", "then")
FORCED = Said("Down", "ForcedDown", "then")
PACE = Pace(slowest=0.3)
"""With a pass of 0.2 s, half a second later than T is allowed."""


def decided(
    after: Said | None,
    *,
    time: float,
    before: Said | None = UP,
    silent: float | None = None,
    watched: bool = True,
    member: str = "a",
) -> Decision:
    return Decision(time, "default/g", member, before, after, silent, watched)


def seen(members: Mapping[str, Said], *, arrived: float) -> Sighting:
    return Sighting(arrived, "default/g", members)


@dataclass(frozen=True)
class Death:
    passed: bool
    decisions: list[Decision]
    pace: Pace = PACE


DEATHS = {
    "in the first pass after T": Death(True, [decided(DOWN, time=AT + 11, silent=12.1)]),
    "at exactly T, which is still up": Death(False, [decided(DOWN, time=AT + 11, silent=12.0)]),
    "before T": Death(False, [decided(DOWN, time=AT + 10, silent=11.9)]),
    "as late as the slowest pass": Death(True, [decided(DOWN, time=AT + 11, silent=12.5)]),
    "later than any pass": Death(False, [decided(DOWN, time=AT + 11, silent=12.6)]),
    "late by a pass that took longer than an interval": Death(
        False, [decided(DOWN, time=AT + 12, silent=14.5)], Pace(slowest=9.0)
    ),
    "by an operator that had not watched": Death(False, [decided(DOWN, time=AT + 11, silent=12.1, watched=False)]),
    "for another reason": Death(False, [decided(FORCED, time=AT + 11, silent=12.1)]),
    "with a silence that nobody measured": Death(False, [decided(DOWN, time=AT + 11)]),
    "with a silence that began before it was stopped": Death(False, [decided(DOWN, time=AT + 5, silent=12.1)]),
    "never": Death(False, [decided(UP, time=AT + 11, silent=0.1)]),
    "before it was stopped at all": Death(False, [decided(DOWN, time=AT - 1, silent=12.1)]),
    "C after the start of a new operator": Death(
        True, [decided(DOWN, time=AT + 17, silent=17.1)], Pace(slowest=0.3, started=AT + 12)
    ),
    "long after the start of a new operator": Death(
        False, [decided(DOWN, time=AT + 18, silent=18.1)], Pace(slowest=0.3, started=AT + 12)
    ),
}


@pytest.mark.parametrize("case", DEATHS.values(), ids=DEATHS.keys())
def test_a_member_that_was_stopped_is_down(case: Death) -> None:
    assert silent_deaths(case.decisions, ["a"], at=AT, pace=case.pace).passed is case.passed


def test_two_deaths_pass_only_together() -> None:
    one = decided(DOWN, time=AT + 11, silent=12.1)
    found = silent_deaths([one], ["a", "b"], at=AT, pace=PACE)
    assert (found.passed, found.shown) == (False, "not Down: b")


DEPARTURES = {
    "at once": (True, [decided(None, time=AT + 0.2)]),
    "after a while": (False, [decided(None, time=AT + 3.1)]),
    "by way of Down": (False, [decided(DOWN, time=AT + 0.1), decided(None, time=AT + 0.2, before=DOWN)]),
    "never": (False, []),
}


@pytest.mark.parametrize(("passed", "decisions"), DEPARTURES.values(), ids=DEPARTURES.keys())
def test_a_member_that_left_is_gone(passed: bool, decisions: list[Decision]) -> None:  # noqa: FBT001
    assert departure(decisions, "a", at=AT).passed is passed


def test_what_is_typed_counts_from_its_end() -> None:
    decision = decided(FORCED, time=AT + 5)
    assert not at_once([decision], "a", "Down", reason="ForcedDown", at=AT).passed
    assert at_once([decision], "a", "Down", reason="ForcedDown", at=AT, told=AT + 4).passed
    assert not at_once([decision], "a", "Down", reason="Silent", at=AT, told=AT + 4).passed


def test_a_member_comes_back_by_a_fresh_beat_and_the_other_stays_dead() -> None:
    dead = decided(DOWN, time=AT - 1, silent=12.1, member="b")
    back = decided(UP, time=AT + 2, before=DOWN, silent=0.1)
    assert comeback([dead, back], "a", still="b", at=AT, pace=PACE).passed
    assert not comeback([back], "a", still="b", at=AT, pace=PACE).passed
    assert not comeback([dead, decided(UP, time=AT + 2, silent=0.1)], "a", still="b", at=AT, pace=PACE).passed
    stale = decided(UP, time=AT + 2, before=DOWN, silent=1.9)
    assert not comeback([dead, stale], "a", still="b", at=AT, pace=PACE).passed


def test_any_decision_disturbs() -> None:
    assert undisturbed([decided(UP, time=AT - 1)], ["a"], since=AT).passed
    assert not undisturbed([decided(UP, time=AT + 1)], ["a"], since=AT).passed


def test_a_restart_shakes_whoever_is_published_as_anything_but_up() -> None:
    up, unknown = seen({"a": UP}, arrived=AT + 9), seen({"a": Said("Unknown", "NotWatching", "now")}, arrived=AT + 5)
    assert unshaken([up], [], ["a"], at=AT, read_down=()).passed
    assert not unshaken([unknown, up], [], ["a"], at=AT, read_down=()).passed
    assert not unshaken([seen({}, arrived=AT + 9)], [], ["a"], at=AT, read_down=()).passed
    assert not unshaken([], [], ["a"], at=AT, read_down=()).passed
    assert not unshaken([up], [], ["a"], at=AT, read_down=["a"]).passed
    assert not unshaken([up], [decided(UP, time=AT + 1)], ["a"], at=AT, read_down=()).passed


def test_the_dead_are_remembered_to_the_second() -> None:
    later = Said(DOWN.verdict, DOWN.reason, "later")
    assert remembered({"a": DOWN}, [seen({"a": DOWN}, arrived=AT + 1)], ["a"], at=AT).passed
    assert not remembered({"a": DOWN}, [seen({"a": later}, arrived=AT + 1)], ["a"], at=AT).passed
    assert not remembered({"a": UP}, [seen({"a": UP}, arrived=AT + 1)], ["a"], at=AT).passed
    assert not remembered({"a": DOWN}, [], ["a"], at=AT).passed


PUBLICATIONS = {
    "in time": (True, [seen({"a": DOWN}, arrived=AT + 1)]),
    "late": (False, [seen({"a": UP}, arrived=AT + 1), seen({"a": DOWN}, arrived=AT + 3.1)]),
    "never": (False, [seen({"a": UP}, arrived=AT + 1)]),
    "only before it was decided": (False, [seen({"a": DOWN}, arrived=AT - 1)]),
    "of another group": (False, [Sighting(AT + 1, "default/other", {"a": DOWN})]),
}


@pytest.mark.parametrize(("passed", "sightings"), PUBLICATIONS.values(), ids=PUBLICATIONS.keys())
def test_a_decision_is_published(passed: bool, sightings: list[Sighting]) -> None:  # noqa: FBT001
    assert publication([decided(DOWN, time=AT)], sightings).passed is passed


def test_a_later_decision_of_the_same_member_may_be_published_instead() -> None:
    decisions = [decided(UP, time=AT, before=DOWN), decided(DOWN, time=AT + 0.5)]
    assert publication(decisions, [seen({"a": DOWN}, arrived=AT + 1)]).passed
    assert not publication(decisions, [seen({"a": DOWN}, arrived=AT + 0.2)]).passed


def test_no_decision_is_no_publication() -> None:
    assert not publication([], []).passed
