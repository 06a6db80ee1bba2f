"""The rules one by one (design, section 6): observations and a policy in, verdicts out."""

from dataclasses import dataclass, replace

import pytest
from servicegroup.liveness import Judgement, Moment, Published, judge, publish, restore
from servicegroup.model import Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.pods import NO_POD, Service

POLICY = Policy(interval=10.0, down_time=60.0)
NOW = 1000.0
WALL = 1_800_000_000.0
BEFORE = 1_700_000_000.0

WATCHED = Watch(sight=0.0, store_back=0.0, healthy=NOW)
STARTED = Watch(sight=NOW - 24.0, store_back=0.0, healthy=NOW)
RETURNED = Watch(sight=0.0, store_back=NOW - 59.0, healthy=NOW)
BROKEN = Watch(sight=0.0, store_back=0.0, broken=True)

UP = Judgement(Verdict.UP, Reason.BEATING, BEFORE, 900.0)
DOWN = Judgement(Verdict.DOWN, Reason.SILENT, BEFORE, 900.0)
UNKNOWN = Judgement(Verdict.UNKNOWN, Reason.NOT_WATCHING, BEFORE, 900.0)
MISSING = Judgement(Verdict.UNKNOWN, Reason.MISSING, BEFORE, 900.0)


UNHEALTHY = Judgement(Verdict.DOWN, Reason.SERVICE_UNHEALTHY, BEFORE, 900.0)
NOT_RUNNING = Judgement(Verdict.DOWN, Reason.SERVICE_NOT_RUNNING, BEFORE, 900.0)


def silent(
    seconds: float, *, fresh: float | None = 500.0, interval: float = 10.0, met: float = 0.0, incarnation: str = "one"
) -> Observation:
    return Observation(incarnation, 5, interval, State.BEATING, beat=NOW - seconds, fresh=fresh, met=met)


def says(state: State, *, seconds: float = 1.0, fresh: float | None = NOW, well: bool | None = None) -> Observation:
    """Of a member that beats, and says this of its service."""
    return replace(silent(seconds, fresh=fresh), state=state, well=well)


ILL = says(State.UNHEALTHY, well=False)
WELL = says(State.HEALTHY, well=True)
BEATS = says(State.BEATING)
DRAINS = says(State.DRAINING)
CHECKS = says(State.CHECKING)


def at(*, healthy: bool = True, last_sight: float | None = NOW - 1.0) -> Moment:
    return Moment(now=NOW, wall=WALL, healthy=healthy, last_sight=last_sight)


HEALTHY = at()


@dataclass(frozen=True)
class Case:
    before: Judgement | None
    seen: Observation | None
    said: tuple[Verdict, Reason]
    watch: Watch = WATCHED
    moment: Moment = HEALTHY
    service: Service | None = NO_POD


IS_UP = (Verdict.UP, Reason.BEATING)
IS_DOWN = (Verdict.DOWN, Reason.SILENT)
NOBODY_LOOKED = (Verdict.UNKNOWN, Reason.NOT_WATCHING)
STORE_OUT = (Verdict.UNKNOWN, Reason.STORE_UNREACHABLE)
NEVER_SEEN = (Verdict.UNKNOWN, Reason.MISSING)
IS_ILL = (Verdict.DOWN, Reason.SERVICE_UNHEALTHY)
STOPS = (Verdict.DOWN, Reason.SERVICE_NOT_RUNNING)

RUNS = Service(ran=NOW - 25.0)
RAN_SHORTLY = Service(ran=NOW - 24.9)
STOPPED = Service(stopped=NOW - 61.0, confirmed=NOW - 0.9)
NOT_CONFIRMED = Service(stopped=NOW - 61.0)
LEAVING = Service(leaving=True)

CASES = {
    "a beat a second ago is up": Case(None, silent(1.0), IS_UP),
    "exactly T of silence is up": Case(UP, silent(60.0), IS_UP),
    "a hair more than T is down": Case(UP, silent(60.001), IS_DOWN),
    "exactly T is up, seen for the first time": Case(None, silent(60.0, fresh=None), IS_UP),
    "a hair more than T is down, when Unknown was said": Case(UNKNOWN, silent(60.001), IS_DOWN),
    "silence in a pass that failed is not judged": Case(UP, silent(61.0), IS_UP, moment=at(healthy=False)),
    "silence before C of sight is not judged": Case(UP, silent(61.0), IS_UP, STARTED),
    "silence before T of the store is not judged": Case(UP, silent(61.0), IS_UP, RETURNED),
    "silence over a store that is out is not judged": Case(UP, silent(61.0), IS_UP, BROKEN, at(healthy=False)),
    "silence that nobody watched, Unknown before, stays so": Case(UNKNOWN, silent(61.0), NOBODY_LOOKED, STARTED),
    "a row that is old at a fresh install is Unknown": Case(None, silent(86_400.0, fresh=None), NOBODY_LOOKED, STARTED),
    "a row that is old is down once watched": Case(UNKNOWN, silent(86_400.0, fresh=None), IS_DOWN),
    "up stays for exactly T after the last sight": Case(UP, silent(61.0), IS_UP, STARTED, at(last_sight=NOW - 60.0)),
    "up ends a hair more than T after the last sight": Case(
        UP, silent(200.0), NOBODY_LOOKED, STARTED, at(last_sight=NOW - 60.001)
    ),
    "up over a store that is out ends with the reason": Case(
        UP, silent(200.0), STORE_OUT, BROKEN, at(healthy=False, last_sight=NOW - 60.001)
    ),
    "up without any sight of it ends at once": Case(UP, silent(200.0), NOBODY_LOOKED, STARTED, at(last_sight=None)),
    "down stays down over a row that looks young": Case(DOWN, silent(1.0, fresh=None), IS_DOWN),
    "down stays down over a beat read before the judgement": Case(DOWN, silent(1.0, fresh=900.0), IS_DOWN),
    "down ends by one fresh beat": Case(DOWN, silent(1.0, fresh=900.25), IS_UP),
    "down ends by one fresh beat, though nothing is watched": Case(DOWN, silent(1.0, fresh=NOW), IS_UP, STARTED),
    "down stays down when the store is out": Case(DOWN, silent(500.0), IS_DOWN, BROKEN, at(healthy=False)),
    "down stays down without a row": Case(DOWN, None, IS_DOWN),
    "unknown ends by a baseline at most T old": Case(UNKNOWN, silent(5.0, fresh=None), IS_UP),
    "who ought to beat and was never seen is Missing": Case(None, None, NEVER_SEEN),
    "Missing stays Missing, however long it was watched": Case(MISSING, None, NEVER_SEEN),
    "Missing ends with the first beat": Case(MISSING, silent(0.5), IS_UP),
    "published up and not read yet stays up": Case(UP, None, IS_UP, STARTED, at(healthy=False)),
    "published up and not read for T is Unknown": Case(
        UP, None, STORE_OUT, BROKEN, at(healthy=False, last_sight=NOW - 61.0)
    ),
    "an old row met just now is not judged": Case(None, silent(661.0, fresh=None, met=NOW), NOBODY_LOOKED),
    "an old row met less than C ago is not judged": Case(None, silent(661.0, met=NOW - 24.0), NOBODY_LOOKED),
    "an old row met C ago is down": Case(UNKNOWN, silent(661.0, met=NOW - 25.0), IS_DOWN),
    "without a row nobody becomes up": Case(UNKNOWN, silent(1.0, fresh=None, incarnation=""), NOBODY_LOOKED),
    "without a row, published up, stays up": Case(UP, silent(1.0, fresh=None, incarnation=""), IS_UP),
    "without a row nobody stays up for longer than T": Case(
        UP, silent(1.0, fresh=None, incarnation=""), NOBODY_LOOKED, STARTED, at(last_sight=NOW - 61.0)
    ),
    "without a row for more than T is down": Case(UP, silent(60.001, fresh=None, incarnation=""), IS_DOWN),
    "up ends 2 x T after the last beat, whatever the last observer saw": Case(
        UP, silent(120.001), NOBODY_LOOKED, STARTED, at(last_sight=NOW - 1.0)
    ),
    "a promise of 20 s makes 2 x T of silence up": Case(UP, silent(120.0, interval=20.0), IS_UP),
    "a promise of 20 s makes a hair more than 2 x T down": Case(UP, silent(120.001, interval=20.0), IS_DOWN),
    "a promise of 5 s makes nobody wait less": Case(UP, silent(60.0, interval=5.0), IS_UP),
    "an unhealthy beat is down at once": Case(UP, ILL, IS_ILL),
    "an unhealthy beat is down, though nothing is watched": Case(None, ILL, IS_ILL, STARTED),
    "a baseline that says unhealthy says nothing": Case(UP, says(State.UNHEALTHY, fresh=None), IS_UP),
    "unhealthy stays so with the next beat": Case(UNHEALTHY, ILL, IS_ILL),
    "unhealthy stays so between two beats": Case(UNHEALTHY, says(State.UNHEALTHY, fresh=900.0, well=False), IS_ILL),
    "unhealthy ends by a healthy beat": Case(UNHEALTHY, WELL, IS_UP),
    "unhealthy ends by no baseline of a new observer": Case(UNHEALTHY, says(State.HEALTHY, fresh=None), IS_ILL),
    "unhealthy ends by a beat of an agent that checks nothing": Case(UNHEALTHY, BEATS, IS_UP),
    "unhealthy stays until a new agent has looked": Case(UNHEALTHY, CHECKS, IS_ILL),
    "unhealthy stays while it drains": Case(UNHEALTHY, DRAINS, IS_ILL),
    "who drains gets no new ill health": Case(UP, says(State.DRAINING), IS_UP, service=STOPPED),
    "unhealthy and silent for T is unhealthy still": Case(UNHEALTHY, replace(ILL, beat=NOW - 60.0), IS_ILL),
    "unhealthy and silent for longer is silent": Case(
        UNHEALTHY, says(State.UNHEALTHY, seconds=60.001, fresh=900.0, well=False), IS_DOWN
    ),
    "unhealthy and silent, and nobody watched, stays unhealthy": Case(
        UNHEALTHY, says(State.UNHEALTHY, seconds=61.0, fresh=900.0, well=False), IS_ILL, STARTED
    ),
    "unhealthy and not read yet stays unhealthy": Case(UNHEALTHY, None, IS_ILL, STARTED, at(healthy=False)),
    "unhealthy over a store that is out stays unhealthy": Case(
        UNHEALTHY, says(State.UNHEALTHY, seconds=500.0, well=False), IS_ILL, BROKEN, at(healthy=False)
    ),
    "down by silence ends by an unhealthy beat, which is down": Case(DOWN, ILL, IS_ILL),
    "a container that does not run for T is down": Case(UP, BEATS, STOPS, service=STOPPED),
    "exactly T of not running is up": Case(UP, BEATS, IS_UP, service=Service(stopped=NOW - 60.9, confirmed=NOW - 0.9)),
    "what nobody asked for once more is no evidence": Case(UP, BEATS, IS_UP, service=NOT_CONFIRMED),
    "what was asked for too early is no evidence": Case(
        UP, BEATS, IS_UP, service=replace(NOT_CONFIRMED, confirmed=NOW - 30.0)
    ),
    "an agent that checks knows better": Case(UP, WELL, IS_UP, service=STOPPED),
    "an agent that has not looked yet does not": Case(UP, CHECKS, STOPS, service=STOPPED),
    "not running stays so, confirmed or not": Case(NOT_RUNNING, BEATS, STOPS, service=NOT_CONFIRMED),
    "not running ends when it has run for C": Case(NOT_RUNNING, BEATS, IS_UP, service=RUNS),
    "not running stays for less than C of running": Case(NOT_RUNNING, BEATS, STOPS, service=RAN_SHORTLY),
    "not running stays while its pod is being deleted": Case(NOT_RUNNING, BEATS, STOPS, service=LEAVING),
    "not running stays while nobody can tell of pods": Case(NOT_RUNNING, BEATS, STOPS, service=None),
    "not running ends with its pod": Case(NOT_RUNNING, BEATS, IS_UP),
    "not running ends by a healthy check": Case(NOT_RUNNING, WELL, IS_UP, service=STOPPED),
    "who runs for a moment is up": Case(UP, BEATS, IS_UP, service=RAN_SHORTLY),
    "whose pod is being deleted is up": Case(UP, BEATS, IS_UP, service=LEAVING),
    "a promise of 20 s makes 2 x T of not running up": Case(
        UP, replace(BEATS, interval=20.0), IS_UP, service=replace(STOPPED, stopped=NOW - 120.0)
    ),
    "a silent one is silent, whatever its pod does": Case(UP, silent(61.0), IS_DOWN, service=STOPPED),
    "a promise of 20 s waits for 2 x C of sight": Case(
        UP, silent(121.0, interval=20.0), IS_UP, Watch(sight=NOW - 49.0, store_back=0.0)
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_verdict(case: Case) -> None:
    judged = judge(case.before, case.seen, policy=POLICY, watch=case.watch, moment=case.moment, service=case.service)

    assert judged is not None
    assert (judged.verdict, judged.reason) == case.said


@pytest.mark.parametrize("before", [None, UP, DOWN, UNKNOWN])
def test_who_has_left_is_in_no_count(before: Judgement | None) -> None:
    left = replace(silent(1.0), state=State.LEFT)

    assert judge(before, left, policy=POLICY, watch=WATCHED, moment=at()) is None


def test_since_changes_with_the_verdict_only() -> None:
    still = judge(UP, silent(1.0), policy=POLICY, watch=WATCHED, moment=at())
    held = judge(UP, silent(61.0), policy=POLICY, watch=STARTED, moment=at())
    down = judge(UP, silent(61.0), policy=POLICY, watch=WATCHED, moment=at())

    assert still is not None
    assert held is not None
    assert down is not None
    assert (still.since, held.since, down.since) == (BEFORE, BEFORE, WALL)


def test_a_reason_that_changes_keeps_since() -> None:
    blind = judge(UNKNOWN, silent(200.0), policy=POLICY, watch=BROKEN, moment=at(healthy=False))

    assert blind is not None
    assert (blind.reason, blind.since) == (Reason.STORE_UNREACHABLE, BEFORE)


def test_up_without_sight_is_counted_from_the_last_sight_not_from_each_pass() -> None:
    """Rule 4: passes that succeed but may not judge do not prolong it."""
    held = judge(UP, silent(61.0), policy=POLICY, watch=STARTED, moment=at(last_sight=NOW - 1.0))
    assert held is not None
    later = Moment(now=NOW + 59.25, wall=WALL, healthy=True, last_sight=NOW + 58.25)

    ended = judge(held, silent(61.0), policy=POLICY, watch=Watch(sight=NOW + 50.0, store_back=0.0), moment=later)

    assert ended is not None
    assert ended.verdict is Verdict.UNKNOWN


def test_silence_that_follows_ill_health_ends_by_a_beat_after_it_was_found() -> None:
    """The agent did beat since it was called ill; a longer promise must not make that a beat after the silence."""
    gone = says(State.UNHEALTHY, seconds=61.0, fresh=950.0, well=False)
    found = judge(UNHEALTHY, gone, policy=POLICY, watch=WATCHED, moment=at())
    assert found is not None
    assert (found.reason, found.since) == (Reason.SILENT, WALL)

    assert judge(found, replace(gone, interval=100.0), policy=POLICY, watch=WATCHED, moment=at()) == found


# The administrator's word.

SAID_UP = Published(Verdict.UP, Reason.BEATING, BEFORE)
SAID_DOWN = Published(Verdict.DOWN, Reason.SILENT, BEFORE)
SAID_FORCED = Published(Verdict.DOWN, Reason.FORCED_DOWN, BEFORE)
FORCED = Override(forced_down=True, reason="fenced")
DISABLED = Override(disabled=True)


@dataclass(frozen=True)
class Word:
    before: Published | None
    judged: Judgement
    override: Override
    said: tuple[Verdict, Reason, float]


WORDS = {
    "nothing said: what was judged": Word(SAID_UP, UP, Override(), (*IS_UP, BEFORE)),
    "forced down wins at once over a beat": Word(SAID_UP, UP, FORCED, (Verdict.DOWN, Reason.FORCED_DOWN, WALL)),
    "forced down is kept apart from silence": Word(SAID_DOWN, DOWN, FORCED, (Verdict.DOWN, Reason.FORCED_DOWN, WALL)),
    "forced down keeps its since": Word(SAID_FORCED, UP, FORCED, (Verdict.DOWN, Reason.FORCED_DOWN, BEFORE)),
    "lifted over a member that beats": Word(SAID_FORCED, UP, Override(), (*IS_UP, WALL)),
    "lifted over a member that is silent": Word(SAID_FORCED, DOWN, Override(), (*IS_DOWN, WALL)),
    "disabled leaves up alone": Word(SAID_UP, UP, DISABLED, (*IS_UP, BEFORE)),
    "disabled leaves down alone": Word(SAID_DOWN, DOWN, DISABLED, (*IS_DOWN, BEFORE)),
}


@pytest.mark.parametrize("case", WORDS.values(), ids=WORDS.keys())
def test_the_administrators_word(case: Word) -> None:
    said = publish(case.before, case.judged, override=case.override, draining=False, wall=WALL)

    assert (said.verdict, said.reason, said.since) == case.said
    assert said.disabled is case.override.disabled


def test_what_did_not_change_is_the_same_value() -> None:
    assert publish(SAID_UP, UP, override=Override(), draining=False, wall=WALL) is SAID_UP


# What a new observer starts from.


def test_a_new_observer_keeps_verdict_reason_and_since() -> None:
    restored = restore({"a": SAID_UP, "b": SAID_DOWN}, sighted=990.0)

    assert (restored["a"].verdict, restored["a"].since, restored["a"].sighted) == (Verdict.UP, BEFORE, 990.0)
    assert (restored["b"].verdict, restored["b"].since) == (Verdict.DOWN, BEFORE)


def test_a_new_observer_raises_nobody_by_its_first_read() -> None:
    dead = restore({"a": SAID_DOWN}, sighted=990.0)["a"]
    young = silent(1.0, fresh=None)

    assert judge(dead, young, policy=POLICY, watch=WATCHED, moment=at()) == dead


def test_forced_down_says_nothing_of_what_is_beneath() -> None:
    assert restore({"a": SAID_FORCED}, sighted=990.0)["a"].verdict is Verdict.UNKNOWN
