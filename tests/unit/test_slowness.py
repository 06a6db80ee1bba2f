"""What an operator's log says of slow passes."""

from servicegroup.operator.slowness import SAID_EVERY, Slowness, Took

NOW = 1000.0
QUICK = Took(late=0.1, looking=0.5, judging=0.1, writing=0.2)
SLOW = Took(late=0.25, looking=2.0, judging=0.25, writing=1.0)
SLOWER = Took(late=0.0, looking=0.5, judging=0.0, writing=4.0)


def test_nothing_is_said_of_passes_within_their_second() -> None:
    slowness = Slowness()
    assert [slowness.take(QUICK, now=NOW + second) for second in range(200)] == [None] * 200


def test_a_slow_pass_is_said_at_once_with_where_its_time_went() -> None:
    said = Slowness().take(SLOW, now=NOW)
    assert said is not None
    assert said.startswith("a pass took more than 1 s, at most 3.5 s (late 0.2, looking 2.0, judging 0.2, writing 1.0)")


def test_those_that_follow_are_said_together_once_a_minute_even_when_it_is_over() -> None:
    slowness = Slowness()
    assert slowness.take(SLOW, now=NOW) is not None
    for second, took in ((1, SLOW), (5, SLOWER), (10, SLOW), (SAID_EVERY - 0.1, QUICK)):
        assert slowness.take(took, now=NOW + second) is None

    said = slowness.take(QUICK, now=NOW + SAID_EVERY)
    assert said is not None
    assert said.startswith("3 passes took more than 1 s, at most 4.5 s (late 0.0, looking 0.5")
    assert slowness.take(QUICK, now=NOW + 3 * SAID_EVERY) is None
