"""PostgreSQL and MariaDB: a server of the run's own, with an administrator."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.contract.databases import DATABASE, POSTGRESQL, Kind, Server, served
from tests.scenarios.crews import wrong_clock
from tests.scenarios.places.place import ROWS, ServerPlace, ways_to

LOCKED = f"SELECT 1 FROM {ROWS} FOR UPDATE"  # noqa: S608 - a table of ours
LOCKS = {
    "postgresql": (("BEGIN", "LOCK TABLE {0}"), "COMMIT"),
    "mariadb": (("LOCK TABLES {0} WRITE, {1} WRITE",), "UNLOCK TABLES"),
}
"""How a table is had alone, and given back."""


class Database(ServerPlace):
    def __init__(self, server: Server) -> None:
        ways = ways_to([server.port])
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
