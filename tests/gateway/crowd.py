"""Many agents by gateways, each as the real driver does it: what they were told, by sequence."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from servicegroup.model import Beat, GroupKey
from servicegroup.store import StoreUnavailable, open_client

THREADS = 32
"""So many wait for an answer at a time: a gateway writes twenty batches a second, and each has one beat of a thread."""


@dataclass
class Crowd:
    """`acknowledged`: the highest sequence of each member whose beat was answered; `longest`: the longest time in
    seconds in which a member had no beat answered.
    """

    acknowledged: dict[str, int] = field(default_factory=dict)
    longest: float = 0.0
    beats: int = 0
    failed: int = 0


@contextmanager
def crowd(url: str, key: GroupKey, names: Sequence[str], *, interval: float) -> Iterator[Crowd]:
    """Each thread beats for its share of the members, one after the other, so that each beats once an interval."""
    told, ended, lock = Crowd(), threading.Event(), threading.Lock()

    def beat(mine: Sequence[str]) -> None:
        store, last = open_client(url, store_id="default"), dict.fromkeys(mine, time.monotonic())
        joined = set[str]()
        for sequence in itertools.count(1):
            started = time.monotonic()
            for place, name in enumerate(mine):
                one = Beat(name, "one", sequence, interval)
                try:
                    (store.beat if name in joined else store.join)(key, one, timeout=interval)
                except StoreUnavailable:
                    with lock:
                        told.failed += 1
                    continue
                joined.add(name)
                now = time.monotonic()
                with lock:
                    told.acknowledged[name] = sequence
                    told.beats += 1
                    told.longest = max(told.longest, now - last[name])
                last[name] = now
                if ended.wait(max(0.0, started + interval * (place + 1) / len(mine) - now)):
                    store.close()
                    return

    threads = [threading.Thread(target=beat, args=(names[number::THREADS],)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        ended.set()
        for thread in threads:
            thread.join()
