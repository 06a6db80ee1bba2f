"""The stores of a run, as what can be done to them: each is real, and each fault is a context manager.

What a store has by a method it can suffer; a scenario that needs another does not apply to it. Agents and operator come
to a server by a way each, so that one of them can be cut off alone.
"""

import signal
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.contract import memcached
from tests.contract.databases import DATABASE, MARIADB, POSTGRESQL, Kind, Server, served
from tests.scenarios.crews import wrong_clock
from tests.scenarios.proxy import Proxy

Fault = Callable[..., AbstractContextManager[None]]
ROWS = "servicegroup_member"
LOCKED = f"SELECT 1 FROM {ROWS} FOR UPDATE"  # noqa: S608 - a table of ours
LOCKS = {
    "postgresql": (("BEGIN", "LOCK TABLE {0}"), "COMMIT"),
    "mariadb": (("LOCK TABLES {0} WRITE, {1} WRITE",), "UNLOCK TABLES"),
}
"""How a table is had alone, and given back."""

BIG = b"x" * 500_000
"""Bytes: an item of memcached's."""


@dataclass
class Ways:
    """Agents' and operator's ways to a store's servers."""

    ports: Sequence[int]
    agents: list[Proxy] = field(default_factory=list)
    operator: list[Proxy] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agents = [Proxy(port) for port in self.ports]
        self.operator = [Proxy(port) for port in self.ports]

    def close(self) -> None:
        for one in (*self.agents, *self.operator):
            one.close()

    def held(self, which: str) -> AbstractContextManager[None]:
        return self._each(which, lambda one: one.held())

    def refusing(self, which: str) -> AbstractContextManager[None]:
        return self._each(which, lambda one: one.refusing())

    def slow(self, seconds: float) -> AbstractContextManager[None]:
        return self._each("all", lambda one: one.slow(seconds))

    @contextmanager
    def _each(self, which: str, closing: Callable[[Proxy], AbstractContextManager[None]]) -> Iterator[None]:
        chosen = {"agents": self.agents, "operator": self.operator, "all": [*self.agents, *self.operator]}[which]
        with ExitStack() as stack:
            for one in chosen:
                stack.enter_context(closing(one))
            yield


@dataclass
class Place:
    """One store, at `url`, and how agents and the operator are told of it. `ways` is None where there is no server."""

    name: str
    url: str
    agents_url: str
    operator_url: str
    ways: Ways | None = None

    @property
    def driver(self) -> str:
        return "mc" if self.operator_url.startswith("memcached") else "db"

    def fault(self, name: str) -> Fault | None:
        """None: this store cannot suffer it."""
        method: Fault | None = getattr(self, name, None)
        return method

    def mend(self) -> None:
        """It is as at first again, whatever a scenario left it as."""

    def cut_off(self) -> AbstractContextManager[None] | None:
        """The agents alone cannot reach it, and nobody tells them."""
        return None if self.ways is None else self.ways.held("agents")


@dataclass
class ServerPlace(Place):
    """A store behind a network. Agents and operator lose it, or wait for it."""

    def slow(self, seconds: float) -> AbstractContextManager[None]:
        return self._ways.slow(seconds)

    def unreachable(self) -> AbstractContextManager[None]:
        return self._ways.held("all")

    def refused(self) -> AbstractContextManager[None]:
        return self._ways.refusing("all")

    def out_of_the_operators_sight(self) -> AbstractContextManager[None]:
        return self._ways.held("operator")

    @property
    def _ways(self) -> Ways:
        assert self.ways is not None
        return self.ways


class Sqlite(Place):
    """A file. `file` may be replaced and locked; nobody runs it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "beats.sqlite"
        url = f"sqlite:///{self.file}"
        super().__init__("sqlite", url, url, url)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Somebody holds the file's lock: nobody else may write."""
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                other.execute("ROLLBACK")

    read_only = paused

    @contextmanager
    def rows_lost(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=30)) as other:
            other.execute(f"DELETE FROM {ROWS}")  # noqa: S608 - a table of ours
        yield

    @contextmanager
    def gone_back(self) -> Iterator[None]:
        """A copy that was made at the beginning is put in its place at the end."""
        copy = self.file.with_suffix(".copy")
        with closing(sqlite3.connect(self.file)) as now, closing(sqlite3.connect(copy)) as then:
            now.backup(then)
        yield
        for suffix in ("-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
        copy.replace(self.file)


class Database(ServerPlace):
    def __init__(self, server: Server) -> None:
        ways = Ways([server.port])
        super().__init__(
            server.kind.name,
            server.url(),
            server.url(port=ways.agents[0].port),
            server.url(port=ways.operator[0].port),
            ways,
        )
        self.server = server
        self._clocked = False

    @property
    def postgresql(self) -> bool:
        return self.server.kind is POSTGRESQL

    def paused(self) -> AbstractContextManager[None]:
        return self.server.paused()

    @contextmanager
    def down(self) -> Iterator[None]:
        """As when its machine fails."""
        self.server.kill()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def restarted(self) -> Iterator[None]:
        self.server.stop()
        self.server.start()
        yield

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """As a replica that nobody promoted, or a full disk."""
        self._read_only(True)
        try:
            yield
        finally:
            self._read_only(False)

    def _read_only(self, it_is: bool) -> None:  # noqa: FBT001
        if self.postgresql:
            word = "on" if it_is else "off"
            self.server.admin(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
            self.server.admin("SELECT pg_reload_conf()")
        else:
            self.server.admin(f"SET GLOBAL read_only = {int(it_is)}")

    @contextmanager
    def rows_lost(self) -> Iterator[None]:
        self.server.admin(f"TRUNCATE TABLE {ROWS}", database=DATABASE)
        yield

    @contextmanager
    def gone_back(self) -> Iterator[None]:
        """Its rows are those of the beginning again, as after a fail-over to a replica that lagged."""
        copy = f"{ROWS}_then"
        self.server.admin(
            f"DROP TABLE IF EXISTS {copy}",
            f"CREATE TABLE {copy} AS SELECT * FROM {ROWS}",  # noqa: S608 - tables of ours
            database=DATABASE,
        )
        yield
        self.server.stop()
        self.server.start()
        alone, over = LOCKS[self.server.kind.name]
        self.server.admin(
            *(statement.format(ROWS, copy) for statement in alone),
            f"DELETE FROM {ROWS}",  # noqa: S608 - a table of ours
            f"INSERT INTO {ROWS} SELECT * FROM {copy}",  # noqa: S608 - tables of ours
            over,
            f"DROP TABLE {copy}",
            database=DATABASE,
        )

    @contextmanager
    def clocked(self, file: Path) -> Iterator[None]:
        """It restarts, and its time of day is from now on what the file says."""
        file.chmod(0o644)
        self.server.stop()
        self.server.start(wrapper=["env", *(f"{name}={value}" for name, value in wrong_clock("", file=file).items())])
        self._clocked = True
        yield

    def mend(self) -> None:
        if self._clocked:
            self._clocked = False
            self.server.stop()
            self.server.start()

    @contextmanager
    def rows_locked(self) -> Iterator[None]:
        """As by a migration, or a backup that locks."""
        with self._held_connection(LOCKED):
            yield

    @contextmanager
    def connections_used_up(self) -> Iterator[None]:
        """By others: who is connected stays so, and nobody else comes in."""
        engine = create_engine(self.server.url(), poolclass=NullPool)
        with ExitStack() as stack:
            with suppress(SQLAlchemyError):
                while True:
                    stack.enter_context(engine.connect())
            yield

    @contextmanager
    def _held_connection(self, statement: str) -> Iterator[None]:
        engine = create_engine(self.server.url(), poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))
            yield
            connection.rollback()


class Memcached(ServerPlace):
    def __init__(self, servers: Sequence[memcached.Server]) -> None:
        ways = Ways([server.port for server in servers])
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
def databases(kind: Kind) -> Iterator[Database]:
    with served(kind) as server:
        server.init()
        place = Database(server)
        assert place.ways is not None
        try:
            yield place
        finally:
            place.ways.close()


@contextmanager
def memcacheds(folder: Path, count: int) -> Iterator[Memcached]:
    with memcached.serving(folder, count) as servers:
        place = Memcached(servers) if count == 1 else SeveralMemcached(servers)
        assert place.ways is not None
        try:
            yield place
        finally:
            place.ways.close()


@contextmanager
def sqlites(folder: Path) -> Iterator[Sqlite]:
    folder.mkdir(parents=True, exist_ok=True)
    yield Sqlite(folder)


__all__ = ["MARIADB", "POSTGRESQL", "Database", "Memcached", "Place", "Sqlite", "databases", "memcacheds", "sqlites"]
