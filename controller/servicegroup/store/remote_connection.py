"""One connection to one gateway: http.client, with a deadline for the whole of a call however slowly bytes come."""

import io
import select
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from servicegroup.store.mc_address import Address, resolve

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes: a group of 100,000 members with long names is half of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    retry_after: float | None


class _Raw(io.RawIOBase):
    """What http.client reads from; each wait ends at the deadline."""

    def __init__(self, owner: "Connection", sock: socket.socket) -> None:
        self._owner = owner
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._owner.left())
        return self._sock.recv_into(buffer)


class _Timed:
    """The part of a socket that http.client uses."""

    def __init__(self, owner: "Connection", sock: socket.socket) -> None:
        self._owner = owner
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Raw(self._owner, self._sock))

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._owner.left())
        self._sock.sendall(data)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


class Connection(HTTPConnection):
    def __init__(self, address: Address, *, context: ssl.SSLContext | None, server_name: str | None) -> None:
        super().__init__(address.host, address.port)
        self._address = address
        self._context = context
        self._server_name = server_name or address.host
        self.deadline = 0.0
        self.used = False

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def connect(self) -> None:
        failed: OSError = OSError("its name stands for no address")
        for place in resolve(self._address, timeout=self.left()):
            try:
                sock = self._opened(place)
            except OSError as error:
                failed = error
            else:
                self.sock = _Timed(self, sock)
                return
        raise failed

    def _opened(self, place: Address) -> socket.socket:
        sock = socket.create_connection((place.host, place.port), timeout=self.left())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return sock
            sock.settimeout(self.left())
            return self._context.wrap_socket(sock, server_hostname=self._server_name)
        except BaseException:
            sock.close()
            raise

    @property
    def spoilt(self) -> bool:
        """Whether an idle connection was closed by the gateway, or holds what nobody asked for."""
        if self.sock is None:
            return True
        look = select.poll()
        look.register(self.sock, select.POLLIN)
        return bool(look.poll(0))

    def ask(self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Raises OSError and HTTPException; then the connection is closed."""
        try:
            self.request(method, path, body=body, headers=dict(headers))
            response = self.getresponse()
            content = response.read(LARGEST_ANSWER + 1)
        except BaseException:
            self.close()
            raise
        if len(content) > LARGEST_ANSWER:
            self.close()
            raise HTTPException(f"an answer of more than {LARGEST_ANSWER} bytes")
        self.used = True
        return Answer(response.status, content, _seconds(response.getheader("Retry-After")))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else None  # noqa: PLR2004
