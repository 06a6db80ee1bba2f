"""The connections to each gateway that are kept for the next question, and whom they trust.

A connection that broke before an answer came is no failure of the gateway's: it is asked once more on a new one. A beat
that is written twice is one beat, by its sequence.
"""

import ssl
import threading
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from servicegroup.store.base import InvalidStore
from servicegroup.store.mc_address import Address
from servicegroup.store.remote_address import Gateways
from servicegroup.store.remote_connection import Answer, Connection

IDLE = 4
"""Of each gateway."""


class Pool:
    def __init__(self, gateways: Gateways, *, ca_pem: str | None) -> None:
        """Raises InvalidStore."""
        self._gateways = gateways
        self._idle: dict[Address, list[Connection]] = {one: [] for one in gateways.hosts}
        self._closed = False
        self._lock = threading.Lock()
        self._trust = None if ca_pem is None else (0, _trusting(ca_pem, gateways))

    def close(self) -> None:
        with self._lock:
            self._closed = True  # a slow gateway's answer may still be under way
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle = {one: [] for one in self._idle}
        for connection in idle:
            connection.close()

    def ask(
        self, one: Address, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], until: float
    ) -> Answer:
        """`until` is of time.monotonic(). Raises OSError, HTTPException, and ValueError for a header that is none."""
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
                idle = self._idle[one]
                connection = idle.pop() if idle else None
            if connection is None:
                context = self._context() if self._gateways.secure else None
                return Connection(one, context=context, server_name=self._gateways.server_name)
            if not connection.spoilt:
                return connection
            connection.close()

    def _keep(self, one: Address, connection: Connection) -> None:
        with self._lock:
            if connection.sock is not None and not self._closed and len(self._idle[one]) < IDLE:
                self._idle[one].append(connection)
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
