"""The gateways of one installation: one of them is asked as long as it serves, then the next, within the call's time.

A gateway that says when to come again is left alone until then. Whose connection broke before an answer came is asked
once more on a new one: a beat that is written twice is one beat, by its sequence.
"""

import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from servicegroup.store.base import InvalidStore, StoreUnavailable
from servicegroup.store.mc_address import Address
from servicegroup.store.remote_address import Gateways
from servicegroup.store.remote_connection import Answer, Connection

LONGEST_REST = 5.0
"""Seconds for which a gateway is left alone, whatever it says: the interval ends the patience of the operator."""

IDLE = 4
BUSY = (429, 502, 503, 504)
"""What another gateway may answer better."""


@dataclass(slots=True)
class _Standing:
    idle: list[Connection] = field(default_factory=list)
    rests_until: float = 0.0


class Ring:
    def __init__(self, gateways: Gateways, *, ca_pem: str | None = None) -> None:
        """`ca_pem` is the authority of their certificate as text, in place of a file. Raises InvalidStore."""
        self._gateways = gateways
        # Ten thousand agents with one list would all ask its first.
        self._order = random.sample(gateways.hosts, len(gateways.hosts))
        self._standing = {one: _Standing() for one in self._order}
        self._lock = threading.Lock()
        self._trust: tuple[int, ssl.SSLContext] | None = None
        if ca_pem is not None:
            self._trust = 0, _trusting(ca_pem, gateways)

    def ask(self, method: str, path: str, *, body: bytes | None, timeout: float) -> Answer:
        """The first answer that is none of BUSY. Raises StoreUnavailable."""
        deadline = time.monotonic() + timeout
        headers = self._headers(body)
        failed: dict[Address, str] = {}
        order = self._by_rest()
        for place, one in enumerate(order):
            left = deadline - time.monotonic()
            rest = self._standing[one].rests_until - time.monotonic()
            if left <= max(0.0, rest):
                failed[one] = "no time is left" if left <= 0 else f"it asked to be left alone for {rest:.1f} s more"
                continue
            if rest > 0:
                time.sleep(rest)
            until = time.monotonic() + (deadline - time.monotonic()) / (len(order) - place)
            try:
                answer = self._asked(one, method, path, body=body, headers=headers, until=until)
            except (OSError, HTTPException, ValueError) as error:  # ValueError: a header that is none
                failed[one] = _cause(error)
                self._last(one)
                continue
            if answer.status not in BUSY:
                return answer
            failed[one] = f"it answered {answer.status}"
            if answer.retry_after is not None:
                self._standing[one].rests_until = time.monotonic() + min(answer.retry_after, LONGEST_REST)
            self._last(one)
        told = "; ".join(f"{one}: {why}" for one, why in failed.items())
        raise StoreUnavailable(f"gateway {self._gateways.shown}: {told}")

    def close(self) -> None:
        with self._lock:
            idle = [connection for standing in self._standing.values() for connection in standing.idle]
            for standing in self._standing.values():
                standing.idle = []
        for connection in idle:
            connection.close()

    def _by_rest(self) -> list[Address]:
        """Who rests comes last, and of those who rests shortest comes first."""
        now = time.monotonic()
        with self._lock:
            return sorted(self._order, key=lambda one: max(now, self._standing[one].rests_until))

    def _last(self, one: Address) -> None:
        """It failed: the others are asked first from now on."""
        with self._lock:
            self._order.remove(one)
            self._order.append(one)

    def _headers(self, body: bytes | None) -> Mapping[str, str]:
        path = self._gateways.token_file
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no token"
            raise StoreUnavailable(
                f"gateway {self._gateways.shown}: the token in {path} cannot be read: {cause}; mount one there"
            ) from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return headers if body is None else {**headers, "Content-Type": "application/json"}

    def _asked(
        self, one: Address, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], until: float
    ) -> Answer:
        while True:
            connection = self._connection(one)
            connection.deadline = until
            again = connection.used
            try:
                answer = connection.ask(method, path, body=body, headers=headers)
            except TimeoutError:
                raise
            except (OSError, HTTPException):
                if not again:  # else it was an idle one that had ended
                    raise
            else:
                self._keep(one, connection)
                return answer

    def _connection(self, one: Address) -> Connection:
        while True:
            with self._lock:
                idle = self._standing[one].idle
                connection = idle.pop() if idle else None
            if connection is None:
                context = self._context() if self._gateways.secure else None
                return Connection(one, context=context, server_name=self._gateways.server_name)
            if not connection.spoilt:
                return connection
            connection.close()

    def _keep(self, one: Address, connection: Connection) -> None:
        with self._lock:
            if connection.sock is not None and len(self._standing[one].idle) < IDLE:
                self._standing[one].idle.append(connection)
                return
        connection.close()

    def _context(self) -> ssl.SSLContext:
        """Made anew when the file of the authority changes. Raises OSError."""
        path = self._gateways.ca
        stamp = 0 if path is None else Path(path).stat().st_mtime_ns
        with self._lock:
            if self._trust is None or self._trust[0] != stamp:
                self._trust = stamp, ssl.create_default_context(cafile=path)
            return self._trust[1]


def _trusting(ca_pem: str, gateways: Gateways) -> ssl.SSLContext:
    if gateways.ca is not None:
        raise InvalidStore("gateway URL: its authority is given as ca=FILE and as text (CA_PEM): take one of them away")
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except (ssl.SSLError, ValueError):
        context = None
    if context is None or not context.get_ca_certs():
        raise InvalidStore("the authority of the gateways' certificate (CA_PEM) is no PEM of a certificate: correct it")
    return context


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return " ".join(text.split())[:200]
