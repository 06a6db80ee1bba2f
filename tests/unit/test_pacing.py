"""The interval that a store bears: more nodes never overload it into killing live ones (design, section 7)."""

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicegroup.agent.rhythm import Rhythm
from servicegroup.evaluation import View
from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, GroupSpec, Policy, Reason, State, Verdict
from servicegroup.operator.groups import Wanted
from servicegroup.operator.judging import Judging
from servicegroup.operator.moves import Moves
from servicegroup.operator.outlet import StoreOnly
from servicegroup.operator.pacing import beating, paced
from servicegroup.operator.restore import from_status
from servicegroup.operator.stores import StoreConfig
from servicegroup.operator.survey import Survey

from tests.unit.several_stores import Site
from tests.unit.simulation import NINETEEN_SEVENTY_PLUS, POLICY, TICK

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
T, INTERVAL = POLICY.down_time, POLICY.interval
SPEC = GroupSpec(GroupKey("nova", "compute"), POLICY)
WALL = NINETEEN_SEVENTY_PLUS


@dataclass(frozen=True)
class Paced:
    members: int
    beats: float | None
    interval: float
    policy: Policy = POLICY


PACED = {
    "nobody is there": Paced(0, 100.0, 10.0),
    "no limit is set": Paced(10_000, None, 10.0),
    "the store bears them at the group's own interval": Paced(900, 100.0, 10.0),
    "the store bears all but one of them": Paced(901, 100.0, 11.0),
    "ten thousand at a hundred a second": Paced(10_000, 100.0, 112.0),
    "ten thousand at a thousand a second": Paced(10_000, 1000.0, 12.0),
    "a group whose own interval is longer": Paced(10_000, 1000.0, 60.0, Policy(60.0, 300.0)),
    "less than a beat a second": Paced(3, 0.1, 34.0),
}


@pytest.mark.parametrize("case", PACED.values(), ids=PACED)
def test_the_interval_in_force_when(case: Paced) -> None:
    given_spec = replace(SPEC, policy=case.policy)
    spec = paced(given_spec, members=case.members, beats_per_second=case.beats)

    assert spec.policy.interval == case.interval
    assert spec.policy.down_time / spec.policy.interval == pytest.approx(case.policy.down_time / case.policy.interval)
    assert replace(spec, policy=case.policy) == given_spec


MEMBERS = st.integers(0, 200_000)
BEATS = st.floats(1.0, 10_000.0)
"""With fewer the interval comes to days, and a promise of that is not waited for."""


@given(members=MEMBERS, beats=BEATS, chance=st.floats(0.0, 0.999))
def test_agents_that_wait_as_short_as_they_may_do_not_exceed_what_the_store_bears(
    members: int, beats: float, chance: float
) -> None:
    interval = paced(SPEC, members=members, beats_per_second=beats).policy.interval
    wait = Rhythm(interval).wait(chance=chance, published=interval)

    assert members / wait <= beats * (1 + 1e-9)


@given(members=MEMBERS, beats=BEATS)
def test_the_interval_is_whole_never_shorter_than_the_groups_and_no_longer_than_need_be(
    members: int, beats: float
) -> None:
    policy = paced(SPEC, members=members, beats_per_second=beats).policy

    assert policy.interval == int(policy.interval)
    assert INTERVAL <= policy.interval <= max(INTERVAL, members / beats / 0.9 + 1)


# Who counts.


def said(verdict: Verdict, reason: Reason) -> Published:
    return Published(verdict, reason, WALL)


def rows(*states: State) -> tuple[Fact, ...]:
    return tuple(Fact(f"row-{n}", "one", 1, INTERVAL, state, 1.0) for n, state in enumerate(states))


@dataclass(frozen=True)
class Counted:
    published: tuple[Published, ...]
    facts: tuple[Fact, ...]
    members: int


COUNTED = {
    "the living and the dead, who may come back": Counted(
        (said(UP, Reason.BEATING), said(DOWN, Reason.SILENT), said(UNKNOWN, Reason.NOT_WATCHING)), (), 3
    ),
    "not whoever was never seen": Counted((said(UNKNOWN, Reason.MISSING),), (), 0),
    "whoever has a row before it is published": Counted((), rows(State.BEATING, State.DRAINING), 2),
    "not whoever has left": Counted((), rows(State.BEATING, State.LEFT), 1),
}


@pytest.mark.parametrize("case", COUNTED.values(), ids=COUNTED)
def test_counted_are(case: Counted) -> None:
    view = View(published={f"member-{n}": one for n, one in enumerate(case.published)})

    assert beating(view, case.facts) == case.members


def test_all_groups_of_a_store_share_what_it_bears() -> None:
    judging = Judging(StoreConfig("default", "db", beats_per_second=10.0), StoreOnly(), Moves(("default",)))
    keys = [GroupKey("nova", name) for name in ("compute", "volume", "empty")]
    facts = {
        key: tuple(Fact(f"{n}", "one", 1, INTERVAL, State.BEATING, 1.0) for n in range(count))
        for key, count in zip(keys, (100, 80, 0), strict=True)
    }
    wanted = {key: Wanted(key, "uid", 1, GroupSpec(key, POLICY), None, {}) for key in keys}
    judging.judge(wanted, Survey(99.9, 100.0, WALL, "e", facts, dict.fromkeys(keys)))
    known = [judging.known(key) for key in keys]

    assert [one.spec.policy for one in known if one is not None] == [Policy(20.0, 120.0)] * 3


# In virtual time.


def shared(count: int, *, beats: float) -> tuple[Site, list[str]]:
    names = [f"node-{number:03}" for number in range(count)]
    it = Site(bears={"a": beats, "b": beats})
    it.start()
    return it, names


def written(it: Site, *, since: float) -> float:
    """Beats a second that a store took."""
    return sum(at > since for agent, _ in it.agents for at in agent.writes) / (it.now - since)


def test_members_that_join_over_what_a_store_bears_beat_less_often_and_nobody_dies_of_it() -> None:
    it, names = shared(60, beats=2.0)
    it.join(*names)
    it.run(120.0)
    settled = it.now
    it.run(600.0)

    assert it.status["effective"] == {
        "reportIntervalSeconds": 34, "serviceDownTimeSeconds": 204, "promisedIntervalSeconds": 34,
    }  # fmt: skip
    assert written(it, since=settled) <= 2.0
    assert [name for name in names if it.story(name) != [UP]] == []


def test_waves_of_joins_and_leaves_turn_nobody() -> None:
    it, names = shared(60, beats=2.0)
    it.join(*names[:10])
    it.run(60.0)
    for turn in range(3):
        it.join(*names[10:])
        it.run(90.0 + 31.0 * turn)
        for name in names[10:]:
            it.leave(name)
        it.run(45.0 + 17.0 * turn)

    assert [it.story(name) for name in names[:10]] == [[UP]] * 10
    assert [name for name in names if it.turned(name, DOWN) is not None] == []
    assert it.status["effective"]["reportIntervalSeconds"] == INTERVAL


def test_who_dies_at_a_longer_interval_is_down_after_the_longer_time() -> None:
    it, names = shared(60, beats=2.0)
    it.join(*names)
    it.run(300.0)
    it.kill(names[0])
    wrote = it.last(names[0])[0].wrote or 0.0
    it.run(300.0)
    fell = it.turned(names[0], DOWN)

    assert fell is not None
    assert wrote + 204.0 < fell <= wrote + 204.0 + 3.0


def test_an_outage_changes_no_interval() -> None:
    it, names = shared(60, beats=2.0)
    it.join(*names)
    it.run(300.0)
    effective = it.status["effective"]
    it.stores["a"].reachable = False
    for _ in range(6):
        it.run(60.0)
        assert it.status["effective"] == effective
    it.stores["a"].reachable = True
    it.run(120.0)

    assert it.status["effective"] == effective
    assert [name for name in names if it.turned(name, DOWN) is not None] == []


@pytest.mark.parametrize("wiped", [False, True])
def test_a_new_operator_over_a_store_that_bears_little_turns_nobody(*, wiped: bool) -> None:
    """A wiped store names nobody: the agents that wait for half a minute yet are not dead."""
    it, names = shared(60, beats=2.0)
    it.join(*names)
    it.run(300.0)
    if wiped:
        it.stores["a"].restart(wiped=True)
    it.start()
    it.run(600.0)

    assert [it.story(name) for name in names] == [[UP]] * 60
    assert it.status["effective"]["reportIntervalSeconds"] == 34


def test_who_beats_in_a_store_that_its_group_has_left_counts_for_what_that_store_bears() -> None:
    moves = Moves(("a", "b"))
    judging = Judging(StoreConfig("a", "db", beats_per_second=10.0), StoreOnly(), moves)
    stays, moved = GroupKey("nova", "compute"), GroupKey("nova", "volume")
    (guest,) = moves.open(moved, stores=("a",), policy=POLICY).values()
    crowd = tuple(Fact(f"{n}", "one", 1, INTERVAL, State.BEATING, 1.0) for n in range(170))
    one = (Fact("m", "one", 1, INTERVAL, State.BEATING, 1.0),)
    found = Survey(99.9, 100.0, WALL, "e", {stays: one, moved: crowd}, {stays: None, moved: None})
    guest.look(found)
    judging.judge({stays: Wanted(stays, "uid", 1, GroupSpec(stays, POLICY), None, {})}, found)
    known = judging.known(stays)

    assert known is not None
    assert known.spec.policy.interval == 19.0


# The longest promise.


def test_the_longest_promise_of_the_living_is_published_and_outlives_the_operator() -> None:
    it = Site()
    it.respec(policy=Policy(100.0, 600.0))
    it.join("m", "n")
    it.start()
    for agent, _ in it.agents:
        agent.interval = 100.0
    it.run(300.0)
    assert it.status["effective"]["promisedIntervalSeconds"] == 100
    it.respec(policy=POLICY)
    it.run(2.0)

    assert it.status["effective"]["reportIntervalSeconds"] == 10
    assert it.status["effective"]["promisedIntervalSeconds"] == 100
    header = it.stores["a"].header
    assert header is not None
    assert header.promised == 100.0
    it.run(210.0)
    assert it.status["effective"]["promisedIntervalSeconds"] == 10


def test_a_promise_of_the_dead_counts_no_more() -> None:
    it = Site()
    it.join("m", "n")
    it.agents[0][0].interval = 20.0
    it.agents[0][0].alive = False
    it.stores["a"].rows = {}
    it.stores["a"].join(Beat("m", "m-0", 1, 20.0), now=0.0)
    it.start()
    it.run(30.0)
    assert it.status["effective"]["promisedIntervalSeconds"] == 20
    it.run(2 * T + TICK)

    assert it.verdict("m") is DOWN
    assert it.status["effective"]["promisedIntervalSeconds"] == 10


PROMISES = {
    "as the API server gives it": ({"promisedIntervalSeconds": 100}, 100.0),
    "twice the longest interval of a spec": ({"promisedIntervalSeconds": 7200}, 7200.0),
    "what a store that bears a beat a second makes of ten thousand members": (
        {"promisedIntervalSeconds": math.ceil(10_000 / 0.9)},
        11_112.0,
    ),
    "one that nobody can have given": ({"promisedIntervalSeconds": 10**12}, 0.0),
    "below zero": ({"promisedIntervalSeconds": -1}, 0.0),
    "a word": ({"promisedIntervalSeconds": "100"}, 0.0),
    "nothing": ({"reportIntervalSeconds": 10}, 0.0),
    "no settings": (None, 0.0),
    "settings that are a word": ("10", 0.0),
}


@pytest.mark.parametrize(("effective", "promised"), PROMISES.values(), ids=PROMISES)
def test_a_promise_is_read_from_a_status(effective: object, promised: float) -> None:
    assert from_status({"effective": effective}, now=1.0, wall=WALL).promised == promised


@pytest.mark.parametrize("kept", ["status", "record"])
def test_who_promised_longer_and_whose_row_is_lost_is_not_down_before_its_promise(kept: str) -> None:
    """A shorter interval, a wiped store and a new operator at once; the promise is in the status, or in the record."""
    it = Site()
    it.respec(policy=Policy(100.0, 600.0))
    it.join("m")
    it.agents[0][0].interval = 100.0
    it.start()
    it.run(150.0)
    while (it.now - (it.agents[0][0].wrote or 0.0)) > 1.0:
        it.run(TICK)
    it.respec(policy=POLICY)
    it.run(3.0)
    if kept == "status":
        it.stores["a"].restart(wiped=True)
    else:
        it.stores["a"].rows = {}
        it.server.stored["effective"] = {}
    it.start()
    it.run(300.0)

    assert it.story("m") == [UP]
