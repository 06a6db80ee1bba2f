"""PostgreSQL and MariaDB: a server of the run's own, with an administrator."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from tests.contract.databases import DATABASE, POSTGRESQL, Server, family
from tests.scenarios.crews import wrong_clock
from tests.scenarios.machine import Disk
from tests.scenarios.places.place import ROWS, ServerPlace, ways_to
from tests.scenarios.strace import slow_disk

LOCKS = {
    "postgresql": (("BEGIN", "LOCK TABLE {0}"), "COMMIT"),
    "mariadb": (("LOCK TABLES {0} WRITE, {1} WRITE",), "UNLOCK TABLES"),
}
"""How a table is had alone, and given back."""

MEGABYTE = 1 << 20


class Database(ServerPlace):
    def __init__(self, server: Server, disk: Disk | None) -> None:
        ways = ways_to([server.port])
        super().__init__(
            server.kind.name,
            server.url(),
            server.url(port=ways.agents[0].port),
            server.url(port=ways.operator[0].port),
            ways,
            disk,
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
            self._set("default_transaction_read_only", "on" if it_is else "off")
        else:
            self.server.admin(f"SET GLOBAL read_only = {int(it_is)}")

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """PostgreSQL ends when its log finds no room, and is started again when there is some."""
        assert self.disk is not None
        try:
            with self.disk.full():
                if self.postgresql:
                    self._log_full()
                yield
        finally:
            self.server.start()

    def _log_full(self) -> None:
        """Others write until the room is gone that the log has of its own."""
        with suppress(SQLAlchemyError):
            while True:
                self.server.admin(f"SELECT pg_logical_emit_message(false, '', repeat('x', {MEGABYTE}))")

    def disk_slow(self, seconds: float) -> AbstractContextManager[None]:
        """Each call that waits for the disk takes so much longer."""
        return slow_disk(family(self.server.pid), seconds, log=self.server.folder / "strace.log")

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

    def _set(self, name: str, value: str) -> None:
        self.server.admin(f"ALTER SYSTEM SET {name} = {value}")
        self.server.admin("SELECT pg_reload_conf()")
