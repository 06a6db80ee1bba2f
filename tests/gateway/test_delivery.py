"""A reader that does not read, and a stranger that stays: the gateway's own application, in this process."""

import asyncio
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import BinaryIO

from aiohttp import web
from servicegroup.gateway import serve
from servicegroup.gateway.authentication import Authenticator
from servicegroup.gateway.authorization import Authorizer
from servicegroup.gateway.beats import Gate
from servicegroup.gateway.connections import FIRST_REQUEST_SECONDS, Connections
from servicegroup.gateway.groups import Watched
from servicegroup.operator.groups import Groups

from tests.gateway.test_queries import NOBODY

TIMES = 1000
"""So often the document is asked for: 30 MB in all, more than the system buffers for a reader that does not read."""

AWAITED = 30.0
ASKED = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def serving(*, patience: float) -> AsyncIterator[tuple[web.AppRunner, Connections, int]]:
    """A server, whose connections stay, and the port."""
    kept = Connections(most=100)
    gate = Gate(Authenticator(NOBODY, "a"), Authorizer(NOBODY), Watched(Groups()), {})
    runner = web.AppRunner(serve.application(gate, kept, patience=patience), access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner, kept, runner.addresses[0][1]
    finally:
        await runner.cleanup()


def connected(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(AWAITED)
    sock.connect(("127.0.0.1", port))
    return sock


def broken_off(sock: socket.socket) -> bool:
    """Waits for the connection's end without reading."""
    look = select.poll()
    look.register(sock, 0)  # an end is told whatever is asked for
    return bool(look.poll(AWAITED * 1000))


def test_who_does_not_read_loses_the_connection() -> None:
    def ask(port: int) -> bool:
        with closing(connected(port)) as sock:
            try:
                sock.sendall(ASKED * TIMES)
            except ConnectionError:
                return True
            return broken_off(sock)

    async def main() -> None:
        async with serving(patience=0.2) as (_, _, port):
            assert await asyncio.to_thread(ask, port)

    asyncio.run(main())


def answered(lines: BinaryIO) -> bool:
    if lines.readline() != b"HTTP/1.1 200 OK\r\n":
        return False
    headers = dict(one.split(b": ") for one in iter(lines.readline, b"\r\n"))
    return len(lines.read(int(headers[b"Content-Length"]))) > len(ASKED)


def test_who_reads_is_given_all_of_it() -> None:
    def ask(port: int) -> int:
        with closing(connected(port)) as sock:
            sock.sendall(ASKED * TIMES)
            with sock.makefile("rb") as lines:
                return sum(answered(lines) for _ in range(TIMES))

    async def main() -> None:
        async with serving(patience=AWAITED) as (_, _, port):
            assert await asyncio.to_thread(ask, port) == TIMES

    asyncio.run(main())


def test_what_is_told_to_everyone_makes_nobody_one_of_ours() -> None:
    def ask(sock: socket.socket) -> None:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")

    async def main() -> None:
        async with serving(patience=AWAITED) as (runner, kept, port):
            assert runner.server is not None
            with closing(await asyncio.to_thread(connected, port)) as sock:
                await asyncio.to_thread(ask, sock)
                kept.look(runner.server, now=0.0)
                await asyncio.to_thread(ask, sock)
                kept.look(runner.server, now=FIRST_REQUEST_SECONDS + 1)
                assert await asyncio.to_thread(sock.recv, 1) == b""

    asyncio.run(main())
