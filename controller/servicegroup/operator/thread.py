"""A thread of one store's own, so that one that hangs keeps no other store's groups waiting: calls come in, answers go
out.

Who waits for an answer measures for how long the event loop did not turn meanwhile (a stopped process, a suspended
machine, a starved core), so that the observer's absence is not taken for the members'.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from servicegroup.clock import monotonic

T = TypeVar("T")

TICK = 0.25
"""Seconds between two looks of the event loop at the clock."""


class StoreThread:
    def __init__(self, store: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"store-{store}")
        self._stood = 0.0

    async def run(self, call: Callable[[], T]) -> T:
        """The call's answer, or what it raises."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        last = monotonic()
        while not future.done():
            await asyncio.wait({future}, timeout=TICK)
            now = monotonic()
            self._stood, last = self._stood + max(0.0, now - last - TICK), now
        return future.result()

    def stood(self) -> float:
        """Seconds for which the event loop stood still during the calls since this was asked last, all added up."""
        stood, self._stood = self._stood, 0.0
        return stood

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
