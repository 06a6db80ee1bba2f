"""A file of SQLite: agents and operator share it, and the machine that it is on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.scenarios.places.place import ROWS, Place


class Sqlite(Place):
    """`file` may be replaced and locked; nobody runs it."""

    def __init__(self, folder: Path, name: str = "sqlite") -> None:
        self.file = folder / "beats.sqlite"
        url = f"sqlite:///{self.file}"
        super().__init__(name, url, url, url)

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


@contextmanager
def sqlites(folder: Path) -> Iterator[Sqlite]:
    folder.mkdir(parents=True, exist_ok=True)
    yield Sqlite(folder)
