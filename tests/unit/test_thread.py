"""A store's own thread: for how long the event loop stood still while it waited for an answer."""

import asyncio
import threading
import time

import pytest
from servicegroup.operator.thread import StoreThread
from servicegroup.store.base import StoreUnavailable


def test_an_event_loop_that_stands_still_during_a_call_is_measured_once_and_added_up() -> None:
    async def story() -> tuple[float, float]:
        thread, ended = StoreThread("db"), threading.Event()
        waiting = asyncio.create_task(thread.run(ended.wait))
        await asyncio.sleep(0)
        for _ in range(2):
            time.sleep(0.6)  # noqa: ASYNC251 - this is the stall
            await asyncio.sleep(0.01)
        ended.set()
        await waiting
        thread.close()
        return thread.stood(), thread.stood()

    stood, again = asyncio.run(story())
    assert stood > 0.5  # each of the two was longer than a tick by 0.35 s
    assert again == 0.0


def test_what_a_call_raises_is_raised_to_who_waits_for_it() -> None:
    def refuse() -> None:
        raise StoreUnavailable("store db: refused")

    async def story() -> None:
        thread = StoreThread("db")
        try:
            await thread.run(refuse)
        finally:
            thread.close()

    with pytest.raises(StoreUnavailable, match="refused"):
        asyncio.run(story())
