"""A way to servers that can be shut: what is sent meanwhile arrives nowhere and is not refused, as with a dead switch.

Separate because it knows nothing of what goes through it. Unlike with a real switch a new connection is taken; whoever
made it gets no answer. What was held goes on its way when the door is opened, as when a network comes back.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

__all__ = ["Door", "door"]

T = TypeVar("T")
PORTION = 65536


class Door:
    """Made by `door`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def to(self, port: int) -> int:
        """The port on this side of a server's."""
        return self._run(self._listen(port))

    def shut(self) -> None:
        self._run(self._pass(passing=False))

    def open(self) -> None:
        self._run(self._pass(passing=True))

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self, port: int) -> int:
        server = await asyncio.start_server(partial(self._connected, port), self._host, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _pass(self, *, passing: bool) -> None:
        if passing:
            self._passing.set()
        else:
            self._passing.clear()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with suppress(OSError, asyncio.CancelledError):  # cancelled by `close`, which is no error to be told of
                await self._passing.wait()
                server_reader, server_writer = await asyncio.open_connection(self._host, port)
                await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))
        finally:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                while portion := await reader.read(PORTION):
                    await self._passing.wait()
                    writer.write(portion)
                    await writer.drain()
                await self._passing.wait()
        finally:
            writer.close()


@contextmanager
def door(host: str = "127.0.0.1") -> Iterator[Door]:
    """Its connections are made in the network of the calling thread."""
    made = Door(host)
    try:
        yield made
    finally:
        made.close()
