"""A file of SQLite: agents and operator share it, and the machine that it is on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.scenarios.machine import Disk
from tests.scenarios.places.place import ROWS, Place


class Sqlite(Place):
    """`file` may be replaced and locked; nobody runs it."""

    def __init__(self, folder: Path, *, disk: Disk | None = None, name: str = "sqlite") -> None:
        self.file = (folder if disk is None else disk.folder) / "beats.sqlite"
        url = f"sqlite:///{self.file}"
        super().__init__(name, url, url, url, disk=disk)

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
    def disk_full(self) -> Iterator[None]:
        """Just after its log was emptied, in which it had room."""
        assert self.disk is not None
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=30)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with self.disk.full():
            yield

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


@contextmanager
def sqlites(folder: Path, *, disk: Disk | None) -> Iterator[Sqlite]:
    folder.mkdir(parents=True, exist_ok=True)
    yield Sqlite(folder, disk=disk)
