"""A group that moves from one store to another by an edit of `spec.store`, its agents following in their own time.

What a user must never see: a member called Down that beat all the while in one store or the other, a member that is
gone though it was published, one of an earlier stay come back, or a death that nobody finds. Then what must be seen:
where the members still are, and when the move is over.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from servicegroup.evaluation import View
from servicegroup.liveness import Published
from servicegroup.model import Beat, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.operator.moves import Guest, Moves
from servicegroup.record import Header

from tests.unit.several_stores import KEY, Site
from tests.unit.simulation import NINETEEN_SEVENTY_PLUS, POLICY, Row

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
T, C, INTERVAL, PASS = POLICY.down_time, POLICY.sight, POLICY.interval, POLICY.pass_seconds
DAY = 86_400.0
FEW = ("m", "n", "o")
CROWD = tuple(f"node-{number:03}" for number in range(120))


def site(*members: str, policy: Policy = POLICY) -> Site:
    """A group in store `a` whose members have beaten, watched, for long enough that nothing is in doubt."""
    it = Site()
    it.respec(policy=policy)
    it.join(*members)
    it.start()
    it.run(2 * policy.down_time)
    assert set(it.verdicts().values()) == {UP}
    return it


def moved(*members: str) -> Site:
    """The group is on its way to store `b`, where its operator looks; nobody has followed."""
    it = site(*members)
    it.move("b")
    it.run(2 * T)
    return it


# Agents that follow.

HOW = ("killed", "leaves", "overlaps")


@pytest.mark.parametrize("how", ["killed", "overlaps"])
def test_members_that_follow_one_after_the_other_stay_up(how: str) -> None:
    it = site(*FEW)
    it.move("b")
    for member in FEW:
        it.run(T / 2)
        it.follow(member, how=how)
    it.run(3 * T)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    assert it.condition("Moving") == ("False", "Settled")


def test_members_that_leave_the_old_store_before_they_join_the_new_one_are_gone_in_between_alone() -> None:
    it = site(*FEW)
    it.move("b")
    for member in FEW:
        it.run(T / 2)
        it.follow(member, how="leaves")
    it.run(3 * T)

    assert {tuple(it.story(member)) for member in FEW} <= {(UP,), (UP, None, UP)}
    assert set(it.verdicts().values()) == {UP}


@pytest.mark.parametrize("how", HOW)
def test_a_move_whose_members_follow_is_over_in_the_end_and_says_so(how: str) -> None:
    it = moved(*FEW)
    assert it.status["movingFrom"] == ["a"]
    assert it.status["store"] == "b"
    assert it.condition("Moving") == ("True", "MembersElsewhere")
    for member in FEW:
        it.follow(member, how=how)
    it.run(T - INTERVAL - PASS)
    if how == "killed":
        assert it.condition("Moving") == ("True", "Arriving")
    it.run(2 * INTERVAL + 4 * PASS)

    assert "movingFrom" not in it.status
    assert it.condition("Moving") == ("False", "Settled")


def test_members_that_never_follow_stay_up_and_are_named() -> None:
    it = moved(*FEW)
    it.run(10 * T)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    (moving,) = (one for one in it.status["conditions"] if one["type"] == "Moving")
    assert "3 members beat in store a still" in moving["message"]
    assert "m, n, o" in moving["message"]


def test_who_joins_the_old_store_during_the_move_is_a_member() -> None:
    it = moved(*FEW)
    it.join("late", store="a")
    it.run(INTERVAL + 2 * PASS)
    assert it.verdict("late") is UP
    it.run(3 * T)

    assert it.story("late") == [UP]


def test_the_agent_that_goes_back_to_the_old_store_is_up() -> None:
    """A rollout that is rolled back, spec.store still edited."""
    it = moved(*FEW)
    it.follow("m")
    it.run(T)
    it.kill("m")
    it.join("m", store="a", soon=True)
    it.run(3 * T)

    assert it.story("m") == [UP]
    assert it.status["movingFrom"] == ["a"]


def test_the_agent_that_went_back_is_not_down_while_its_store_is_not_read() -> None:
    it = moved(*FEW)
    it.follow("m")
    it.run(T)
    it.kill("m")
    it.join("m", store="a", soon=True)
    it.run(2 * INTERVAL)
    it.stores["a"].reachable = False
    it.run(4 * T)

    assert it.turned("m", DOWN) is None


# The dead.


@dataclass(frozen=True)
class Death:
    """A member dies some seconds before or after the edit, in the old store or in the new one."""

    edit_to_death: float
    followed: bool = False


DEATHS = {
    "long before the edit, found already": Death(-2 * T),
    "just before the edit": Death(-INTERVAL),
    "with the edit": Death(0.0),
    "a while after it": Death(T / 2),
    "long after it": Death(3 * T),
    "long after it, in the new store": Death(3 * T, followed=True),
    "a while after it, in the new store": Death(T / 2, followed=True),
}


@pytest.mark.parametrize("case", DEATHS.values(), ids=DEATHS)
def test_who_dies_is_down_in_time(case: Death) -> None:
    """One down time after its last beat, or after the operator began to look into the other store."""
    it = site(*FEW)
    if case.edit_to_death < 0:
        it.kill("m")
        it.run(-case.edit_to_death)
    edited = it.now
    it.move("b")
    if case.followed:
        it.run(INTERVAL)
        it.follow("m")
    if case.edit_to_death >= 0:
        it.run(max(0.0, edited + case.edit_to_death - it.now))
        it.kill("m")
    wrote = it.last("m")[0].wrote or 0.0
    it.run(4 * T)
    at = it.turned("m", DOWN)

    assert at is not None
    assert wrote + T < at <= max(wrote, edited) + T + 4 * PASS
    assert it.story("m") == [UP, DOWN]
    assert [it.story(member) for member in ("n", "o")] == [[UP]] * 2


def test_a_death_in_the_old_store_ends_the_move_of_the_last_one() -> None:
    it = moved(*FEW)
    for member in ("n", "o"):
        it.follow(member)
    it.kill("m")
    it.run(T + 5 * PASS)

    assert "movingFrom" not in it.status
    assert it.verdict("m") is DOWN


def test_the_dead_stay_down_over_the_move_and_come_back_by_joining_either_store() -> None:
    it = site(*FEW)
    it.kill("m", "n")
    it.run(2 * T)
    before = it.now
    it.move("b")
    it.run(2 * T)
    assert it.story("m", since=before) == []
    it.join("m", store="a")
    it.join("n", store="b")
    it.run(INTERVAL + 3 * PASS)

    assert (it.verdict("m"), it.verdict("n")) == (UP, UP)


def test_who_joined_in_the_old_store_alone_and_died_is_found_though_the_new_one_was_just_back() -> None:
    """Its row is in the old store alone, which is done with before the new store has served for T."""
    it = moved(*FEW)
    it.join("late", store="a")
    it.run(T)
    for member in FEW:
        it.follow(member)
    it.kill("late")
    it.run(T / 2)
    it.stores["b"].restart(wiped=False)
    it.run(4 * T)

    assert it.verdict("late") is DOWN
    assert "movingFrom" not in it.status


def test_who_leaves_the_old_store_for_good_is_gone_at_once() -> None:
    it = moved(*FEW)
    it.leave("m")
    it.run(3 * PASS)
    assert it.verdict("m") is None
    it.run(4 * T)

    assert it.story("m") == [UP, None]


def test_who_followed_and_leaves_is_gone_at_once() -> None:
    it = moved(*FEW)
    it.follow("m")
    it.run(1.5 * INTERVAL)
    it.leave("m")
    it.run(3 * PASS)
    assert it.verdict("m") is None
    it.run(4 * T)

    assert it.story("m") == [UP, None]


# A store that is out.


@pytest.mark.parametrize("followed", [(), FEW], ids=["nobody followed", "all followed"])
def test_an_outage_of_the_old_store_calls_nobody_down(followed: tuple[str, ...]) -> None:
    it = moved(*FEW)
    for member in followed:
        it.follow(member)
    it.run(INTERVAL)
    before = it.now
    it.stores["a"].reachable = False
    it.run(5 * T)
    assert it.condition("Moving") == ("True", "OldStoreUnreachable")
    it.stores["a"].reachable = True
    it.run(2 * T)

    expected = [] if followed else [UNKNOWN, UP]
    assert [it.story(member, since=before) for member in FEW] == [expected] * 3


def test_who_beat_in_the_old_store_alone_is_unknown_one_down_time_after_it_was_last_seen() -> None:
    """Rule 4: what was published Up stays so for at most T after it was last up on sight; the new store is no sight."""
    it = moved(*FEW)
    before = it.now
    it.stores["a"].reachable = False
    it.run(5 * T)
    at = it.turned("m", UNKNOWN, since=before)

    assert at is not None
    assert T - 2 * PASS <= at - before <= T + 3 * PASS
    assert it.shown["m"].reason is Reason.STORE_UNREACHABLE


def test_who_followed_is_judged_though_the_old_store_is_gone() -> None:
    it = moved(*FEW)
    for member in FEW:
        it.follow(member)
    it.run(INTERVAL)
    it.stores["a"].reachable = False
    it.run(2 * T)
    it.kill("m")
    killed = it.now
    it.run(2 * T)
    at = it.turned("m", DOWN)

    assert at is not None
    assert at <= killed + T + 3 * PASS


@pytest.mark.parametrize("followed", [(), FEW], ids=["nobody followed", "all followed"])
def test_an_outage_of_the_new_store_calls_nobody_down(followed: tuple[str, ...]) -> None:
    it = moved(*FEW)
    for member in followed:
        it.follow(member)
    it.run(INTERVAL)
    it.stores["b"].reachable = False
    it.run(5 * T)
    it.stores["b"].reachable = True
    it.run(INTERVAL + 3 * PASS)

    assert [it.turned(member, DOWN) for member in FEW] == [None] * 3
    assert set(it.verdicts().values()) == {UP}


def test_a_look_at_the_old_store_that_hangs_is_no_sight_and_ends_no_move() -> None:
    """With T = 2.5 x I the deadlines of one look are as long as T: who beats there was not seen meanwhile."""
    it = site(*FEW, policy=Policy(10.0, 25.0))
    it.move("b")
    it.run(2 * T)
    for _ in range(5):
        it.stores["a"].latency = 24.0
        it.run(24.0)
        it.stores["a"].latency = 0.0
        it.run(T)

    assert [it.turned(member, DOWN) for member in FEW] == [None] * 3
    assert it.status["movingFrom"] == ["a"]


def test_an_old_store_that_is_wiped_during_the_move_turns_nobody() -> None:
    it = moved(*FEW)
    it.kill("o")
    it.run(2 * T)
    before = it.now
    it.stores["a"].restart(wiped=True)
    it.run(4 * T)

    assert [it.story(member, since=before) for member in FEW] == [[]] * 3


def test_an_old_store_that_is_taken_out_of_the_configuration_counts_no_more() -> None:
    it = moved(*FEW)
    it.follow("m")
    it.run(INTERVAL)
    it.stores["a"].reachable = False
    it.run(2 * T)
    it.start(configured="bc")
    it.run(3 * T)

    assert "movingFrom" not in it.status
    assert it.verdicts() == {"m": UP, "n": DOWN, "o": DOWN}
    assert it.turned("m", DOWN) is None


# A new operator in the midst of a move.


@pytest.mark.parametrize("members", [FEW, CROWD], ids=["three members", "more than a status lists"])
@pytest.mark.parametrize("offset", [-INTERVAL, 0.0, 0.5, INTERVAL, 2 * T])
def test_a_restart_around_the_edit_turns_nobody(members: tuple[str, ...], offset: float) -> None:
    it = site(*members)
    it.kill(members[0])
    it.run(2 * T)
    before = it.now
    if offset < 0:
        it.stop()
        it.run(-offset)
        it.move("b")
    else:
        it.move("b")
        it.run(offset)
    it.start()
    for place, member in enumerate(members[1:]):
        if place % 2:
            it.run(PASS)
            it.follow(member)
    it.run(3 * T)

    assert [change for change in it.changes if change.at > before] == []
    assert it.verdict(members[0]) is DOWN
    assert it.status["counts"]["summary"] == f"{len(members) - 1}/{len(members)}"


@pytest.mark.parametrize("members", [FEW, CROWD], ids=["three members", "more than a status lists"])
def test_operators_that_restart_every_forty_seconds_find_the_dead_and_call_nobody_else_down(
    members: tuple[str, ...],
) -> None:
    it = site(*members)
    it.move("b")
    it.run(INTERVAL)
    it.kill(members[0])
    for turn in range(12):
        it.start()
        it.run(40.0)
        if turn < len(members) - 1:
            it.follow(members[turn + 1])

    assert it.story(members[0])[:1] == [UP]
    assert [member for member in members[1:] if it.turned(member, DOWN) is not None] == []
    assert set(members) == set(it.verdicts())


def test_who_was_published_in_an_old_store_that_is_out_at_the_edit_is_not_forgotten_by_a_restart() -> None:
    """A status lists a hundred at most: the others' names are in the record of the store that is out."""
    it = site(*CROWD)
    it.kill(CROWD[0])
    it.run(2 * T)
    it.stores["a"].reachable = False
    it.run(INTERVAL)
    it.move("b")
    it.run(2 * T)
    it.start()
    it.run(T)
    assert it.status["counts"]["total"] == len(CROWD)
    it.stores["a"].reachable = True
    it.run(3 * T)

    assert set(it.verdicts()) == set(CROWD)
    assert it.verdict(CROWD[0]) is DOWN
    assert [member for member in CROWD[1:] if it.turned(member, DOWN) is not None] == []


def test_a_restart_while_the_new_store_is_out_loses_nobody() -> None:
    """The status is newer than the record by then, and lists a hundred of those who are Unknown."""
    it = moved(*CROWD)
    for member in CROWD[:110]:
        it.follow(member)
    it.run(T / 2)
    before = it.now
    it.stores["b"].reachable = False
    it.run(3 * T)
    it.start()
    it.run(T)
    it.stores["b"].reachable = True
    it.run(INTERVAL + 3 * PASS)

    assert {tuple(it.story(member, since=before)) for member in CROWD[:110]} == {(UNKNOWN, UP)}
    assert {tuple(it.story(member, since=before)) for member in CROWD[110:]} == {()}


@pytest.mark.parametrize("out", [False, True], ids=["", "which is out"])
def test_who_went_back_by_a_leave_and_beats_in_the_old_store_is_not_gone_for_a_new_operator(*, out: bool) -> None:
    """Its row in the group's own store says that it left: so it did, to beat in the other store."""
    it = moved(*FEW)
    it.follow("m", how="leaves")
    it.move("a")
    it.run(INTERVAL)
    assert it.verdict("m") is UP
    it.stores["b"].reachable = not out
    before = it.now
    it.start()
    it.run(T / 2)
    it.stores["b"].reachable = True
    it.run(2 * T)

    assert it.story("m", since=before) == []


# On to a third store, and back.


def test_a_move_on_to_a_third_store_leaves_everyone_up_wherever_it_beats() -> None:
    it = moved(*FEW)
    it.follow("m")
    it.run(INTERVAL)
    it.move("c")
    it.run(INTERVAL)
    it.follow("n")
    it.run(5 * T)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    assert sorted(it.status["movingFrom"]) == ["a", "b"]
    for member in FEW:
        it.follow(member)
    it.run(2 * T + 3 * PASS)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    assert "movingFrom" not in it.status


@pytest.mark.parametrize("slow", [0.0, 3.0, 20.0])
def test_a_move_on_from_a_store_that_is_slow_goes_on_looking_into_the_first(slow: float) -> None:
    """The loop of the second store ends a look that it had begun, after the third store's has begun."""
    it = moved(*FEW)
    it.stores["b"].latency = slow
    it.run(T)
    it.move("c")
    it.run(INTERVAL)
    it.stores["b"].latency = 0.0
    it.run(5 * T)

    assert [it.turned(member, DOWN) for member in FEW] == [None] * 3
    assert "a" in it.status["movingFrom"]
    assert set(it.verdicts().values()) == {UP}


def test_a_move_back_before_anybody_followed_is_as_if_nothing_had_been() -> None:
    it = moved(*FEW)
    it.move("a")
    it.run(3 * T)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    assert "movingFrom" not in it.status
    assert it.status["store"] == "a"


def test_a_move_back_after_half_have_followed_leaves_everyone_up() -> None:
    it = moved(*FEW)
    it.follow("m")
    it.run(T / 2)
    it.move("a")
    it.run(2 * T)
    assert it.status["movingFrom"] == ["b"]
    it.follow("m")
    it.run(2 * T)

    assert [it.story(member) for member in FEW] == [[UP]] * 3
    assert "movingFrom" not in it.status


PAST = {"left": lambda it: it.leave("ghost"), "was forgotten": lambda it: it.kill("ghost")}


@pytest.mark.parametrize("gone", PAST.values(), ids=PAST)
@pytest.mark.parametrize("restarts", [False, True], ids=["", "and a new operator starts"])
def test_nobody_of_an_earlier_stay_comes_back_with_a_move_back_who(
    gone: Callable[[Site], None], *, restarts: bool
) -> None:
    """Its row, and the record that names it, are in the first store still."""
    members = (*FEW, "ghost")
    it = site(*members)
    it.respec(forget_after=5 * T)
    it.move("b")
    for member in members:
        it.follow(member)
    it.run(2 * T)
    gone(it)
    it.run(7 * T)
    assert it.verdict("ghost") is None
    before = it.now
    it.move("a")
    for turn in range(6):
        it.run(T / 2)
        for member in FEW:
            it.follow(member)
        if restarts and turn:
            it.start()
    it.run(7 * T)

    assert it.story("ghost", since=before) == []
    assert [it.story(member) for member in FEW] == [[UP]] * 3


def test_nobody_of_an_older_stay_in_the_new_store_becomes_a_member() -> None:
    it = site(*FEW)
    it.stores["b"].rows = {"ghost": Row(Beat("ghost", "old", 7, INTERVAL), it.stores["b"].clock(it.now - DAY))}
    it.stores["b"].header = Header(0, POLICY, "epoch-1", DAY, 0.0)
    it.stores["b"].members = {"shade": Published(DOWN, Reason.SILENT, NINETEEN_SEVENTY_PLUS - DAY)}
    it.move("b")
    it.run(4 * T)
    for member in FEW:
        it.follow(member)
    it.run(4 * T)
    it.start()
    it.run(3 * T)

    assert set(it.verdicts()) == set(FEW)
    assert {change.member for change in it.changes} == set(FEW)


@pytest.mark.parametrize("onwards", [False, True], ids=["", "and the group moves on"])
def test_who_ought_to_beat_and_did_in_an_older_stay_alone_is_missing(*, onwards: bool) -> None:
    it = site(*FEW)
    it.stores["b"].rows = {"ghost": Row(Beat("ghost", "old", 7, INTERVAL), it.stores["b"].clock(it.now - DAY))}
    it.move("b")
    it.run(T)
    if onwards:
        it.move("c")
        it.run(T)
    it.respec(expected=frozenset({"ghost"}))
    it.run(4 * T)

    assert it.shown["ghost"].reason is Reason.MISSING


def test_who_of_an_older_stay_beats_again_is_a_member() -> None:
    it = site(*FEW)
    it.stores["b"].rows = {"back": Row(Beat("back", "back-3", 7, INTERVAL), it.stores["b"].clock(it.now - DAY))}
    it.move("b")
    it.run(2 * T)
    it.join("back", store="b")
    it.run(INTERVAL + 3 * PASS)

    assert it.verdict("back") is UP


# What a guest says of itself.


def guest(beat: float, *, healthy: float = 1000.0, state: State = State.BEATING) -> Guest:
    seen = Observation("one", 5, INTERVAL, state, beat=beat, fresh=beat)
    watch = Watch(ended=1000.0, healthy=healthy, sight=0.0, store_back=0.0, epoch="e")
    return Guest(KEY, POLICY, View(watch=watch, observations={"m": seen}))


@dataclass(frozen=True)
class Ended:
    guest: Guest
    over: bool


ENDED = {
    "its last beat there was T ago": Ended(guest(1000.0 - T), over=False),
    "its last beat there was longer ago": Ended(guest(1000.0 - T - 1), over=True),
    "it has left": Ended(guest(999.0, state=State.LEFT), over=True),
    "it was longer ago, and nobody has looked since": Ended(guest(900.0, healthy=900.0), over=False),
    "it was longer ago, and the last look is a moment old": Ended(guest(900.0, healthy=997.0), over=True),
}


@pytest.mark.parametrize("case", ENDED.values(), ids=ENDED)
def test_a_move_is_over_when(case: Ended) -> None:
    assert case.guest.done(now=1000.0) is case.over


def test_who_followed_may_be_rolled_back_for_a_down_time() -> None:
    """The only member beats in both stores for a while; then the new agent is taken back."""
    it = moved("m")
    old, _ = it.last("m")
    it.join("m", soon=True)
    it.run(T / 2)
    new, _ = it.last("m")
    new.alive = False
    it.run(4 * T)

    assert old.alive
    assert it.story("m") == [UP]


def test_a_group_that_is_made_anew_in_the_midst_of_a_move_has_come_from_nowhere() -> None:
    it = moved(*FEW)
    it.recreate()
    it.run(3 * T)

    assert it.operator is not None
    assert it.operator.moves.of_store("a") == {}
    assert "movingFrom" not in it.status
    assert it.verdicts() == {}


def test_stores_that_the_operator_does_not_have_are_not_looked_into() -> None:
    moves = Moves(("a", "b"))

    assert set(moves.open(KEY, stores=("a", "gone"), policy=POLICY)) == {"a"}
    assert set(moves.of_store("a")) == {KEY}
    assert moves.of_store("gone") == {}
