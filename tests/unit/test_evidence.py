"""What is said of a store that serves, but badly: the conditions' reasons Slow and Evicting; and when they end.

What is shown stays for a while: a reason that came and went with each look would be a write of each group's status.
"""

import logging
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicegroup.model import Policy
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.evidence import EVICTIONS_HELD, SLOW_HELD, Evidence
from servicegroup.operator.survey import Survey

POLICY = Policy(10.0, 60.0)
WALL = 1_800_000_000.0
FAILED = "store db: connection refused"


def look(now: float, *, took: float = 0.1, evictions: int = 0, failure: str | None = None) -> Survey:
    return Survey(now - took, now, WALL + now, None if failure else "e", evictions=evictions, failure=failure)


def after(*looks: Survey, now: float | None = None, policy: Policy = POLICY) -> StoreSight:
    evidence = Evidence("db")
    for one in looks:
        evidence.take(one)
    return evidence.sight(policy, read_once=True, now=looks[-1].now if now is None else now)


@dataclass(frozen=True)
class Slow:
    took: float
    slow: bool
    policy: Policy = POLICY


SLOW = {
    "at once": Slow(0.1, slow=False),
    "in exactly a quarter of the interval": Slow(2.5, slow=False),
    "in more than a quarter of the interval": Slow(2.6, slow=True),
    "in as much, in a group that beats less often": Slow(2.6, slow=False, policy=Policy(20.0, 60.0)),
    "in as little as is slow for a group that beats each second": Slow(0.3, slow=True, policy=Policy(1.0, 5.0)),
}


@pytest.mark.parametrize("case", SLOW.values(), ids=SLOW)
def test_a_store_answers(case: Slow) -> None:
    assert after(look(100.0, took=case.took), policy=case.policy).slow is case.slow


def test_one_slow_look_is_shown_for_a_minute_and_then_no_more() -> None:
    evidence = Evidence("db")
    shown = []
    for second in range(200):
        evidence.take(look(1000.0 + second, took=3.0 if second == 10 else 0.1))
        shown.append(evidence.sight(POLICY, read_once=True, now=1000.0 + second).slow)

    assert shown.count(True) in {SLOW_HELD, SLOW_HELD + 1}
    assert shown.index(True) == 10


@given(slow=st.sets(st.integers(0, 200)), tooks=st.lists(st.floats(2.6, 9.0), min_size=201, max_size=201))
def test_slow_is_shown_for_a_minute_after_each_slow_look_and_never_else(slow: set[int], tooks: list[float]) -> None:
    evidence = Evidence("db")
    for second in range(201):
        evidence.take(look(1000.0 + second, took=tooks[second] if second in slow else 0.1))
        lately = any(0 <= second - one <= SLOW_HELD for one in slow)
        assert evidence.sight(POLICY, read_once=True, now=1000.0 + second).slow is lately


def test_a_store_that_evicted_before_the_operator_began_is_not_accused() -> None:
    assert not after(look(100.0, evictions=5000), look(101.0, evictions=5000)).evicting


def test_a_store_that_evicts_is_said_to_for_ten_minutes_after_the_last_time() -> None:
    evidence = Evidence("mc")
    evidence.take(look(100.0))
    evidence.take(look(101.0, evictions=3))
    evidence.take(look(400.0, evictions=4))

    for now, evicting in {401.0: True, 400.0 + EVICTIONS_HELD: True, 401.0 + EVICTIONS_HELD: False}.items():
        assert evidence.sight(POLICY, read_once=True, now=now).evicting is evicting


def test_a_server_that_restarts_counts_its_evictions_from_nothing() -> None:
    assert not after(look(100.0, evictions=50), look(101.0, evictions=0), look(102.0, evictions=0)).evicting
    assert after(look(100.0, evictions=50), look(101.0, evictions=0), look(102.0, evictions=1)).evicting


def test_that_a_store_evicts_is_logged_once_and_not_with_each_look(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="servicegroup.operator")
    after(*(look(100.0 + second, evictions=7 * second) for second in range(300)))

    assert [record.getMessage() for record in caplog.records] == ["store db: it evicted 7 items"]


def test_one_look_that_fails_is_no_news_and_two_are() -> None:
    bad = look(101.0, failure=FAILED)

    assert after(look(100.0), bad).failing is None
    assert after(look(100.0), bad, look(102.0, failure="another sentence")).failing == "another sentence"


def test_the_first_sentence_of_an_outage_stays_and_ends_with_a_look_that_brings_something() -> None:
    """One that changes with each look would be a write with each."""
    looks = [look(100.0 + number, failure=f"refused, try {number}") for number in range(30)]

    assert after(*looks).failing == "refused, try 1"
    assert after(*looks, look(131.0)).failing is None


def test_what_fails_is_neither_slow_nor_fresh_news_of_evictions() -> None:
    hung = look(120.0, took=20.0, failure=FAILED)

    assert after(look(100.0), hung, hung) == StoreSight(FAILED, read_once=True)


def starved(now: float, *, lag: float = 0.0, stall: float = 0.0) -> Survey:
    return replace(look(now), lag=lag, stall=stall)


def test_an_operator_that_was_kept_from_looking_is_said_to_be_so_for_a_minute() -> None:
    evidence = Evidence("db")
    shown = []
    for second in range(100):
        late = second == 10
        evidence.take(starved(1000.0 + second, lag=2.0 if late else 0.0, stall=1.5 if late else 0.0))
        shown.append(evidence.absent(now=1000.0 + second))

    assert shown[:10] == [0.0] * 10
    assert shown[10:71] == [3.5] * 61
    assert shown[71:] == [0.0] * 29


def test_slow_and_starved_are_logged_once_when_they_begin_and_once_when_they_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="servicegroup.operator")
    evidence = Evidence("db")
    for second in range(200):
        bad = 10 <= second < 40
        one = starved(1000.0 + second, lag=3.0 if bad else 0.0)
        evidence.take(replace(one, asked=one.now - (4.0 if bad else 0.1), latency=3.0 if bad else 0.1), gap=5.0)

    assert [record.getMessage() for record in caplog.records] == [
        "store db: the operator lacks CPU or was stopped: a look 3.0 s late, and 0.0 s at a standstill in it",
        "store db: a look took 4.0 s, of which the canary's write 3.0 s",
        "store db: the operator looks in time again for 60 s",
        "store db: quick again for 60 s",
    ]
