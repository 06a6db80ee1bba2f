"""A socket to one memcached server: every wait ends at the call's deadline, and a refusal is a sentence."""

import select
import socket
import ssl
from collections.abc import Callable

from servicegroup.store.mc_tls import Secure

SLACK = 0.01
"""Seconds that a wait may end too late: to tell the socket each of them anew costs a part of each beat."""


class Timed:
    """A connected socket, plain or by TLS; `left` says how many seconds the call in progress has."""

    def __init__(self, sock: socket.socket, *, left: Callable[[], float], secure: Secure | None) -> None:
        self._sock = sock
        self._left = left
        self._secure = secure
        self._answered = False
        self._bound = float("inf")
        self._looking = select.poll()
        self._looking.register(sock, select.POLLIN)

    def recv(self, size: int) -> bytes:
        self._end_in_time()
        try:
            piece = self._sock.recv(size)
        except ssl.SSLError as error:
            if self._secure is None:
                raise
            raise ConnectionError(self._secure.said(error)) from None
        except ConnectionError:
            if self._answered:
                raise
            piece = b""
        if not piece and not self._answered:
            raise ConnectionError(f"it closed the connection before it said anything; {self._hint}")
        self._answered = True
        return piece

    def sendall(self, data: bytes) -> None:
        self._end_in_time()
        try:
            self._sock.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            self.recv(1)  # what the server said before it hung up tells more
            if isinstance(error, ssl.SSLError):
                raise ConnectionError("it closed the connection") from None
            raise

    def _end_in_time(self) -> None:
        left = self._left()
        if not -SLACK < self._bound - left < SLACK:
            self._sock.settimeout(left)
            self._bound = left

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to be read: neither a farewell nor what nobody asked for.

        By TLS a server sends session tickets and new keys when it likes. They are taken in here, and are no answer.
        """
        if not isinstance(self._sock, ssl.SSLSocket):
            return not self._looking.poll(0)
        if self._sock.pending():
            return False
        return not self._looking.poll(0) or self._only_tickets()

    def _only_tickets(self) -> bool:
        self._bound = float("inf")
        self._sock.settimeout(0.0)
        try:
            self._sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    @property
    def _hint(self) -> str:
        return "where it serves by TLS, write memcacheds://" if self._secure is None else self._secure.hint
