"""The epoch of several memcached servers: which lives carry it on."""

import pytest
from servicegroup.store.mc_epoch import Epoch, Life, following

A, B, C = Life(1, 100), Life(1, 200), Life(7, 300)
AGAIN = Life(1, 900)
OTHER = Life(1, 901_000)

STEPS = {
    "nothing happens": ([A, B, C], [A, B, C], True),
    "one restarts": ([A, B, C], [AGAIN, B, C], True),
    "two restart": ([A, B, C], [AGAIN, OTHER, C], True),
    "all restart": ([A, B], [AGAIN, OTHER], False),
    "one is away": ([A, B, C], [B, C], True),
    "one comes back": ([B, C], [A, B, C], True),
    "the only one restarts with the pid of a container": ([A], [AGAIN], False),
    "the only one has a second more": ([A], [Life(1, 101)], True),
    "the only one has another pid": ([A], [Life(2, 100)], False),
    "one is away while the other restarts": ([A], [AGAIN, B], False),
}


@pytest.mark.parametrize(("before", "now", "lasts"), STEPS.values(), ids=STEPS.keys())
def test_an_epoch_lasts_as_long_as_one_server_goes_on(before: list[Life], now: list[Life], lasts: bool) -> None:  # noqa: FBT001
    first = following(None, before)
    after = following(first, now)

    assert (after.name == first.name) is lasts
    assert after.lives == frozenset(now)


def test_who_restarted_carries_the_epoch_on_afterwards() -> None:
    epoch = following(None, [A, B])
    for lives in ([AGAIN, B], [AGAIN], [AGAIN, OTHER]):
        epoch = following(epoch, lives)

    assert epoch.name == "1.100,1.200"


PUBLISHED = {
    "one of its servers goes on": ("1.100,7.300", True),
    "none of them does": ("1.5,7.6", False),
    "it is no epoch of memcached's": ("e", False),
    "it is empty": ("", False),
}


@pytest.mark.parametrize(("name", "taken_up"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_new_operator_takes_up_the_published_epoch_if(name: str, taken_up: bool) -> None:  # noqa: FBT001
    assert following(None, [A, B], published=[name]).name == (name if taken_up else "1.100,1.200")


def test_a_life_is_read_from_stats() -> None:
    assert Life.of({b"pid": b"1", b"time": b"150", b"uptime": 50}) == A
    assert following(Epoch("x", frozenset([A])), [Life.of({b"pid": 1, b"time": 151, b"uptime": b"50"})]).name == "x"
