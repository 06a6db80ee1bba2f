"""A way between two parts that a scenario can make slow, or close: a TCP proxy on this machine.

`held` forwards nothing and closes nothing, as a network that drops packets: what was sent meanwhile arrives when it is
over, as a kernel sends it again. `refusing` closes at once, as a machine without the server.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536
MOST_UNDER_WAY = 64
"""Chunks: who sends more waits, as for a full window."""


Way = asyncio.Queue[tuple[float, bytes]]
"""What is between the two sides, each with when it arrives by the loop's clock."""

Late = Callable[[], float]


class Proxy:
    """Listens from its making until `close`; what it forwards by is set by its context managers."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._late_there = self._late_back = 0.0
        self._refuses = False
        self._tasks: set[asyncio.Task[None]] = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lead_to(self, port: int) -> None:
        """From now on, and for who comes anew."""
        self._target = (self._target[0], port)
        self._loop.call_soon_threadsafe(self._drop)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._loop.call_soon_threadsafe(self._open.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._open.set)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        self._refuses = True
        self._loop.call_soon_threadsafe(self._drop)
        try:
            yield
        finally:
            self._refuses = False

    @contextmanager
    def slow(self, seconds: float, *, back: float = 0.0) -> Iterator[None]:
        """All that goes to the server is so long on its way, and what comes `back` from it; what is sent after it need
        not wait for it to arrive.
        """
        self._late_there, self._late_back = seconds, back
        try:
            yield
        finally:
            self._late_there = self._late_back = 0.0

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._open, self._ended = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        started.set()
        await self._ended.wait()
        self._server.close()
        self._drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._refuses:
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one of the two went away, or the way was closed
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        there, back = await asyncio.open_connection(*self._target)
        try:
            await _either(
                self._forward(reader, back, late=lambda: self._late_there),
                self._forward(there, writer, late=lambda: self._late_back),
            )
        finally:
            back.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: Late) -> None:
        under_way: Way = asyncio.Queue(MOST_UNDER_WAY)
        await _either(self._take(reader, under_way, late=late), self._give(under_way, writer))

    async def _take(self, reader: asyncio.StreamReader, under_way: Way, *, late: Late) -> None:
        while chunk := await reader.read(CHUNK):
            await under_way.put((self._loop.time() + late(), chunk))
        await asyncio.sleep(late())  # that it was the last is as long on its way
        await under_way.join()

    async def _give(self, under_way: Way, writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            await self._open.wait()
            writer.write(chunk)
            await writer.drain()
            under_way.task_done()


async def _either(*ways: Awaitable[None]) -> None:
    """Until one of them has ended; the other is cancelled."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(OSError, asyncio.CancelledError):
                await task
