"""Where a new operator goes on (design, rules 3 and 4): a status and a record in, a view out; then its first passes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servicegroup.announcement import heard
from servicegroup.evaluation import View, advance
from servicegroup.liveness import Judgement, Published
from servicegroup.massfailure import Braking
from servicegroup.model import Announced, Fact, GroupKey, GroupSpec, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Pass, Watch
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.restore import came_from, from_status, unrecorded, with_members, with_record, with_words
from servicegroup.operator.status import Moving, render
from servicegroup.record import Header, Record

NOW = 500.0
WALL = 1_800_000_000.0
POLICY = Policy(10.0, 60.0)
SPEC = GroupSpec(key=GroupKey("nova", "compute"), policy=POLICY)

UP = Published(Verdict.UP, Reason.BEATING, WALL - 5000)
DOWN = Published(Verdict.DOWN, Reason.SILENT, WALL - 500)
FORCED = Published(Verdict.DOWN, Reason.FORCED_DOWN, WALL - 400)


def status(
    members: Mapping[str, Published], *, publication: int = 5, checked: float = WALL, reachable: bool = True
) -> dict[str, Any]:
    """As the operator before would have rendered it, `checked` being the time of its last healthy pass."""
    seen = View(watch=Watch(ended=NOW, healthy=NOW, epoch="e"), published=members, publication=publication)
    sight = StoreSight(None if reachable else "store db: refused", read_once=True)
    return render(seen, spec=SPEC, before={}, driver="db", sight=sight, now=NOW, wall=checked)


def record(
    members: Mapping[str, Published],
    *,
    publication: int = 5,
    age: float = 3.0,
    store_back_for: float = 1000.0,
    blind_for: float = 0.0,
) -> Record:
    return Record(Header(publication, POLICY, "e", store_back_for, blind_for), age, members)


def restored(said: Mapping[str, Any], found: Record | None) -> View:
    view = from_status(said, now=NOW, wall=WALL)
    return view if found is None else with_record(view, found, status=said, policy=POLICY, now=NOW)


@dataclass(frozen=True)
class Case:
    in_status: Mapping[str, Published]
    status_number: int
    in_record: Mapping[str, Published]
    record_number: int
    after: Mapping[str, Published]


CASES = {
    "the record's number is higher: it wins": Case({"a": UP}, 4, {"a": DOWN}, 5, {"a": DOWN}),
    "the status's number is higher: it wins": Case({"a": DOWN}, 6, {"a": UP}, 5, {"a": DOWN}),
    "the record's number is higher: the status fills gaps": Case({"b": DOWN}, 4, {"a": UP}, 5, {"a": UP, "b": DOWN}),
    "the status's number is higher: the record fills gaps": Case({"b": DOWN}, 6, {"a": UP}, 5, {"a": UP, "b": DOWN}),
    "nothing is in the status": Case({}, 0, {"a": UP, "b": DOWN}, 5, {"a": UP, "b": DOWN}),
    "nothing is in the record": Case({"a": UP, "b": DOWN}, 5, {}, 1, {"a": UP, "b": DOWN}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_new_operator_when(case: Case) -> None:
    view = restored(
        status(case.in_status, publication=case.status_number),
        record(case.in_record, publication=case.record_number),
    )

    assert view.published == case.after
    assert {member: said.verdict for member, said in view.judged.items()} == {
        member: said.verdict for member, said in case.after.items()
    }
    assert view.publication == max(case.status_number, case.record_number)


def test_an_operator_of_a_fresh_group_starts_with_nothing() -> None:
    view = restored({}, None)

    assert (view.published, view.publication, view.watch.healthy) == ({}, 0, None)


def test_a_member_forced_down_stays_a_member_and_its_judgement_is_open_beneath_the_word() -> None:
    view = restored(status({"a": FORCED}), record({"a": FORCED}))
    forcing = replace(SPEC, overrides={"a": Override(forced_down=True)})
    still, changes = advance(view, silent_pass(NOW), spec=forcing, wall=WALL)
    freed, _ = advance(view, silent_pass(NOW), spec=SPEC, wall=WALL)

    assert still.published == {"a": replace(FORCED, beneath=Reason.NOT_WATCHING)}
    assert [(change.before, change.after) for change in changes] == [(FORCED, still.published["a"])]
    assert freed.published["a"].verdict is Verdict.UNKNOWN


def silent_pass(now: float, *, epoch: str = "e", facts: tuple[Fact, ...] = ()) -> Pass:
    return Pass(now - 0.1, now, epoch, facts)


def passes(view: View, *, seconds: int, epoch: str = "e", silence: float = 0.0) -> dict[str, float]:
    """When, in seconds from now, each member was published Down; all are silent, `silence` of it before now."""
    fell: dict[str, float] = {}
    for second in range(seconds):
        facts = tuple(Fact(m, f"one-{m}", 9, 10.0, State.BEATING, silence + second) for m in view.published)
        view, changes = advance(
            view, silent_pass(NOW + second, epoch=epoch, facts=facts), spec=SPEC, wall=WALL + second
        )
        for change in changes:
            if change.after is not None and change.after.verdict is Verdict.DOWN:
                fell.setdefault(change.member, second)
    return fell


@dataclass(frozen=True)
class Start:
    """How long a member that has been silent for 50 s takes to be Down after a new operator's first pass."""

    found: Record | None
    said: Mapping[str, Any]
    at_least: float
    at_most: float
    epoch: str = "e"


TRUSTED = status({"a": UP})
STARTS = {
    "the store was back for long: it costs C": Start(record({"a": UP}), TRUSTED, 25, 27),
    "the store was back for 27 s when the record was written 3 s ago": Start(
        record({"a": UP}, store_back_for=27.0), TRUSTED, 30, 32
    ),
    "the store is another one: it costs T": Start(record({"a": UP}), TRUSTED, 60, 62, "another"),
    "the store was published as unreachable: it costs T": Start(
        record({"a": UP}), status({"a": UP}, reachable=False), 60, 62
    ),
    "the record is older than T: it costs T": Start(record({"a": UP}, age=61.0), TRUSTED, 60, 62),
    "the record is exactly T old: it costs C": Start(record({"a": UP}, age=60.0), TRUSTED, 25, 27),
    "there is no record: it costs T": Start(None, TRUSTED, 60, 62),
}


@pytest.mark.parametrize("case", STARTS.values(), ids=STARTS.keys())
def test_how_long_a_new_operator_looks_before_it_finds_the_dead(case: Start) -> None:
    fell = passes(restored(case.said, case.found), seconds=70, epoch=case.epoch, silence=50.0)

    assert case.at_least <= fell["a"] <= case.at_most


@pytest.mark.parametrize("found", [record({"a": DOWN}), None], ids=["with a record", "from the status alone"])
def test_a_restart_keeps_the_dead_down_and_since(found: Record | None) -> None:
    view = restored(status({"a": DOWN}), found)
    row = Fact("a", "one-a", 9, 10.0, State.BEATING, 2.0)
    for second in range(3):
        view, changes = advance(view, silent_pass(NOW + second, facts=(row,)), spec=SPEC, wall=WALL + second)
        assert changes == ()

    assert view.published == {"a": DOWN}


@pytest.mark.parametrize(
    ("checked", "verdict"),
    [(WALL, Verdict.UP), (WALL - 110, Verdict.UP), (WALL - 130, Verdict.UNKNOWN)],
    ids=["just now", "T and most of the minute ago", "T and more than the minute ago"],
)
def test_the_time_of_a_statuss_check_may_be_a_minute_old(checked: float, verdict: Verdict) -> None:
    view = restored(status({"a": UP}, checked=checked), None)
    after, _ = advance(view, Pass(NOW - 0.1, NOW), spec=SPEC, wall=WALL)

    assert after.published["a"].verdict is verdict


@pytest.mark.parametrize(
    ("age", "verdict"), [(55.0, Verdict.UP), (65.0, Verdict.UNKNOWN)], ids=["at most T", "more than T"]
)
def test_who_was_published_up_stays_so_for_t_after_the_record(age: float, verdict: Verdict) -> None:
    view = restored({}, record({"a": UP}, age=age))
    failing, _ = advance(view, Pass(NOW - 0.1, NOW), spec=SPEC, wall=WALL)

    assert failing.published["a"].verdict is verdict


def test_since_when_no_death_could_be_found_goes_on_through_restarts() -> None:
    view = restored(status({"a": UP}), record({"a": UP}, age=3.0, blind_for=100.0))

    assert view.watch.blind_for(now=NOW) == pytest.approx(103.0)


def test_an_operator_whose_own_first_reads_failed_trusts_no_store_it_did_not_see() -> None:
    said = status({"a": UP})
    view = from_status(said, now=NOW, wall=WALL)
    for second in range(10):
        view, _ = advance(view, Pass(NOW + second - 0.1, NOW + second), spec=SPEC, wall=WALL)
    view = with_record(view, record({"a": UP}), status=said, policy=POLICY, now=NOW + 10)
    view, _ = advance(view, silent_pass(NOW + 10), spec=SPEC, wall=WALL)

    assert view.watch.store_back == NOW + 10


# Groups that move.


@dataclass(frozen=True)
class Came:
    """From which stores a group comes, by its status; and which of them nobody has read since."""

    status: Mapping[str, Any]
    before: tuple[str, ...]
    unrecorded: tuple[str, ...] = ()


def moving(store: str, *stores: str, unread: tuple[str, ...] = ()) -> dict[str, Any]:
    """As the operator before would have said it."""
    seen = View(watch=Watch(ended=NOW, healthy=NOW, epoch="e"), published={"a": UP})
    return render(
        seen,
        spec=replace(SPEC, store=store),
        before={},
        driver="db",
        sight=StoreSight(read_once=True),
        moving=Moving(stores=stores, unrecorded=unread),
        now=NOW,
        wall=WALL,
    )


CAME = {
    "nothing was published": Came({}, ()),
    "it was judged by this store": Came(moving("here"), ()),
    "it was judged by another": Came(moving("one"), ("one",), ("one",)),
    "it is on its way from another": Came(moving("here", "one"), ("one",)),
    "it is on its way from two": Came(moving("here", "two", "one"), ("two", "one")),
    "it moves on": Came(moving("two", "one"), ("two", "one"), ("two",)),
    "it moves back": Came(moving("two", "here"), ("two",), ("two",)),
    "the one that it left was not read since": Came(moving("here", "one", unread=("one",)), ("one",), ("one",)),
    "it moves on, and the first was not read since": Came(
        moving("two", "one", unread=("one",)), ("two", "one"), ("two", "one")
    ),
    "somebody wrote nonsense": Came({"store": 5, "movingFrom": [None, "", {}]}, ()),
    "somebody wrote no list": Came({"store": "one", "movingFrom": None, "conditions": None}, ("one",), ("one",)),
}


@pytest.mark.parametrize("case", CAME.values(), ids=CAME)
def test_a_group_that_is_in_the_store_here_came_from(case: Came) -> None:
    before = came_from(case.status, store="here")

    assert before == case.before
    assert tuple(unrecorded(case.status, before)) == case.unrecorded


def test_the_record_of_the_store_before_names_members_and_says_nothing_of_this_store() -> None:
    found = Record(Header(9, POLICY, "another", 1000.0, 50.0, promised=30.0), 3.0, {"a": UP, "b": DOWN})
    view = with_members(from_status({}, now=NOW, wall=WALL), found, now=NOW)

    assert view.published == {"a": UP, "b": DOWN}
    assert (view.publication, view.promised) == (9, 30.0)
    assert view.watch == Watch(blind=NOW)


@pytest.mark.parametrize(("in_status", "in_record"), [(30.0, 0.0), (0.0, 30.0), (20.0, 30.0), (30.0, 20.0)])
def test_the_longest_promise_that_was_published_is_the_one_that_counts(in_status: float, in_record: float) -> None:
    said = status({"a": UP}) | {"effective": {"promisedIntervalSeconds": round(in_status)}}
    found = Record(Header(5, POLICY, "e", 1000.0, 0.0, promised=in_record), 3.0, {"a": UP})

    assert restored(said, found).promised == 30.0


def test_another_operators_word_takes_neither_the_brake_nor_an_announced_hold_away() -> None:
    announcement = heard(None, Announced(WALL, WALL + 60), now=NOW, wall=WALL)
    mine = Braking(above=NOW - 5, on=True, announcement=announcement)
    view = View(watch=Watch(ended=NOW, healthy=NOW, epoch="e"), braking=mine)
    assert with_words(view, record({}), policy=POLICY, now=NOW).braking == mine

    theirs = record({})
    held = replace(theirs, header=replace(theirs.header, held_since=WALL, held_until=WALL + 600, hold_left=600.0))
    braking = with_words(view, held, policy=POLICY, now=NOW).braking
    assert braking.announcement == announcement
    assert braking.holding(now=NOW) is not None


HELD = Published(Verdict.UNKNOWN, Reason.MASS_FAILURE, WALL - 5)
BLIND = Published(Verdict.UNKNOWN, Reason.NOT_WATCHING, WALL - 5)


@dataclass(frozen=True)
class Word:
    """What another operator says of one who is Up here, for how long that one is silent, and what is said then."""

    said: Published
    silent: float
    verdict: Verdict
    beats: bool = False


WORDS = {
    "Down, of one who is silent for T here too": Word(DOWN, 60.5, Verdict.DOWN),
    "Down, of one who is silent for exactly T": Word(DOWN, 59.0, Verdict.UP),
    "Down, of one who beats": Word(DOWN, 5.0, Verdict.UP),
    "Down, of one whose beat is read just now": Word(DOWN, 60.5, Verdict.UP, beats=True),
    "held, of one who is silent for T here too": Word(HELD, 60.5, Verdict.UNKNOWN),
    "that it cannot tell": Word(BLIND, 60.5, Verdict.UP),
    "Up": Word(UP, 60.5, Verdict.UP),
}


@pytest.mark.parametrize("case", WORDS.values(), ids=WORDS)
def test_another_operator_that_publishes_says(case: Word) -> None:
    """This one has looked for too short a time to tell."""
    seen = Observation("one", 5, 10.0, State.BEATING, NOW - case.silent, fresh=NOW - case.silent)
    view = View(
        watch=Watch(ended=NOW - 1, healthy=NOW - 1, read=NOW - 1, looking=NOW - 1, sight=NOW - 10, store_back=0.0),
        observations={"a": seen},
        judged={"a": Judgement(Verdict.UP, Reason.BEATING, WALL - 90, NOW - 90, definite=Verdict.UP)},
    )
    header = replace(record({}).header, held_since=WALL - 5, held_until=WALL + 595, hold_left=595.0)
    told = replace(record({"a": case.said}), header=header if case.said is HELD else record({}).header)
    fact = Fact("a", "one", 6 if case.beats else 5, 10.0, State.BEATING, 0.5 if case.beats else case.silent)
    after, _ = advance(
        with_words(view, told, policy=POLICY, now=NOW), Pass(NOW, NOW, "e", (fact,)), spec=SPEC, wall=WALL
    )

    assert after.published["a"].verdict is case.verdict


def test_another_operators_word_counts_of_those_whom_this_one_calls_up_and_brings_nobody_back() -> None:
    """Who was forgotten, or has left, stands in the other's record for a pass or two more."""
    up = restored(status({"a": UP}), None)
    after = with_words(up, record({"a": DOWN, "forgotten": DOWN}), policy=POLICY, now=NOW)
    assert {member: said.verdict for member, said in after.judged.items()} == {"a": Verdict.DOWN}
