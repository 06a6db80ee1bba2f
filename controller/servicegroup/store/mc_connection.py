"""One connection to one memcached server: pymemcache's client, with a deadline for a whole call and batched reads.

Two things of pymemcache 4.0.0 are mended here. Its timeout starts again with each piece that is received, and its
`raw_command` forgets all but the last piece of an answer of more than 4096 bytes (`_readsegment`); so meta commands
are read by their own lengths, which also bears a value that looks like an answer.
"""

import re
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

VALUE = re.compile(rb"VA (\d+) t(-?\d+) c(\d+)\r\n")
"""What comes before a value that was asked for with `v t c`."""


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

    def check_key(self, key: str, key_prefix: bytes = b"") -> bytes:
        """Keys of ours are hashes: there is nothing to check."""
        return key_prefix + key.encode("ascii")

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
        answers = self._meta([b"mg %s v t c" % key.encode("ascii") for key in keys])
        return [answer if isinstance(answer, Item) else None for answer in answers]

    def touch_all(self, keys: Sequence[str], *, expire: int) -> list[bool]:
        """Which keys there are; each of them expires so much later."""
        return [answer is True for answer in self._meta([b"mg %s T%d" % (key.encode("ascii"), expire) for key in keys])]

    def delete_as_read(self, items: Iterable[tuple[str, int]]) -> list[bool]:
        """Which items were still as they were read, by their words for a cas; those are gone now."""
        deletions = [b"md %s C%d" % (key.encode("ascii"), cas) for key, cas in items]
        return [answer is True for answer in self._meta(deletions)]

    def _meta(self, commands: Sequence[bytes]) -> list[Item | bool]:
        """The answers: an item where a value was asked for, else whether it was done."""
        answers: list[Item | bool] = []
        try:
            for start in range(0, len(commands), BATCH):
                batch = commands[start : start + BATCH]
                if self.sock is None:
                    self._connect()
                self.sock.sendall(b"\r\n".join(batch) + b"\r\n")
                answers += self._answers(len(batch))
        except BaseException:
            self.close()  # half an answer may be on its way
            raise
        return answers

    def _answers(self, count: int) -> Iterator[Item | bool]:
        buffer, at = b"", 0
        while count:
            if value := VALUE.match(buffer, at):
                size, remaining, cas = map(int, value.groups())
                start = value.end()
                if start + size + 2 <= len(buffer):
                    yield Item(buffer[start : start + size], remaining, cas)
                    at = start + size + 2
                    count -= 1
                    continue
            elif (end := buffer.find(b"\r\n", at)) >= 0:
                yield _done(buffer[at:end])
                at = end + 2
                count -= 1
                continue
            buffer, at = buffer[at:] + self._piece(), 0

    def _piece(self) -> bytes:
        piece: bytes = self.sock.recv(PIECE)
        if not piece:
            raise MemcacheUnexpectedCloseError
        return piece


def _done(line: bytes) -> bool:
    word = line[:2]
    if word == b"HD":
        return True
    if word in (b"EN", b"NF", b"EX"):  # none of that key; the same, of a deletion; or another than was read
        return False
    raise MemcacheServerError(line[:200] or b"an empty line")
