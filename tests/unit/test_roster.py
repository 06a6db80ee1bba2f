"""What the roster keeps of pods when watch and rollcall tell of them in any order, and of whom it has its doubts."""

from typing import Any

import pytest
from servicegroup.model import GroupKey, Policy
from servicegroup.operator.roster import ASK_AGAIN, BURIED, Roster
from servicegroup.pods import Service

POLICY = Policy(interval=10.0, down_time=60.0)
KEY, EDGE = GroupKey("nova", "compute"), GroupKey("nova", "edge")
RUNS: dict[str, Any] = {"running": {}}
CRASHED: dict[str, Any] = {"waiting": {}}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    return Roster(lambda _: POLICY, clock=clock)


def pod(name: str = "a", *, uid: str = "1", group: str = "compute", main: dict[str, Any] = RUNS) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "nova", "uid": uid, "labels": {"servicegroup.dev/group": group}},
        "spec": {"nodeName": f"node-{name}", "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "state": main}]},
    }


def members(roster: Roster, key: GroupKey = KEY) -> set[str]:
    return set(roster.duty(key).services)


def test_a_pod_is_of_one_group_at_a_time(roster: Roster) -> None:
    roster.put(pod())
    roster.put(pod("b"))
    assert (members(roster), members(roster, EDGE)) == ({"node-a", "node-b"}, set())
    roster.put(pod(group="edge"))
    assert (members(roster), members(roster, EDGE)) == ({"node-b"}, {"node-a"})
    roster.remove(pod("b"))
    assert (members(roster), members(roster, EDGE)) == (set(), {"node-a"})


def test_the_end_of_a_pod_takes_away_no_other_of_its_name(roster: Roster) -> None:
    roster.put(pod(uid="1"))
    roster.put(pod(uid="2"))
    roster.remove(pod(uid="1"))
    roster.discard(("nova", "a"), uid="1")

    assert members(roster) == {"node-a"}


def test_an_answer_that_is_older_than_a_pods_end_brings_it_not_back_and_a_watch_does(
    roster: Roster, clock: Clock
) -> None:
    roster.put(pod())
    roster.remove(pod())
    clock.now += BURIED - 1
    roster.called([], asked=clock.now)
    roster.put(pod(), asked=50.0)
    assert members(roster) == set()
    roster.put(pod())  # as when the label was taken off and put on again
    assert members(roster) == {"node-a"}


def test_the_dead_are_not_remembered_for_ever(roster: Roster, clock: Clock) -> None:
    roster.remove(pod())
    clock.now += BURIED
    roster.called([], asked=clock.now)
    roster.put(pod(), asked=clock.now)

    assert members(roster) == {"node-a"}


def test_a_rollcall_takes_away_who_was_not_there_and_leaves_who_came_since(roster: Roster, clock: Clock) -> None:
    roster.put(pod("gone"))
    roster.put(pod("there"))
    clock.now = 200.0
    roster.put(pod("new"))
    assert not roster.duty(KEY).told
    roster.called([("nova", "there")], asked=150.0)

    assert members(roster) == {"node-there", "node-new"}
    assert roster.duty(KEY).told


def test_who_may_not_see_pods_keeps_what_is_known_and_says_so_until_it_may(roster: Roster) -> None:
    roster.put(pod())
    roster.called([("nova", "a")], asked=50.0)
    for listing in (False, True):
        roster.refuse("forbidden", listing=listing)
        duty = roster.duty(KEY)
        assert (roster.refused, duty.refused, duty.told) == ("forbidden", True, not listing)
        assert members(roster) == {"node-a"}
    roster.called([("nova", "a")], asked=60.0)

    assert (roster.refused, roster.told, roster.duty(KEY).refused) == (None, True, False)


def doubts(roster: Roster) -> list[str]:
    return [name for (_, name), _ in roster.in_doubt()]


def test_a_pod_is_in_doubt_when_its_container_has_not_run_for_the_down_time_until_it_was_asked_for(
    roster: Roster, clock: Clock
) -> None:
    roster.put(pod(main=CRASHED))
    roster.put(pod("well"))
    clock.now = 155.0
    roster.put(pod(main=CRASHED), asked=155.0)  # the rollcall; it was too early to count
    clock.now = 160.0
    assert doubts(roster) == []
    clock.now = 160.5
    assert doubts(roster) == ["a"]
    roster.put(pod(main=CRASHED), asked=160.5)
    assert doubts(roster) == []
    assert roster.duty(KEY).services["node-a"] == Service(expected=100.0, stopped=100.0, confirmed=160.5)
    clock.now = 160.5 + ASK_AGAIN
    assert doubts(roster) == []
    clock.now += 0.5
    assert doubts(roster) == ["a"]
    roster.put(pod())
    assert doubts(roster) == []
