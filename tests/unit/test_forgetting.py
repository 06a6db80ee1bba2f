"""Who is forgotten, and when: by silence alone (design, section 7), and nobody whom somebody waits for.

A user must not miss: a dead member that is never shown because it is forgotten at once, a living one whose row goes,
one that stays for ever, and a name that was forgotten and comes back by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servicegroup.evaluation import NO_PODS, View
from servicegroup.forgetting import AT_ONCE, asked, forgettable
from servicegroup.liveness import RESTORED, Judgement, Published
from servicegroup.model import Beat, Fact, GroupKey, GroupSpec, Old, Override, Reason, State, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.operator.manifest import FORGET, spec_of
from servicegroup.operator.tending import FORGET_EVERY
from servicegroup.pods import UNTOLD, Duty, Service

from tests.unit.several_stores import Site
from tests.unit.simulation import NINETEEN_SEVENTY_PLUS, POLICY, Row

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
T, C, INTERVAL, PASS = POLICY.down_time, POLICY.sight, POLICY.interval, POLICY.pass_seconds
KEPT = 600.0
DAY = 86_400.0
LATE = FORGET_EVERY + 3 * PASS


def site(*members: str) -> Site:
    it = Site()
    it.respec(forget_after=KEPT)
    it.join(*members)
    it.start()
    it.run(2 * T)
    return it


def down(it: Site, member: str) -> float:
    """When it was published Down, for it was killed."""
    it.kill(member)
    it.run(T + 3 * PASS)
    at = it.turned(member, DOWN)
    assert at is not None
    return at


def test_who_has_been_down_for_the_time_is_forgotten_with_its_row_and_is_told_of() -> None:
    it = site("m", "n")
    fell = down(it, "m")
    it.run(KEPT - 10 * PASS)
    assert it.verdict("m") is DOWN
    it.run(LATE + 10 * PASS)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + LATE
    assert set(it.stores["a"].rows) == {"n"}
    assert set(it.stores["a"].members) == {"n"}
    assert it.status["counts"]["total"] == 1
    assert [one.message for _, one in it.server.events if one.reason == "MembersForgotten"] == ["1 member forgotten: m"]
    assert [one for _, one in it.server.events if one.reason == "MembersLeft"] == []


def test_who_was_forgotten_and_beats_again_is_a_member() -> None:
    """A machine that was suspended for a week: its agent's row is gone, and it joins anew."""
    it = site("m", "n")
    it.last("m")[0].paused = True
    it.run(T + KEPT + LATE)
    assert it.verdict("m") is None
    it.last("m")[0].paused = False
    it.run(3 * PASS)

    assert it.verdict("m") is UP
    assert it.story("m") == [UP, DOWN, None, UP]


def test_who_was_forgotten_does_not_come_back_by_a_new_operator() -> None:
    it = site("m", "n")
    down(it, "m")
    it.run(KEPT + LATE)
    before = it.now
    for _ in range(3):
        it.start()
        it.run(T)

    assert it.story("m", since=before) == []


def test_the_living_are_never_forgotten() -> None:
    it = site("m", "n")
    it.run(3 * KEPT)

    assert it.verdicts() == {"m": UP, "n": UP}


@dataclass(frozen=True)
class Waited:
    """Somebody waits for the member, or it is not Down for its silence."""

    field: dict[str, object]


WAITED = {
    "that ought to beat": Waited({"expected": frozenset({"m"})}),
    "that an administrator holds down": Waited({"overrides": {"m": Override(forced_down=True)}}),
}


@pytest.mark.parametrize("case", WAITED.values(), ids=WAITED)
def test_nobody_is_forgotten(case: Waited) -> None:
    it = site("m", "n")
    it.respec(**case.field)
    it.kill("m")
    it.run(T + 2 * KEPT)

    assert it.verdict("m") is DOWN
    assert "m" in it.stores["a"].rows


def test_who_is_disabled_and_dead_is_forgotten() -> None:
    it = site("m", "n")
    it.respec(overrides={"m": Override(disabled=True)})
    down(it, "m")
    it.run(KEPT + LATE)

    assert it.verdict("m") is None


def test_who_cannot_be_judged_is_not_forgotten_and_an_outage_forgets_nobody() -> None:
    it = site("m", "n")
    it.stores["a"].reachable = False
    it.run(T + 2 * KEPT)
    assert it.verdicts() == {"m": UNKNOWN, "n": UNKNOWN}
    it.stores["a"].reachable = True
    it.run(INTERVAL + LATE)

    assert it.verdicts() == {"m": UP, "n": UP}


def test_who_left_is_gone_at_once_and_its_row_after_the_time() -> None:
    it = site("m", "n")
    it.leave("m")
    it.run(KEPT - INTERVAL - PASS)
    assert it.verdict("m") is None
    assert "m" in it.stores["a"].rows
    it.run(INTERVAL + LATE)

    assert "m" not in it.stores["a"].rows
    assert it.story("m") == [UP, None]


def test_who_left_and_whose_row_went_back_to_before_the_leave_does_not_appear_when_it_is_forgotten() -> None:
    """The row that is there is removed, and not the one that was seen."""
    it = site("m", "n")
    rows = it.stores["a"].rows
    it.run(2 * INTERVAL)
    it.leave("m")
    it.run(2 * INTERVAL)
    it.stores["a"].rows = {**it.stores["a"].rows, "m": rows["m"]}
    it.run(2 * KEPT)

    assert it.story("m") == [UP, None]
    assert "m" not in it.stores["a"].rows


# What the silence is counted by.


@pytest.mark.parametrize("step", [-DAY, DAY], ids=["back", "forward"])
def test_a_wall_clock_that_steps_makes_nobody_forgotten_sooner_or_later(step: float) -> None:
    it = site("m", "n")
    fell = down(it, "m")
    it.wall_step += step
    it.run(KEPT + LATE)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + LATE


@pytest.mark.parametrize("step", [-DAY, DAY], ids=["back", "forward"])
def test_a_wall_clock_that_steps_does_so_neither_where_the_row_is_lost(step: float) -> None:
    """Called Down by this operator, which knows for how long by its own clock."""
    it = site("m", "n")
    it.kill("m")
    it.stores["a"].rows = {"n": it.stores["a"].rows["n"]}
    it.start()
    fell = down(it, "m")
    it.wall_step += step
    it.run(KEPT + LATE)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + LATE


def test_a_clock_of_the_store_that_steps_makes_nobody_forgotten_sooner() -> None:
    it = site("m", "n")
    fell = down(it, "m")
    it.stores["a"].step += DAY
    it.run(KEPT - 10 * PASS)
    assert it.verdict("m") is DOWN
    it.run(LATE + 10 * PASS)

    assert fell + KEPT <= (it.turned("m", None) or 0.0)


def test_a_wall_clock_that_stepped_over_a_restart_forgets_nobody_whose_row_is_there() -> None:
    it = site("m", "n")
    fell = down(it, "m")
    it.stop()
    it.wall_step += DAY
    it.start()
    it.run(KEPT - 10 * PASS)
    assert it.verdict("m") is DOWN
    it.run(LATE + 10 * PASS)

    assert fell + KEPT <= (it.turned("m", None) or 0.0) <= fell + KEPT + LATE


def test_restarts_of_the_operator_do_not_put_it_off() -> None:
    it = site("m", "n")
    fell = down(it, "m")
    for _ in range(14):
        it.start()
        it.run(50.0)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + 50.0 + C


def test_restarts_do_not_put_it_off_where_the_row_is_lost() -> None:
    it = site("m", "n")
    fell = down(it, "m")
    it.stores["a"].rows = {"n": it.stores["a"].rows["n"]}
    for _ in range(14):
        it.start()
        it.run(50.0)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + 50.0 + C


def test_who_died_while_no_operator_ran_is_down_for_the_whole_time_before_it_is_forgotten() -> None:
    """Else nobody would ever see it: an evacuation waits for Down."""
    it = site("m", "n")
    it.stop()
    it.kill("m")
    it.run(T + 3 * KEPT)
    it.start()
    it.run(2 * T)
    fell = it.turned("m", DOWN)
    assert fell is not None
    it.run(2 * KEPT)
    gone = it.turned("m", None)

    assert gone is not None
    assert fell + KEPT <= gone <= fell + KEPT + LATE
    assert it.story("n") == [UP]


def test_a_fresh_operator_shows_the_dead_that_it_finds_for_the_whole_time() -> None:
    it = Site()
    it.respec(forget_after=KEPT)
    it.stores["a"].rows = {"m": Row(Beat("m", "old", 7, INTERVAL), it.stores["a"].clock(-3 * DAY))}
    it.join("n")
    it.start()
    it.run(2 * T)
    assert it.verdict("m") is DOWN
    fell = it.turned("m", DOWN)
    it.run(KEPT)

    assert fell is not None
    assert fell + KEPT <= (it.turned("m", None) or 0.0)


def test_nobody_is_forgotten_during_a_move_and_the_dead_of_the_old_store_are_after_it() -> None:
    it = site("m", "n")
    down(it, "m")
    it.move("b")
    it.run(2 * KEPT)
    assert it.verdict("m") is DOWN
    it.follow("n")
    it.run(2 * T + LATE)

    assert "movingFrom" not in it.status
    assert it.verdicts() == {"n": UP}
    it.start()
    it.run(2 * T)
    assert it.verdicts() == {"n": UP}


# Whom one pass takes.

NOW, WALL = 100_000.0, NINETEEN_SEVENTY_PLUS
SPEC = GroupSpec(GroupKey("test", "compute"), POLICY, forget_after=KEPT)
WATCHED = Watch(ended=NOW, healthy=NOW, sight=0.0, store_back=0.0, epoch="e")
LONG = T + KEPT


def silent(seconds: float, *, interval: float = INTERVAL) -> Observation:
    return Observation("one", 5, interval, State.BEATING, beat=NOW - seconds)


def said(reason: Reason, *, ago: float, restored: bool = False) -> Judgement:
    verdict = {Reason.SILENT: DOWN, Reason.BEATING: UP}.get(reason, UNKNOWN)
    return Judgement(verdict, reason, WALL - ago, RESTORED if restored else NOW - ago)


NO_ROW = Observation("", -1, INTERVAL, State.BEATING, beat=NOW - 5 * KEPT)


@dataclass(frozen=True)
class Case:
    seen: Observation | None
    said: Judgement | None
    goes: bool
    change: Callable[[View], View] = lambda view: view


def watch(**fields: object) -> Callable[[View], View]:
    return lambda view: replace(view, watch=replace(WATCHED, **fields))  # type: ignore[arg-type]


SILENT_LONG = said(Reason.SILENT, ago=KEPT)
CASES = {
    "silent for exactly the time after T": Case(silent(LONG), SILENT_LONG, goes=True),
    "silent for a second less": Case(silent(LONG - 1), SILENT_LONG, goes=False),
    "silent for long, and called Down a second too late": Case(
        silent(2 * LONG), said(Reason.SILENT, ago=KEPT - 1), goes=False
    ),
    "called Down by the operator before, and silent for long": Case(
        silent(LONG), said(Reason.SILENT, ago=0.0, restored=True), goes=True
    ),
    "its agent promised twice the interval": Case(silent(LONG, interval=20.0), SILENT_LONG, goes=False),
    "its agent promised twice the interval, and T is twice as long": Case(
        silent(LONG + T, interval=20.0), SILENT_LONG, goes=True
    ),
    "its row is lost, and it was called Down long ago": Case(NO_ROW, SILENT_LONG, goes=True),
    "its row is lost, and it was called Down later": Case(NO_ROW, said(Reason.SILENT, ago=KEPT - 1), goes=False),
    "its row is lost, and an operator before called it Down long ago": Case(
        NO_ROW, said(Reason.SILENT, ago=KEPT, restored=True), goes=True
    ),
    "nothing is known of it but that it was called Down": Case(
        None, said(Reason.SILENT, ago=KEPT, restored=True), goes=True
    ),
    "it is up": Case(silent(5.0), said(Reason.BEATING, ago=5 * KEPT), goes=False),
    "it cannot be judged": Case(silent(2 * LONG), said(Reason.NOT_WATCHING, ago=5 * KEPT), goes=False),
    "it was never seen": Case(None, said(Reason.MISSING, ago=5 * KEPT), goes=False),
    "it left that long ago": Case(replace(silent(KEPT), state=State.LEFT), None, goes=True),
    "it left later": Case(replace(silent(KEPT - 1), state=State.LEFT), None, goes=False),
    "its row is of an earlier stay, and silent for exactly T": Case(silent(T), None, goes=False),
    "its row is of an earlier stay, and silent for longer": Case(silent(T + 1), None, goes=True),
    "its row is of an earlier stay, whose agent promised twice the interval": Case(
        silent(T + 1, interval=20.0), None, goes=False
    ),
    "the pass was not healthy": Case(silent(LONG), SILENT_LONG, goes=False, change=watch(healthy=NOW - PASS)),
    "the operator has looked for less than C": Case(silent(LONG), SILENT_LONG, goes=False, change=watch(sight=NOW - 9)),
    "the store has been back for less than T": Case(
        silent(LONG), SILENT_LONG, goes=False, change=watch(store_back=NOW - T + 1)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_who_goes_after_a_pass(case: Case) -> None:
    view = View(
        watch=WATCHED,
        observations={} if case.seen is None else {"m": case.seen},
        judged={} if case.said is None else {"m": case.said},
    )
    row = case.seen is not None and bool(case.seen.incarnation)
    facts = (Fact("m", "one", 5, INTERVAL, State.BEATING, 1.0),) if row else ()
    gone = forgettable(case.change(view), facts, spec=SPEC, now=NOW, wall=WALL)

    assert gone == ((Old("m", "one", 5) if row else Old("m", "", -1),) if case.goes else ())


DUTIES = {
    "no pod of its": (Duty(), True),
    "its pod runs": (Duty({"m": Service(expected=NOW)}), False),
    "its pod is being deleted": (Duty({"m": Service(leaving=True)}), True),
    "nobody has told of pods yet": (UNTOLD, False),
    "nobody will tell": (Duty(told=False, refused=True), True),
}


@pytest.mark.parametrize(("duty", "goes"), DUTIES.values(), ids=DUTIES)
def test_whose_pod_runs_is_waited_for(duty: Duty, *, goes: bool) -> None:
    view = View(watch=WATCHED, observations={"m": silent(LONG)}, judged={"m": SILENT_LONG})

    assert bool(forgettable(view, (), spec=SPEC, now=NOW, wall=WALL, duty=duty)) is goes


def test_a_pass_takes_no_more_than_a_call_to_the_store_bears() -> None:
    names = [f"node-{number:04}" for number in range(AT_ONCE + 1)]
    view = View(
        watch=WATCHED, observations=dict.fromkeys(names, silent(LONG)), judged=dict.fromkeys(names, SILENT_LONG)
    )
    gone = forgettable(view, (), spec=SPEC, now=NOW, wall=WALL)

    assert [old.member for old in gone] == names[:AT_ONCE]


def test_who_is_said_to_be_forgotten_is_said_so_once() -> None:
    it = site("m", "n")
    down(it, "m")
    it.run(5 * KEPT)

    assert len([one for _, one in it.server.events if one.reason == "MembersForgotten"]) == 1
    assert it.shown == {"n": Published(UP, Reason.BEATING, it.shown["n"].since)}


# It holds always.

PAUSES = st.sampled_from((0.0, 2.0, 12.0, 31.0, 66.0, 200.0, 650.0))
WRECKS: dict[str, Callable[[Site], None]] = {
    "m dies": lambda it: it.kill("m"),
    "n dies": lambda it: it.kill("n"),
    "m comes back": lambda it: it.join("m", soon=True),
    "a new operator starts": Site.start,
    "the operator stops": Site.stop,
    "the store restarts, wiped": lambda it: it.stores["a"].restart(wiped=True),
    "the store is out": lambda it: setattr(it.stores["a"], "reachable", False),
    "the store serves": lambda it: setattr(it.stores["a"], "reachable", True),
    "the store's clock steps forward": lambda it: setattr(it.stores["a"], "step", it.stores["a"].step + DAY),
    "the store's clock steps back": lambda it: setattr(it.stores["a"], "step", it.stores["a"].step - DAY),
}


@given(history=st.lists(st.tuples(st.sampled_from(sorted(WRECKS)), PAUSES), min_size=3, max_size=10))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_nobody_is_forgotten_who_was_not_silent_for_the_time_and_every_dead_one_is(
    history: list[tuple[str, float]],
) -> None:
    it = site("m", "n", "living")
    for name, seconds in history:
        WRECKS[name](it)
        it.run(seconds)
    it.stores["a"].reachable = True
    if it.operator is None:
        it.start()
    it.run(3 * T + KEPT + LATE)
    forgotten = [change for change in it.changes if change.after is None]
    dead = {member for member in ("m", "n") if not it.last(member)[0].alive}

    assert {change.member for change in forgotten} <= {"m", "n"}
    for change in forgotten:
        writes = [at for agent, _ in it.agents if agent.member == change.member for at in agent.writes]
        assert all(not change.at - KEPT < at <= change.at for at in writes)
    assert dead.isdisjoint(it.verdicts())


# Whom a person asks to forget.


def wish(it: Site, member: str, *, since: str | None = None) -> None:
    """As `servicegroup forget` writes it, by the status."""
    said = next(one for one in it.status["notUp"] if one["member"] == member)
    text = f"{said['since'] if since is None else since} {member}"
    body = {"metadata": {"name": "compute", "annotations": {f"{FORGET}{len(text)}": text, "other": text}}}
    it.respec(forget=spec_of(body).forget)


def why(it: Site, member: str) -> Reason:
    return it.tended.view.published[member].reason


def test_who_is_dead_and_asked_to_be_forgotten_is_gone_with_the_next_pass_and_its_row_with_it() -> None:
    it = site("m", "n", "node 3: é")
    it.kill("m", "node 3: é")
    it.run(T + 3 * PASS)
    wish(it, "node 3: é")
    it.run(2 * PASS)

    assert it.verdicts() == {"m": DOWN, "n": UP}
    assert set(it.stores["a"].rows) == {"m", "n"}
    assert set(it.stores["a"].members) == {"m", "n"}
    assert "MembersForgotten" in {one.reason for _, one in it.server.events}


def test_a_wish_that_was_left_behind_forgets_no_later_silence() -> None:
    it = site("m", "n")
    it.last("m")[0].paused = True
    it.run(T + 3 * PASS)
    wish(it, "m", since="2027-01-15T08:00:00Z")
    it.run(LATE)
    assert it.verdict("m") is DOWN
    wish(it, "m")
    it.last("m")[0].paused = False
    it.last("m")[0].due = it.now
    it.run(3 * PASS)
    before = it.now
    it.kill("m")
    it.run(2 * T)

    assert it.story("m", since=before) == [DOWN]


def test_a_wish_about_the_silence_of_one_that_was_ill_is_about_that_silence() -> None:
    """Down before it, and after it: the time of the verdict alone would not tell two silences apart."""
    it = site("m", "n")
    agent = it.last("m")[0]
    agent.state = State.UNHEALTHY
    it.run(INTERVAL + LATE)
    agent.paused = True
    it.run(T + INTERVAL)
    assert why(it, "m") is Reason.SILENT
    wish(it, "m")
    wanted = it.tended.spec.forget
    it.respec(forget={})
    agent.paused = False
    it.run(INTERVAL + LATE)
    assert why(it, "m") is Reason.SERVICE_UNHEALTHY
    it.respec(forget=wanted)
    agent.paused = True
    it.run(T + INTERVAL)

    assert why(it, "m") is Reason.SILENT


SINCE = WALL - 120.0
WISHED = replace(SPEC, forget={"m": SINCE})
SILENT_NOW = Published(DOWN, Reason.SILENT, SINCE + 0.75)


@dataclass(frozen=True)
class Wish:
    goes: bool
    said: Published = SILENT_NOW
    spec: GroupSpec = WISHED
    watch: Watch = WATCHED
    duty: Duty = NO_PODS


WISHES = {
    "who is silent since then": Wish(goes=True),
    "who is silent since a second later": Wish(goes=False, said=replace(SILENT_NOW, since=SINCE + 1)),
    "who is up": Wish(goes=False, said=Published(UP, Reason.BEATING, SINCE)),
    "who is down, and beats": Wish(goes=False, said=Published(DOWN, Reason.SERVICE_UNHEALTHY, SINCE)),
    "who is held": Wish(goes=False, said=Published(UNKNOWN, Reason.MASS_FAILURE, SINCE)),
    "who is forced down": Wish(goes=False, said=Published(DOWN, Reason.FORCED_DOWN, SINCE)),
    "who is to be forced down": Wish(goes=False, spec=replace(WISHED, overrides={"m": Override(forced_down=True)})),
    "who is expected": Wish(goes=False, spec=replace(WISHED, expected=frozenset({"m"}))),
    "whose pod runs": Wish(goes=False, duty=Duty({"m": Service(expected=NOW)})),
    "whose pod is being deleted": Wish(goes=True, duty=Duty({"m": Service(leaving=True)})),
    "while nobody has told of pods yet": Wish(goes=False, duty=UNTOLD),
    "after a pass that failed": Wish(goes=False, watch=replace(WATCHED, healthy=NOW - PASS)),
    "before C of sight": Wish(goes=False, watch=replace(WATCHED, sight=NOW - 9)),
}


@pytest.mark.parametrize("case", WISHES.values(), ids=WISHES)
def test_who_goes_as_a_person_asks(case: Wish) -> None:
    view = View(watch=case.watch, observations={"m": silent(T + 2)}, published={"m": case.said})
    facts = (Fact("m", "one", 5, INTERVAL, State.BEATING, T + 2),)
    gone = asked(view, facts, spec=case.spec, now=NOW, duty=case.duty)

    assert gone == ((Old("m", "one", 5),) if case.goes else ())


def test_many_wishes_stand_beside_each_other_and_what_is_none_is_passed_over() -> None:
    words = {f"{FORGET}1": "2027-01-15T08:00:00Z a b", f"{FORGET}2": "2027-01-15T08:00:01Z c", f"{FORGET}3": "soon d"}
    body = {"metadata": {"name": "compute", "annotations": {**words, "x": "2027-01-15T08:00:00Z e"}}}

    assert spec_of(body).forget == {"a b": 1_800_000_000.0, "c": 1_800_000_001.0}
