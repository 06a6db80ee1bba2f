"""The way to one store, with threads of its own: a store that hangs keeps no other store's agents waiting.

Beats that come within `WINDOW` of the write before are written together, by one statement; the first after a quiet
moment goes at once. Who waits has a place in a bounded line, a member no more than a few, and is answered only when
the store has its beat. All other calls have threads of their own, so that no long read holds up the beats.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from servicegroup.clock import monotonic
from servicegroup.config import InvalidSetting
from servicegroup.gateway.refusals import Refused, overloaded, unavailable
from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.store import GatewayStore, StoreUnavailable

LOGGER = logging.getLogger("servicegroup.gateway")
WINDOW = 0.05
MOST_BEATS = 500
"""Of one statement: 10,000 beats a second, when each takes the window."""

MOST_WAITING = 10_000
MOST_CALLS = 2_000
CALLERS = 4
"""Threads, and places of a member's in either line: an agent waits for its answer before it asks again."""

STORE_SECONDS = 5.0
LONGEST_WAIT = 10.0

T = TypeVar("T")
Row = tuple[GroupKey, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    key: GroupKey
    beat: Beat
    until: float
    answer: asyncio.Future[Receipt]


@dataclass(slots=True)
class Lane:
    """`open` blocks, raises InvalidSetting or StoreUnavailable, and gives the same store each time."""

    name: str
    open: Callable[[], GatewayStore]
    _line: list[Waiting] = field(default_factory=list)
    _places: Counter[Row] = field(default_factory=Counter)
    _calls: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.Task[None] | None = None
    _writing: ThreadPoolExecutor = field(init=False)
    _calling: ThreadPoolExecutor = field(init=False)
    _failed: bool = False

    def __post_init__(self) -> None:
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"beats-{self.name}")
        self._calling = ThreadPoolExecutor(max_workers=CALLERS, thread_name_prefix=f"calls-{self.name}")

    async def beat(self, key: GroupKey, beat: Beat) -> Receipt:
        """Raises Refused: 429 or 503."""
        if len(self._line) >= MOST_WAITING:
            raise overloaded("too many beats wait for the store; try again")
        with _place(self._places, (key, beat.member)):
            answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            self._line.append(Waiting(key, beat, monotonic() + min(beat.interval, LONGEST_WAIT), answer))
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_task(self._write())
            self._arrived.set()
            return await answer

    async def join(self, key: GroupKey, beat: Beat) -> Receipt:
        """Raises Refused: 429 or 503."""
        with _place(self._places, (key, beat.member)):
            wait = min(beat.interval, LONGEST_WAIT)
            return await self.call(lambda store: store.join(key, beat, timeout=STORE_SECONDS), wait=wait)

    async def leave(self, key: GroupKey, beat: Beat) -> bool:
        """Raises Refused: 429 or 503."""
        with _place(self._places, (key, beat.member)):
            return await self.call(lambda store: store.leave(key, beat, timeout=STORE_SECONDS), wait=STORE_SECONDS)

    async def call(self, do: Callable[[GatewayStore], T], *, wait: float) -> T:
        """Raises Refused: 429 or 503. What is not begun within `wait` seconds, or has nobody waiting, is not done."""
        if self._calls >= MOST_CALLS:
            raise overloaded("too many calls wait for the store; try again")
        until, abandoned = monotonic() + wait, False

        def work() -> T:
            if abandoned or monotonic() > until:
                raise StoreUnavailable("the call waited too long for its turn")
            return do(self.open())

        self._calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._calling, work)
        except (StoreUnavailable, InvalidSetting) as error:
            raise self._refused(error) from None
        except BaseException:
            abandoned = True
            raise
        finally:
            self._calls -= 1

    async def close(self) -> None:
        """The server has answered everyone by now."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._writing.shutdown(wait=False, cancel_futures=True)
        self._calling.shutdown(wait=False, cancel_futures=True)

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            started = monotonic()
            batch = self._next(now=started)
            if batch:
                await self._write_batch(batch)
            await asyncio.sleep(max(0.0, started + WINDOW - monotonic()))

    def _next(self, *, now: float) -> list[Waiting]:
        """The first of those who still wait; who cannot be served in time is told so."""
        taken, self._line = self._line[:MOST_BEATS], self._line[MOST_BEATS:]
        if not self._line:
            self._arrived.clear()
        batch = []
        for one in taken:
            if one.answer.done():  # nobody is to be told: the gateway closes
                continue
            if now > one.until:
                one.answer.set_exception(unavailable("the store is slow, and the beat waited too long; try again"))
            else:
                batch.append(one)
        return batch

    async def _write_batch(self, batch: Sequence[Waiting]) -> None:
        beats = [(one.key, one.beat) for one in batch]
        loop = asyncio.get_running_loop()
        try:
            receipts = await loop.run_in_executor(self._writing, self._written, beats)
        except (StoreUnavailable, InvalidSetting) as error:
            # Those who came meanwhile would wait as long for the same.
            late, self._line = self._line, []
            refused = self._refused(error)
            for one in (*batch, *late):
                _fail(one, refused)
        except Exception:
            LOGGER.exception("store %s: a batch of %d beats failed; they are written one by one", self.name, len(batch))
            for one in batch:
                await self._write_alone(one)
        else:
            self._failed = False
            for one, receipt in zip(batch, receipts, strict=True):
                _tell(one, receipt)

    def _written(self, beats: list[tuple[GroupKey, Beat]]) -> list[Receipt | None]:
        return self.open().beat_many(beats, timeout=STORE_SECONDS)

    async def _write_alone(self, one: Waiting) -> None:
        """One bad beat fails alone."""
        try:
            (receipt,) = await asyncio.get_running_loop().run_in_executor(
                self._writing, self._written, [(one.key, one.beat)]
            )
        except Exception:  # noqa: BLE001 - told above with its traceback
            _fail(one, unavailable("the store does not take this beat; the gateway's log says why"))
        else:
            _tell(one, receipt)

    def _refused(self, error: Exception) -> Refused:
        if not self._failed:
            LOGGER.warning("store %s: %s", self.name, error)
        self._failed = True
        return unavailable("the store of this group is unavailable; try again")


def _tell(one: Waiting, receipt: Receipt | None) -> None:
    if receipt is None:
        _fail(one, unavailable("the store did not take this beat in time; try again"))
    elif not one.answer.done():
        one.answer.set_result(receipt)


def _fail(one: Waiting, refused: Refused) -> None:
    if not one.answer.done():
        one.answer.set_exception(Refused(refused.status, str(refused), again=refused.again))


class _place:  # noqa: N801 - a context manager
    """A member's place in the line. Raises Refused: 429."""

    def __init__(self, places: Counter[Row], row: Row) -> None:
        self._places = places
        self._row = row

    def __enter__(self) -> None:
        if self._places[self._row] >= CALLERS:
            raise overloaded("too many calls of this member are under way; wait for their answers")
        self._places[self._row] += 1

    def __exit__(self, *_: object) -> None:
        self._places[self._row] -= 1
        if not self._places[self._row]:
            del self._places[self._row]
