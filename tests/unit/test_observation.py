"""What counts as a beat and when it was (rules 1, 2, 9), and how good the looking was (rule 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from servicegroup.model import Fact, Policy, State
from servicegroup.observation import Observation, Pass, Watch, look, observe

POLICY = Policy(interval=10.0, down_time=60.0)
NOW = 1000.0
PREVIOUS = 999.0

SEEN = Observation(
    incarnation="one", sequence=5, interval=10.0, state=State.BEATING, beat=980.0, fresh=980.0, past=("zero",)
)
LEFT = replace(SEEN, state=State.LEFT)


def fact(
    incarnation: str = "one",
    sequence: int = 6,
    *,
    age: float = 0.5,
    state: State = State.BEATING,
    interval: float = 10.0,
) -> Fact:
    return Fact("a", incarnation, sequence, interval, state, age)


def watching(*, rebased: bool = False) -> Watch:
    return Watch(ended=NOW, healthy=NOW, read=NOW, looking=NOW, sight=0.0, store_back=0.0, epoch="e", rebased=rebased)


def read(
    before: Observation | None, *facts: Fact, previous: float | None = PREVIOUS, rebased: bool = False
) -> Observation:
    known = {} if before is None else {"a": before}
    after = observe(known, facts, watch=watching(rebased=rebased), previous=previous, policy=POLICY)
    return after["a"]


@dataclass(frozen=True)
class Read:
    """One row read after what was seen; `beats` is whether it is a beat, `at` the time of the last beat afterwards."""

    fact: Fact
    beats: bool
    at: float
    before: Observation | None = SEEN
    previous: float | None = PREVIOUS
    rebased: bool = False


READS = {
    "a higher sequence is a beat": Read(fact(), True, 999.5),
    "another incarnation is a beat, whatever its sequence": Read(fact("two", 1), True, 999.5),
    "the same row is nothing new, however young its stamp": Read(fact(sequence=5, age=0.0), False, 980.0),
    "a stamp exactly T old is a beat": Read(fact(age=60.0), True, PREVIOUS),
    "a stamp a hair older than T is a baseline": Read(fact(age=60.001), False, 980.0),
    "a beat was not before the previous healthy read": Read(fact(age=30.0), True, PREVIOUS),
    "a beat after a long blindness keeps its age": Read(fact(age=30.0), True, 970.0, previous=800.0, before=None),
    "a beat never moves back": Read(fact(age=45.0), True, 980.0, previous=800.0),
    "an age below 0 is 0": Read(fact(age=-600.0), True, NOW),
    "an age below 0 of a baseline is 0": Read(fact(age=-600.0), False, NOW, before=None, previous=None),
    "a lower sequence is a baseline (the store went back)": Read(fact(sequence=2, age=1.0), False, 999.0),
    "the stamp of a lower sequence never moves a beat back": Read(fact(sequence=2, age=50.0), False, 980.0),
    "what is read in the pass of a new epoch is a baseline": Read(fact(age=3.0), False, 997.0, rebased=True),
    "another incarnation in the pass of a new epoch is a baseline": Read(fact("two", 1), False, 999.5, rebased=True),
    "a new row in the pass of a new epoch is a baseline": Read(fact(), False, 999.5, before=None, rebased=True),
    "an observer's first read is a baseline": Read(fact(age=7.0), False, 993.0, before=None, previous=None),
    "a row that a watching observer never saw is a beat": Read(fact(age=0.5), True, 999.5, before=None),
    "a new row with an old stamp is a baseline": Read(fact(age=61.0), False, 939.0, before=None),
    "a late beat after a leave is ignored": Read(fact(sequence=9), False, 980.0, before=LEFT),
    "a new incarnation after a leave is a beat": Read(fact("two", 1), True, 999.5, before=LEFT),
    "a promise of 20 s makes a stamp 2 x T old a beat": Read(fact(age=120.0, interval=20.0), True, PREVIOUS),
    "a draining member beats": Read(fact(state=State.DRAINING), True, 999.5),
}


@pytest.mark.parametrize("case", READS.values(), ids=READS.keys())
def test_a_beat_is_a_change_that_was_read(case: Read) -> None:
    after = read(case.before, case.fact, previous=case.previous, rebased=case.rebased)

    assert after.beat == case.at
    assert (after.fresh == NOW) is case.beats


def test_a_baseline_is_what_the_next_read_is_compared_with() -> None:
    went_back = read(SEEN, fact(sequence=2, age=1.0))

    assert went_back.sequence == 2
    assert read(went_back, fact(sequence=3)).fresh == NOW


def test_a_beat_does_not_move_after_it_was_read() -> None:
    first = read(SEEN, fact(age=0.5))

    for age in (0.0, -600.0, 600.0, 1.5):
        assert read(first, fact(age=age)) == first


MET = {
    "a new member is met now": (None, fact(), NOW),
    "the same incarnation was met before": (SEEN, fact(), SEEN.met),
    "another incarnation is met now": (SEEN, fact("two", 1), NOW),
    "an earlier owner was met before": (SEEN, fact("zero", 9), SEEN.met),
}


@pytest.mark.parametrize("case", MET.values(), ids=MET.keys())
def test_an_incarnation_is_met_when_its_first_row_is_read(case: tuple[Observation | None, Fact, float]) -> None:
    before, row, met = case

    assert read(before, row).met == met


READ = {"I/2 ago tells of now": (5.0, 999.5), "longer ago tells of then": (5.25, 994.25)}


@pytest.mark.parametrize("case", READ.values(), ids=READ.keys())
def test_a_read_that_began(case: tuple[float, float]) -> None:
    ago, beat = case
    watch = replace(watching(), read=NOW - ago)
    after = observe({}, [fact(age=0.5)], watch=watch, previous=900.0, policy=POLICY)

    assert after["a"].beat == beat


SICK = replace(SEEN, well=False)

SAYS = {
    "a healthy beat": (SICK, fact(state=State.HEALTHY), True),
    "an unhealthy beat": (SEEN, fact(state=State.UNHEALTHY), False),
    "an unhealthy beat of a new member": (None, fact(state=State.UNHEALTHY), False),
    "a beat of an agent that checks nothing": (SICK, fact(), None),
    "a baseline, which is of the past": (SEEN, fact(sequence=2, age=1.0, state=State.UNHEALTHY), None),
    "a baseline, of one that was unhealthy": (SICK, fact(sequence=2, age=1.0, state=State.HEALTHY), False),
}


@pytest.mark.parametrize("case", SAYS.values(), ids=SAYS)
def test_what_a_beat_says_of_its_service(case: tuple[Observation | None, Fact, bool | None]) -> None:
    before, row, well = case

    assert read(before, row).well is well


def test_an_observers_first_read_says_nothing_of_a_service() -> None:
    assert read(None, fact(state=State.UNHEALTHY), previous=None).well is None


def test_a_row_that_is_absent_says_nothing() -> None:
    assert observe({"a": SEEN}, (), watch=watching(), previous=PREVIOUS, policy=POLICY) == {"a": SEEN}


def test_facts_are_taken_in_healthy_passes_only() -> None:
    with pytest.raises(ValueError, match="healthy"):
        observe({}, (), watch=Watch(), previous=None, policy=POLICY)


@dataclass(frozen=True)
class Leave:
    incarnation: str
    closes: bool
    sequence: int = 5
    rebased: bool = False


LEAVES = {
    "the owner's leave closes the row, with the sequence of its last beat": Leave("one", True),
    "the owner's leave closes the row, with a new sequence": Leave("one", True, 6),
    "the leave of an earlier owner closes nothing": Leave("zero", False),
    "the leave of an owner that came and went between two reads closes the row": Leave("two", True, 1),
    "a leave read in the pass of a new epoch is a leave": Leave("one", True, rebased=True),
}


@pytest.mark.parametrize("case", LEAVES.values(), ids=LEAVES.keys())
def test_a_leave_closes_the_row_of_the_one_that_owns_it(case: Leave) -> None:
    gone = fact(case.incarnation, case.sequence, state=State.LEFT)

    assert (read(SEEN, gone, rebased=case.rebased).state is State.LEFT) is case.closes


def test_a_row_that_went_back_to_before_the_leave_stays_left() -> None:
    assert read(LEFT, fact(sequence=3, age=20.0)).state is State.LEFT


def test_a_first_read_shows_who_has_left() -> None:
    after = read(None, fact(state=State.LEFT))

    assert (after.state, after.fresh) == (State.LEFT, None)


# Two agents, one member (rule 9).

OWNERS = {
    "one agent that restarts again and again": ("one", "two", "three", "four", "one more", "and one more"),
    "ownership that went back once": ("one", "two", "one"),
}


@pytest.mark.parametrize("owners", OWNERS.values(), ids=OWNERS.keys())
def test_no_duplicate(owners: Sequence[str]) -> None:
    assert not taken_in_turn(owners).duplicate(POLICY, now=NOW)


def test_ownership_that_alternates_twice_is_a_duplicate() -> None:
    twice = taken_in_turn(("one", "two", "one", "two"))

    assert twice.duplicate(POLICY, now=NOW)
    assert not twice.duplicate(POLICY, now=NOW + 2 * POLICY.down_time + 1)


def taken_in_turn(owners: Sequence[str]) -> Observation:
    seen = read(None, fact(owners[0], 1))
    for sequence, owner in enumerate(owners[1:], start=2):
        seen = read(seen, fact(owner, sequence))
    return seen


# How good the looking was (rule 3). I = 10: an interruption is more than 5 s; C = 25, T = 60.

EPOCH = "e"


@dataclass(frozen=True)
class Look:
    """A pass: seconds after the one before, whether the store served, how long it took, the observer's own stall."""

    after: float
    epoch: str | None = EPOCH
    took: float = 0.0
    stall: float = 0.0
    lag: float = 0.0


def looked(*passes: Look, before: Watch | None = None, at: float = 0.0) -> Watch:
    watch = Watch() if before is None else before
    for one in passes:
        asked = at + one.after
        at = asked + one.took
        seen = Pass(asked=asked, now=at, epoch=one.epoch, stall=one.stall, lag=one.lag)
        watch = look(watch, seen, policy=POLICY)
    return watch


def steadily(seconds: int, epoch: str | None = EPOCH) -> list[Look]:
    return [Look(1.0, epoch)] * seconds


def waits(*passes: Look) -> tuple[float | None, float | None]:
    """Since when the observer, and the store, have been there without a break; the passes follow 100 steady seconds."""
    watch = looked(*steadily(100), *passes)
    return watch.sight, watch.store_back


LOOKS = {
    "a healthy pass each second": (steadily(5), (1.0, 1.0)),
    "one pass that fails alone": ([Look(1.0, None), Look(1.0)], (1.0, 1.0)),
    "passes that fail for exactly I/2": ([*steadily(4, None), Look(1.0)], (1.0, 1.0)),
    "passes that fail for more than I/2 are the store's": ([*steadily(5, None), Look(1.0)], (1.0, 106.0)),
    "a pause of exactly I/2": ([Look(5.0)], (1.0, 1.0)),
    "a pause of a hair more is the observer's": ([Look(5.25)], (105.25, 1.0)),
    "a long pause is not the store's": ([Look(300.0)], (400.0, 1.0)),
    "a long pause within a pass is not the store's": ([Look(1.0, took=300.0, stall=300.0)], (401.0, 1.0)),
    "one slow pass of exactly I/2 since the last": ([Look(1.0, took=4.0)], (1.0, 1.0)),
    "one slow pass of more than I/2 is the store's": ([Look(1.0, took=5.0)], (1.0, 106.0)),
    "another epoch is the store's, however short the break": ([Look(1.0, "other")], (1.0, 101.0)),
    "another epoch after failed passes": ([Look(1.0, None), Look(1.0, "other")], (1.0, 102.0)),
    "a pause that ends in failed passes waits for the first healthy one": (
        [Look(300.0, None), Look(1.0)],
        (401.0, 1.0),
    ),
    "late and slow, together more than I/2, is not the store's alone": ([Look(4.0, lag=3.0, took=3.0)], (107.0, 1.0)),
    "late and slow, the slowness alone more than I/2": ([Look(4.0, lag=3.0, took=6.0)], (1.0, 110.0)),
    "stalls that add up to more than I/2 until the next healthy pass": (
        [*[Look(1.0, None, took=2.0, stall=2.0)] * 3, Look(1.0)],
        (110.0, 1.0),
    ),
    "stalls in healthy passes do not add up": ([Look(1.0, took=3.0, stall=3.0)] * 10, (1.0, 1.0)),
    "after a pause the store may fail as well": ([Look(300.0, None), *steadily(5, None), Look(1.0)], (406.0, 406.0)),
}


@pytest.mark.parametrize("case", LOOKS.values(), ids=LOOKS.keys())
def test_an_interruption_is_the_observers_or_the_stores(case: tuple[list[Look], tuple[float, float]]) -> None:
    passes, since = case

    assert waits(*passes) == since


@dataclass(frozen=True)
class Waited:
    sight: float | None
    store_back: float | None
    watched: bool
    broken: bool = False
    policy: Policy = POLICY


WAITS = {
    "C of sight and T of the store, exactly": Waited(25.0, 60.0, True),
    "a hair less than C of sight": Waited(24.99, 600.0, False),
    "a hair less than T of the store": Waited(600.0, 59.99, False),
    "no sight yet": Waited(None, 600.0, False),
    "no store yet": Waited(600.0, None, False),
    "a store that is out": Waited(600.0, 600.0, False, broken=True),
    "a promise of twice the interval waits for twice C": Waited(49.0, 600.0, False, policy=POLICY.stretched(20.0)),
    "a promise of twice the interval waits for twice T": Waited(600.0, 119.0, False, policy=POLICY.stretched(20.0)),
    "a promise of twice the interval, both waited": Waited(50.0, 120.0, True, policy=POLICY.stretched(20.0)),
}


@pytest.mark.parametrize("case", WAITS.values(), ids=WAITS.keys())
def test_watched_takes_both_waits(case: Waited) -> None:
    sight = None if case.sight is None else NOW - case.sight
    back = None if case.store_back is None else NOW - case.store_back
    watch = Watch(sight=sight, store_back=back, broken=case.broken)

    assert watch.watched(case.policy, now=NOW) is case.watched


def test_a_new_operator_goes_on_from_the_record() -> None:
    """T of the store need not be waited for again, when its epoch is the same."""
    same = looked(*steadily(30), before=Watch(store_back=-500.0, epoch=EPOCH))
    other = looked(*steadily(30), before=Watch(store_back=-500.0, epoch="before"))

    assert (same.watched(POLICY, now=30.0), same.store_back) == (True, -500.0)
    assert (other.watched(POLICY, now=30.0), other.store_back) == (False, 1.0)


def test_a_new_epoch_makes_its_pass_a_baseline_and_no_other() -> None:
    steady = looked(*steadily(9))
    changed = looked(Look(1.0, "other"), before=steady, at=9.0)
    after = looked(Look(1.0, "other"), before=changed, at=10.0)

    assert (steady.rebased, changed.rebased, after.rebased) == (False, True, False)


def test_blindness_counts_from_the_last_pass_that_could_find_a_death() -> None:
    """Rule 10."""
    started = looked(*steadily(59))
    watched = looked(*steadily(61))
    blinded = looked(*steadily(61), *steadily(10, None))

    assert started.blind_for(now=59.0) == 58.0
    assert watched.blind_for(now=61.0) == 0.0
    assert blinded.blind_for(now=71.0) == 9.0


def test_blindness_goes_on_over_a_restart() -> None:
    assert looked(*steadily(10), before=Watch(blind=-100.0)).blind_for(now=10.0) == 110.0
