"""When an agent writes next, and how long a write may take (design, rule 5 and section 7)."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicegroup.agent.rhythm import Rhythm, start_delay


def failed(times: int, *, interval: float = 10.0) -> Rhythm:
    rhythm = Rhythm(interval)
    for _ in range(times):
        rhythm = rhythm.failed()
    return rhythm


@dataclass(frozen=True)
class Case:
    rhythm: Rhythm
    published: float | None
    longest: float


CASES = {
    "before an operator published, the agent's own interval": Case(Rhythm(10.0), None, 10.0),
    "the interval that was promised and published": Case(Rhythm(10.0), 10.0, 10.0),
    "a longer interval was told, and no beat has promised it yet": Case(Rhythm(10.0), 100.0, 10.0),
    "the beat that promises the longer interval was served": Case(Rhythm(10.0).served(interval=100.0), 100.0, 100.0),
    "the beat that promises the longer interval failed": Case(failed(9), 100.0, 10.0),
    "a shorter interval was told": Case(Rhythm(100.0), 10.0, 10.0),
    "a shorter interval was told, and the store failed many times since": Case(failed(9, interval=100.0), 10.0, 10.0),
    "one failure: soon": Case(failed(1), None, 0.5),
    "more failures: less soon": Case(failed(3), None, 2.0),
    "many failures: never longer than the interval": Case(failed(50), None, 10.0),
    "a day of failures at a short interval": Case(failed(5000, interval=1.0), None, 1.0),
    "failures, then served": Case(failed(9).served(interval=10.0), None, 10.0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_wait(case: Case) -> None:
    assert case.rhythm.wait(chance=0.0, published=case.published) == pytest.approx(case.longest)
    assert case.rhythm.wait(chance=0.999, published=case.published) == pytest.approx(case.longest * 0.9, rel=0.01)


@given(
    interval=st.floats(0.1, 3600.0),
    published=st.none() | st.floats(0.1, 3600.0),
    failures=st.integers(0, 2000),
    chance=st.floats(0.0, 1.0, exclude_max=True),
)
def test_no_wait_is_longer_than_what_was_promised_and_jitter_takes_at_most_a_tenth(
    interval: float, published: float | None, failures: int, chance: float
) -> None:
    rhythm = Rhythm(interval, failures)

    wait = rhythm.wait(chance=chance, published=published)

    assert 0.0 < wait <= min(interval, published or interval)
    assert wait >= 0.9 * rhythm.wait(chance=0.0, published=published) * 0.999999
    assert rhythm.deadline <= interval


def test_deadlines_grow_after_failures_up_to_the_interval() -> None:
    deadlines = [failed(times).deadline for times in range(6)]

    assert deadlines == sorted(deadlines)
    assert deadlines[0] < deadlines[1] < deadlines[2]
    assert deadlines[-1] == 10.0


def test_a_write_that_was_served_ends_the_growth_of_deadlines() -> None:
    assert failed(5).served(interval=10.0).deadline == Rhythm(10.0).deadline


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_agents_that_start_together_are_spread_over_one_interval(chance: float) -> None:
    assert start_delay(interval=10.0, chance=chance) == pytest.approx(10.0 * chance)
