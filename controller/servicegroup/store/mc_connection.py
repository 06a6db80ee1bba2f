"""One connection to one memcached server: pymemcache's client, with a deadline for a whole call and batched reads.

Two things of pymemcache 4.0.0 are mended here. Its timeout starts again with each piece that is received, and its
`raw_command` forgets all but the last piece of an answer of more than 4096 bytes (`_readsegment`); so meta commands
are read by their own lengths, which also bears a value that looks like an answer.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Sequence

from pymemcache import Client
from pymemcache.exceptions import MemcacheServerError, MemcacheUnexpectedCloseError

from servicegroup.store.mc_address import Address
from servicegroup.store.mc_socket import Timed
from servicegroup.store.mc_tls import Secure
from servicegroup.store.mc_wire import Item

BATCH = 500
"""Keys of one round trip: some 40 kB out and 100 kB back, which socket buffers hold without either side waiting."""

PIECE = 65536


class Connection(Client):  # type: ignore[misc] # pymemcache's class has no types
    def __init__(self, address: Address, *, secure: Secure | None = None) -> None:
        super().__init__((address.host, address.port), default_noreply=False, ignore_exc=False)
        self._address = address
        self._secure = secure
        self.deadline = 0.0

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def _connect(self) -> None:
        self.close()
        sock = socket.create_connection(self.server, timeout=self.left())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure is not None:
                sock.settimeout(self.left())
                sock = self._secure.wrap(sock, name=self._address.name)
        except BaseException:
            sock.close()
            raise
        self.sock = Timed(sock, left=self.left, secure=self._secure)

    @property
    def spoilt(self) -> bool:
        """Whether an idle connection was closed by the server, or holds what nobody asked for."""
        return self.sock is None or not self.sock.quiet

    def fetch(self, keys: Sequence[str]) -> list[Item | None]:
        """The items of many keys, in their order."""
        return [item for _, item in self._meta([_mg(key, b"v t c") for key in keys])]

    def touch_all(self, keys: Sequence[str], *, expire: int) -> list[bool]:
        """Which keys there are; each of them expires so much later."""
        return [there for there, _ in self._meta([_mg(key, b"T%d" % expire) for key in keys])]

    def delete_as_read(self, items: Iterable[tuple[str, int]]) -> list[bool]:
        """Which items were still as they were read, by their words for a cas; those are gone now."""
        return [gone for gone, _ in self._meta([b"md %s C%d" % (key.encode("ascii"), cas) for key, cas in items])]

    def _meta(self, commands: Sequence[bytes]) -> Iterator[tuple[bool, Item | None]]:
        for start in range(0, len(commands), BATCH):
            try:
                yield from self._exchange(commands[start : start + BATCH])
            except BaseException:
                self.close()  # half an answer may be on its way
                raise

    def _exchange(self, commands: Sequence[bytes]) -> list[tuple[bool, Item | None]]:
        if self.sock is None:
            self._connect()
        self.sock.sendall(b"".join(command + b"\r\n" for command in commands))
        answers = _Answers(self.sock)
        return [answers.next() for _ in commands]


def _mg(key: str, flags: bytes) -> bytes:
    return b"mg %s %s" % (key.encode("ascii"), flags)


class _Answers:
    """Answers to `mg` and `md`, one after the other, from a stream of pieces."""

    def __init__(self, sock: Timed) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._at = 0

    def next(self) -> tuple[bool, Item | None]:
        word, *rest = self._line().split()
        if word in (b"EN", b"NF", b"EX"):  # none of that key; the same, of a deletion; or another than was read
            return False, None
        if word == b"HD":
            return True, None
        if word != b"VA":
            raise MemcacheServerError(b" ".join([word, *rest])[:200])
        value = self._take(int(rest[0]))
        flags = {flag[:1]: int(flag[1:]) for flag in rest[1:]}
        return True, Item(value, flags[b"t"], flags[b"c"])

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            self._more()
        line = bytes(self._buffer[self._at : end])
        self._at = end + 2
        if not line.strip():
            raise MemcacheServerError(b"an empty line")
        return line

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < self._at + size + 2:
            self._more()
        value = bytes(self._buffer[self._at : self._at + size])
        self._at += size + 2
        return value

    def _more(self) -> None:
        piece = self._sock.recv(PIECE)
        if not piece:
            raise MemcacheUnexpectedCloseError
        self._buffer += piece
