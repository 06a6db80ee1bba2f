"""Many agents by gateways: the real beat loops on the real driver, and what they were told, by sequence."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.store import AgentStore, StoreUnavailable, open_client

from tests.fleet import Fleet

FLEETS = 8
"""Of four threads each, on connections of their own. So many wait for an answer at a time: a gateway writes twenty
batches a second, and each has one beat of a thread.
"""


@dataclass
class Crowd:
    """`acknowledged`: of each member the highest sequence that was answered as its own."""

    key: GroupKey
    acknowledged: dict[str, int] = field(default_factory=dict)
    beats: int = 0
    failed: int = 0
    _fleets: list[Fleet] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kill(self, members: Collection[str]) -> None:
        for fleet in self._fleets:
            fleet.kill(self.key, members)

    def note(self, beat: Beat, receipt: Receipt) -> Receipt:
        with self._lock:
            self.beats += 1
            if receipt.owned:
                self.acknowledged[beat.member] = max(beat.sequence, self.acknowledged.get(beat.member, 0))
        return receipt

    @contextmanager
    def counted(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable:
            with self._lock:
                self.failed += 1
            raise


@dataclass(frozen=True)
class Noted:
    """The driver, and a note of each of its receipts."""

    store: AgentStore
    crowd: Crowd

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        with self.crowd.counted():
            return self.crowd.note(beat, self.store.join(key, beat, timeout=timeout))

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        with self.crowd.counted():
            return self.crowd.note(beat, self.store.beat(key, beat, timeout=timeout))

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        return self.store.leave(key, beat, timeout=timeout)

    def close(self) -> None:
        self.store.close()


@contextmanager
def crowd(url: str, key: GroupKey, names: Sequence[str], *, interval: float) -> Iterator[Crowd]:
    told = Crowd(key)
    with ExitStack() as stack:
        for number in range(FLEETS):
            store = stack.enter_context(closing(Noted(open_client(url, store_id="default"), told)))
            fleet = stack.enter_context(closing(Fleet(store)))
            fleet.join(key, names[number::FLEETS], interval=interval)
            told._fleets.append(fleet)
        yield told
