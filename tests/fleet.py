"""Many agents in a few threads: the real beat loops, each with its own incarnation and rhythm, over one store.

A thread for each of a thousand agents would measure the machine; here a few threads take whoever is due next.
"""

import heapq
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

from servicegroup.agent.doorbell import Doorbell
from servicegroup.agent.loop import BeatLoop
from servicegroup.agent.rhythm import start_delay
from servicegroup.model import GroupKey
from servicegroup.store import AgentStore, open_client

THREADS = 4


class Fleet:
    """Agents that beat until they are killed: no leave, as when their machine loses power."""

    def __init__(self, store: AgentStore) -> None:
        self._store = store
        self._due: list[tuple[float, int, BeatLoop]] = []
        self._order = count()
        self._killed: set[tuple[GroupKey, str]] = set()
        self._bell = threading.Condition()
        self._loops = Doorbell()  # nobody rings it; a pipe for each of thousands would be too many files
        self._ended = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def join(self, key: GroupKey, members: Iterable[str], *, interval: float) -> None:
        """They start as agents do, spread over their interval."""
        with self._bell:
            for member in members:
                loop = BeatLoop(self._store, key, member, interval, bell=self._loops)
                due = time.monotonic() + start_delay(interval=interval, chance=loop.chance())
                heapq.heappush(self._due, (due, next(self._order), loop))
            self._bell.notify_all()

    def kill(self, key: GroupKey, members: Iterable[str]) -> None:
        self._killed |= {(key, member) for member in members}

    def leave(self) -> None:
        """All of them, as agents that end."""
        self.close()
        for _, _, loop in self._due:
            loop.leave()
            loop.run()

    def close(self) -> None:
        with self._bell:
            self._ended = True
            self._bell.notify_all()
        for thread in self._threads:
            thread.join()
        self._loops.close()

    def _work(self) -> None:
        while (loop := self._next()) is not None:
            wait = loop.turn()
            with self._bell:
                heapq.heappush(self._due, (time.monotonic() + wait, next(self._order), loop))
                self._bell.notify()

    def _next(self) -> BeatLoop | None:
        with self._bell:
            while not self._ended:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    loop = heapq.heappop(self._due)[2]
                    if (loop.key, loop.member) not in self._killed:
                        return loop
                else:
                    self._bell.wait(left)
        return None


@contextmanager
def fleet(url: str, *, store_id: str = "default") -> Iterator[Fleet]:
    store = open_client(url, store_id=store_id)
    agents = Fleet(store)
    try:
        yield agents
    finally:
        agents.close()
        store.close()
