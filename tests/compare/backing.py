"""The servers that all systems of a run share: MariaDB, PostgreSQL, one memcached, and the door to each of them.

A scale and names come in; addresses go out. They end with the block.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compare.door import Door, door
from tests.contract import databases, memcached
from tests.contract.databases import MARIADB, POSTGRESQL

__all__ = ["Backing", "serving"]

CELL = "cell"
"""Nova's user, and password: it has a database in this MariaDB for each of its systems."""

CONNECTIONS = 1000
"""Nova's services write here themselves, each on connections of its own."""

RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Backing:
    mariadb: databases.Server
    postgresql: databases.Server
    memcached: memcached.Server
    door: Door
    doors: dict[str, int]
    """Store to the port that leads to it through the door."""

    def url(self, store: str, *, far: bool) -> str:
        """Of one of our stores; `far` is for nodes behind the door."""
        port = self.doors[store] if far else 0
        if store == "memcached":
            return f"memcached://127.0.0.1:{port or self.memcached.port}/"
        return (self.mariadb if store == "mariadb" else self.postgresql).url(port=port)

    def database(self, name: str, *, far: bool = False) -> str:
        """The URL of one of Nova's databases."""
        return f"mysql+pymysql://{CELL}:{CELL}@127.0.0.1:{self.doors['mariadb'] if far else self.mariadb.port}/{name}"

    def create_database(self, name: str, *, like: str = "") -> None:
        """An empty one, or one with the table of services of another: beats and questions touch no other table."""
        copied = [f"CREATE TABLE {name}.services LIKE {like}.services"] if like else []
        self.mariadb.admin(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO '{CELL}'@'%'", *copied)

    def restart_memcached(self) -> None:
        self.memcached.kill()
        time.sleep(RESTART_SECONDS)
        self.memcached.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        with self.mariadb.paused(), self.postgresql.paused():
            yield


@contextmanager
def serving(folder: Path) -> Iterator[Backing]:
    """Raises Absent where a server's programs are not on this machine."""
    if memcached.PROGRAM is None:
        raise databases.Absent(memcached.HOW_TO_GET_IT)
    with ExitStack() as stack:
        mariadb = stack.enter_context(databases.served(MARIADB))
        postgresql = stack.enter_context(databases.served(POSTGRESQL))
        (cache,) = stack.enter_context(memcached.serving(folder, options=("-c", str(CONNECTIONS))))
        mariadb.admin(f"CREATE USER '{CELL}'@'%' IDENTIFIED BY '{CELL}'", f"SET GLOBAL max_connections={CONNECTIONS}")
        for one in (mariadb, postgresql):
            one.init()
        way = stack.enter_context(door())
        ports = {"mariadb": mariadb.port, "postgresql": postgresql.port, "memcached": cache.port}
        yield Backing(mariadb, postgresql, cache, way, {name: way.to(port) for name, port in ports.items()})
