"""memcached: a server, or three of which each has all."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.contract import memcached
from tests.scenarios.crews import wrong_clock
from tests.scenarios.places.place import ServerPlace, ways_to
from tests.scenarios.proxy import Proxy

BIG = b"x" * 500_000
"""Bytes: an item of memcached's."""


class Memcached(ServerPlace):
    def __init__(self, servers: Sequence[memcached.Server]) -> None:
        ways = ways_to([server.port for server in servers])
        name = "memcached" if len(servers) == 1 else f"memcached-{len(servers)}"
        super().__init__(
            name, memcached.url([*servers]), _memcached_url(ways.agents), _memcached_url(ways.operator), ways
        )
        self.servers = servers

    @contextmanager
    def paused(self) -> Iterator[None]:
        for server in self.servers:
            server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for server in self.servers:
                server.signal(signal.SIGCONT)

    @contextmanager
    def down(self) -> Iterator[None]:
        for server in self.servers:
            server.kill()
        try:
            yield
        finally:
            for server in self.servers:
                server.start()

    @contextmanager
    def restarted(self) -> Iterator[None]:
        with self.down():
            pass
        yield

    @contextmanager
    def rows_lost(self) -> Iterator[None]:
        for server in self.servers:
            with server.client() as client:
                client.flush_all()
        yield

    @contextmanager
    def clocked(self, file: Path) -> Iterator[None]:
        self._restart(wrong_clock("", file=file))
        yield

    def mend(self) -> None:
        if any(server.environ for server in self.servers):
            self._restart({})

    def _restart(self, environ: Mapping[str, str]) -> None:
        for server in self.servers:
            server.kill()
            server.environ = environ
            server.start()

    @contextmanager
    def evicting(self) -> Iterator[None]:
        """Others fill it, until it throws out what was not asked for lately."""
        for server in self.servers:
            with server.client() as client:
                for number in range(300):
                    client.set(f"other-{number}", BIG)
        yield


class SeveralMemcached(Memcached):
    @contextmanager
    def one_down(self) -> Iterator[None]:
        self.servers[0].kill()
        try:
            yield
        finally:
            self.servers[0].start()


def _memcached_url(ways: Sequence[Proxy]) -> str:
    return f"memcached://{','.join(f'127.0.0.1:{one.port}' for one in ways)}/"


@contextmanager
def memcacheds(folder: Path, count: int) -> Iterator[Memcached]:
    with memcached.serving(folder, count) as servers:
        place = Memcached(servers) if count == 1 else SeveralMemcached(servers)
        assert place.ways is not None
        try:
            yield place
        finally:
            place.ways.close()
