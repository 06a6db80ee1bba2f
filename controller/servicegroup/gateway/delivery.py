"""An answer on its way out: a reader that does not read holds memory of ours, and is given no more than so long."""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import web

ANSWER_SECONDS = 30.0
"""For one answer, however large: the largest has some ten megabytes, and a client's own patience is shorter."""

AT_ONCE_AND_UNSENT = struct.pack("ii", 1, 0)
"""SO_LINGER: the system does not keep what is unsent either."""


async def deliver(request: web.Request, response: web.StreamResponse, *, seconds: float) -> None:
    """Until the system has taken all of it, or the connection is gone; it is broken off when the time is over."""
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=0)  # a wait for room is then a wait for all of it
    try:
        with suppress(ConnectionError):
            async with asyncio.timeout(seconds):
                await response.prepare(request)
                await response.write_eof()
    except TimeoutError:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE_AND_UNSENT)
        transport.abort()
