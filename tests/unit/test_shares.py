"""What one subject may take of the gateway's memory and of the API server's time."""

from servicegroup.gateway.shares import (
    BURST,
    PER_SECOND,
    REMEMBERED,
    REMEMBERED_OF_ONE,
    Share,
    Shares,
)


def asked(share: Share[int, bool], *, now: float, times: int) -> int:
    """How many of so many questions are let through, each answered at once."""
    return sum(share.take(now=now) for _ in range(times))


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    share = Share[int, bool]()
    assert asked(share, now=1000.0, times=2 * BURST) == BURST
    assert asked(share, now=1002.0, times=2 * BURST) == 2 * PER_SECOND
    assert asked(share, now=2000.0, times=2 * BURST) == BURST, "what is not used for long is no more than a burst"


def test_one_subject_fills_its_own_share_of_what_is_remembered() -> None:
    shares = Shares[int, bool]()
    shares.remember("other", 7, answer=True)
    for question in range(2 * REMEMBERED):
        shares.remember("flood", question, answer=False)
    assert len(shares.of("flood").said) == REMEMBERED_OF_ONE
    assert 2 * REMEMBERED - 1 in shares.of("flood").said, "the oldest of them are forgotten"
    assert shares.of("other").said == {7: True}


def test_many_subjects_push_out_who_asked_nothing_for_longest() -> None:
    shares = Shares[int, bool]()
    for subject in range(REMEMBERED + 10):
        shares.remember(str(subject), 1, answer=True)
        shares.of("0")
    said = [bool(shares.of(str(subject)).said) for subject in (0, 1, 9, 10, 11, REMEMBERED)]
    assert said == [True, False, False, False, True, True]


def test_an_answer_that_changes_takes_no_more_room() -> None:
    shares = Shares[int, bool]()
    for _ in range(2 * REMEMBERED):
        shares.remember("one", 1, answer=True)
    shares.remember("other", 1, answer=True)
    assert shares.of("one").said == {1: True}
