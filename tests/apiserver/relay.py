"""A way to the API server that can become a black hole: nothing is refused, nothing is answered, nothing arrives.

Connections of the time before stay dead when it is mended, as where a firewall has forgotten them: neither end is told.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65536


class Relay:
    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._alive: set[socket.socket] = set()
        self._dead: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def swallow(self) -> None:
        """From now on, and for good on the connections that there are."""
        self._open.clear()
        with self._lock:
            self._dead |= self._alive

    def mend(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._alive | self._dead:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.wait()
                with self._lock:
                    self._alive.add(near)
                far = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._alive.add(far)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(CHUNK):
                if one in self._dead:
                    return
                other.sendall(content)
        if one not in self._dead:
            with suppress(OSError):
                other.shutdown(socket.SHUT_WR)


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    opened = Relay(port)
    try:
        yield opened
    finally:
        opened.close()
