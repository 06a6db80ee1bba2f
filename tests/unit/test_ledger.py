"""The judge of the failure scenarios: it must find each kind of wrong verdict, and call no right one wrong."""

import math

import pytest

from tests.scenarios.ledger import DOWN, OBSERVER, STORE, UNKNOWN, UP, Break, Life, Pace, Said, Span, figures

PACE = Pace(interval=2.0, down_time=12.0, grace=3.0)
JOINED = Said(0.0, "a", UP, "Beating")


def found(
    *said: Said,
    silences: list[Span] | None = None,
    breaks: tuple[Break, ...] = (),
    ended: float = 100.0,
    held: float = 0.0,
) -> tuple[int, int, int, float, float]:
    """False downs, missed, risen, and the seconds of Unknown, all and beyond the rules."""
    pace = Pace(PACE.interval, PACE.down_time, PACE.grace, held)
    one = figures({"a": Life("a", silences or [])}, [JOINED, *said], breaks, pace=pace, ended=ended)
    return len(one.false_downs), len(one.missed), len(one.risen), one.unknown, one.beyond


RIGHT = {
    "it lives and is Up": found(),
    "it died and is Down after T": found(Said(52.5, "a", DOWN, "Silent"), silences=[Span(40.0)]),
    "its last beat was I before its death": found(Said(50.2, "a", DOWN, "Silent"), silences=[Span(40.0)]),
    "it was away, Down, and is back": found(
        Said(52.5, "a", DOWN, "Silent"), Said(61.0, "a", UP, "Beating"), silences=[Span(40.0, 60.0)]
    ),
    "it was away for less than T": found(silences=[Span(40.0, 50.0)]),
    "it died and the store was away: T after its return": found(
        Said(82.5, "a", DOWN, "Silent"), silences=[Span(40.0)], breaks=(Break(STORE, Span(41.0, 70.0)),)
    ),
    "it died and nobody looked: C after that": found(
        Said(75.5, "a", DOWN, "Silent"), silences=[Span(40.0)], breaks=(Break(OBSERVER, Span(41.0, 70.0)),)
    ),
    "it died just now": found(silences=[Span(95.0)]),
    "it died and is held": found(Said(53.0, "a", UNKNOWN, "MassFailure"), silences=[Span(40.0)], held=120.0),
    "an administrator's word": found(Said(50.0, "a", DOWN, "ForcedDown")),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_the_rules_want_is_right(what: str) -> None:
    false, missed, risen, _, beyond = RIGHT[what]
    assert (false, missed, risen, beyond) == (0, 0, 0, 0.0)


def test_a_living_member_that_is_called_down_is_a_false_down() -> None:
    back = Said(51.0, "a", UP, "Beating")
    assert found(Said(50.0, "a", DOWN, "Silent"), back)[0] == 1


def test_down_too_early_for_the_death_that_follows_is_a_false_down() -> None:
    assert found(Said(44.0, "a", DOWN, "Silent"), silences=[Span(40.0)])[:2] == (1, 1)


def test_down_long_after_it_beat_again_is_a_false_down() -> None:
    assert found(Said(66.0, "a", DOWN, "Silent"), Said(67.0, "a", UP), silences=[Span(40.0, 60.0)])[0] == 1


def test_who_beats_again_and_stays_down_is_a_false_down() -> None:
    assert found(Said(53.0, "a", DOWN, "Silent"), silences=[Span(40.0, 60.0)])[0] == 1


def test_a_death_that_nobody_found_is_missed() -> None:
    assert found(silences=[Span(40.0)])[1] == 1
    assert found(Said(60.0, "a", UNKNOWN, "StoreUnreachable"), silences=[Span(40.0)])[1] == 1


def test_a_death_is_missed_when_the_breaks_excuse_it_no_longer() -> None:
    outage = Break(STORE, Span(41.0, 70.0))
    assert found(silences=[Span(40.0)], breaks=(outage,), ended=84.0)[1] == 0
    assert found(silences=[Span(40.0)], breaks=(outage,), ended=86.0)[1] == 1
    assert found(silences=[Span(40.0)], held=120.0, ended=180.0)[1] == 1


def test_who_is_up_again_without_a_beat_has_risen() -> None:
    assert found(Said(53.0, "a", DOWN, "Silent"), Said(60.0, "a", UP), silences=[Span(40.0)])[2] == 1


def test_unknown_of_the_living_is_counted_and_excused_by_blindness_of_longer_than_t_alone() -> None:
    unknown = (Said(53.0, "a", UNKNOWN, "StoreUnreachable"), Said(62.0, "a", UP, "Beating"))
    outage = Break(STORE, Span(41.0, 60.0))
    assert found(*unknown)[3:] == (9.0, 9.0)
    assert found(*unknown, breaks=(outage,))[3:] == (9.0, 0.0)
    assert found(*unknown, breaks=(Break(STORE, Span(50.0, 57.0)),))[3:] == (9.0, 9.0)
    late = (unknown[0], Said(70.0, "a", UP, "Beating"))
    assert found(*late, breaks=(outage,))[3:] == (17.0, 3.0)


def test_unknown_of_the_dead_is_not_of_the_living() -> None:
    held = (Said(50.0, "a", UNKNOWN, "MassFailure"), Said(60.0, "a", DOWN, "Silent"))
    assert found(*held, silences=[Span(40.0, math.inf)])[3:] == (0.0, 0.0)


def test_a_gap_of_unknown_cause_excuses_a_late_verdict_and_is_told() -> None:
    gap = Break(STORE, Span(50.0, 56.0))
    lives = {"a": Life("a", [Span(40.0)])}
    one = figures(lives, [JOINED, Said(67.9, "a", DOWN, "Silent")], [], pace=PACE, ended=100.0, gaps=[gap])
    assert (one.missed, one.late, one.unlooked) == ((), (0.0,), 6.0)

    done = Break(STORE, Span(49.0, 55.0))
    one = figures(lives, [JOINED, Said(67.9, "a", DOWN, "Silent")], [done], pace=PACE, ended=100.0, gaps=[gap])
    assert one.unlooked == 0.0


def test_who_left_and_is_back_was_not_dead() -> None:
    gone = Said(41.0, "a", None)
    life = Life("a", [Span(40.0, 80.0)], leaves=[40.0])
    one = figures({"a": life}, [JOINED, gone, Said(81.0, "a", UP)], [], pace=PACE, ended=100.0)
    assert (one.deaths, one.missed, one.sound) == (0, (), True)


def test_a_hold_begins_when_down_was_due() -> None:
    outage = Break(STORE, Span(41.0, 70.0))
    assert found(silences=[Span(40.0)], breaks=(outage,), held=120.0, ended=200.0)[1] == 0
    assert found(silences=[Span(40.0)], breaks=(outage,), held=120.0, ended=206.0)[1] == 1


def test_a_machine_that_is_busy_as_the_living_come_back_makes_one_break_of_two() -> None:
    unknown = (Said(53.0, "a", UNKNOWN, "StoreUnreachable"), Said(73.0, "a", UP, "Beating"))
    outage, gap = Break(STORE, Span(41.0, 60.0)), Break(STORE, Span(63.0, 67.0))
    assert found(*unknown, breaks=(outage,))[4] == 6.0
    assert found(*unknown, breaks=(outage, gap))[4] == 0.0
