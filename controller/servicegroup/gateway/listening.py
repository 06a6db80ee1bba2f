"""Where the gateway listens: a text comes in, an address goes out, and a site of aiohttp's with our time for TLS."""

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass

from aiohttp import web

from servicegroup.config import InvalidSetting

PORT = 8443
HANDSHAKE_SECONDS = 10.0
BACKLOG = 1024
"""Connections that wait to be taken: thousands of agents come back at once after a restart."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(origin: str, text: str) -> Address:
    """`host:port`, `[host]:port`, or `:port` for every address of this host. Raises InvalidSetting."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - what was asked for
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:  # noqa: PLR2004 - the ports there are
        raise InvalidSetting(
            f"{origin} is {text[:60]!r}: not an address; allowed are such as 0.0.0.0:8443, [::]:8443; correct it"
        )
    return Address(host, number)


class Site(web.BaseSite):
    """aiohttp's own gives a client a minute for the TLS handshake."""

    def __init__(self, runner: web.AppRunner, address: Address, context: ssl.SSLContext | None) -> None:
        super().__init__(runner, ssl_context=context, backlog=BACKLOG)
        self._address = address
        self._context = context

    @property
    def name(self) -> str:
        bound = self._server.sockets[0].getsockname()[1] if isinstance(self._server, asyncio.Server) else 0
        return f"{'http' if self._context is None else 'https'}://{Address(self._address.host, bound)}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert server is not None  # noqa: S101 - the runner was set up
        try:
            self._server = await asyncio.get_running_loop().create_server(
                server,
                self._address.host,
                self._address.port,
                ssl=self._context,
                backlog=BACKLOG,
                ssl_handshake_timeout=None if self._context is None else HANDSHAKE_SECONDS,
            )
        except OSError as error:
            raise InvalidSetting(f"--listen {self._address}: {error.strerror}; choose another address") from None
