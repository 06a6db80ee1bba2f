"""Many beats in one call: what a driver without a statement for that does, and what all of them agree on.

A member may come twice in a batch, when its agent did not wait for an answer or when two agents beat for it: of each
incarnation the highest sequence is written, and everyone who asked is given its receipt.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.store.base import StoreUnavailable

Asked = tuple[GroupKey, Beat]
Owner = tuple[GroupKey, str, str]


def owner(asked: Asked) -> Owner:
    key, beat = asked
    return key, beat.member, beat.incarnation


def latest(beats: Iterable[Asked]) -> list[Asked]:
    """The highest sequence of each incarnation, in the order of the rows, so that two writers do not wait for each
    other.
    """
    found: dict[Owner, Asked] = {}
    for asked in beats:
        before = found.get(owner(asked))
        if before is None or before[1].sequence < asked[1].sequence:
            found[owner(asked)] = asked
    return sorted(found.values(), key=owner)


def one_by_one(
    beat: Callable[[GroupKey, Beat, float], Receipt], beats: Sequence[Asked], *, timeout: float
) -> list[Receipt]:
    """Each with what is left of the time. Raises StoreUnavailable."""
    end, receipts = time.monotonic() + timeout, dict[Owner, Receipt]()
    for asked in latest(beats):
        left = end - time.monotonic()
        if left <= 0:
            raise StoreUnavailable(f"{len(receipts)} of {len(beats)} beats were written in the time of the call")
        receipts[owner(asked)] = beat(*asked, left)
    return [receipts[owner(asked)] for asked in beats]
