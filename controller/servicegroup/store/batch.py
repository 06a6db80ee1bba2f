"""Many beats in one call: what a driver without a statement for that does, and what all of them agree on.

A member may come twice in a batch, when its agent did not wait for an answer or when two agents beat for it: of each
incarnation the highest sequence is written, and everyone who asked is given its receipt.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

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
    beat: Callable[[GroupKey, Beat, float], Receipt], beats: Sequence[Asked], *, timeout: float, at_once: int = 1
) -> list[Receipt | None]:
    """Each with what is left of the time. Raises StoreUnavailable where none of them was written."""
    end, wanted = time.monotonic() + timeout, latest(beats)
    random.shuffle(wanted)  # where time runs out, it is not always for the same members
    failed: list[StoreUnavailable] = []

    def write(asked: Asked) -> Receipt | None:
        left = end - time.monotonic()
        if left <= 0:
            failed.append(StoreUnavailable(f"the time of the call was over before {len(wanted)} beats were written"))
            return None
        try:
            return beat(*asked, left)
        except StoreUnavailable as error:
            failed.append(error)
            return None

    if at_once == 1 or len(wanted) == 1:
        answers = list(map(write, wanted))
    else:
        with ThreadPoolExecutor(at_once, thread_name_prefix="servicegroup-beats") as threads:
            answers = list(threads.map(write, wanted))
    if failed and len(failed) == len(wanted):
        raise failed[0]
    receipts = dict(zip(map(owner, wanted), answers, strict=True))
    return [receipts[owner(asked)] for asked in beats]
