"""Where a part of a batch is written, that part is acknowledged."""

import asyncio

import pytest
from servicegroup.gateway.lane import Lane
from servicegroup.gateway.refusals import Refused
from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.store import MemoryStore, StoreUnavailable
from servicegroup.store.batch import one_by_one

KEY = GroupKey("nova", "compute")
OWNED = Receipt(owned=True, interval=None)


def at(member: str, sequence: int = 1) -> tuple[GroupKey, Beat]:
    return KEY, Beat(member, "one", sequence, 10.0)


def but_b(_key: GroupKey, beat: Beat, _left: float) -> Receipt:
    if beat.member == "b":
        raise StoreUnavailable("b's server is away")
    return OWNED


@pytest.mark.parametrize("at_once", [1, 8])
def test_the_others_have_their_receipts(at_once: int) -> None:
    batch = [at("a"), at("b"), at("c"), at("a", 2)]
    assert one_by_one(but_b, batch, timeout=30.0, at_once=at_once) == [OWNED, None, OWNED, OWNED]


@pytest.mark.parametrize("at_once", [1, 8])
def test_where_none_is_written_the_store_is_unavailable(at_once: int) -> None:
    with pytest.raises(StoreUnavailable, match="b's server is away"):
        one_by_one(but_b, [at("b"), at("b", 2)], timeout=30.0, at_once=at_once)
    with pytest.raises(StoreUnavailable, match="time of the call was over before 2 beats"):
        one_by_one(but_b, [at("a"), at("c")], timeout=0.0, at_once=at_once)


class ButB(MemoryStore):
    """The in-process store, but for one member it fails."""

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        but_b(key, beat, timeout)
        return super().beat(key, beat, timeout=timeout)


def test_agents_of_one_batch_are_told_what_became_of_their_own_beat() -> None:
    store = ButB()
    for member in "abc":
        store.join(*at(member), timeout=1.0)

    async def play() -> list[Receipt | BaseException]:
        lane = Lane("default", lambda: store)
        try:
            beats = (lane.beat(*at(member, 2)) for member in "abc")
            return await asyncio.gather(*beats, return_exceptions=True)
        finally:
            await lane.close()

    first, refused, last = asyncio.run(play())
    assert (first, last) == (OWNED, OWNED)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.again) == (503, True)
    assert {fact.member: fact.sequence for fact in store.read([KEY], timeout=1.0).facts[KEY]} == {
        "a": 2,
        "b": 1,
        "c": 2,
    }
