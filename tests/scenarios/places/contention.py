"""Other clients of a database: they lock its rows, each in an order of its own, or use up its connections."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from servicegroup.store.schema import members, verdicts
from sqlalchemy import Connection, Engine, NullPool, Table, create_engine, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from tests.scenarios.places.database import Database
from tests.scenarios.places.place import ROWS

LOCKED = f"SELECT 1 FROM {ROWS} FOR UPDATE"  # noqa: S608 - a table of ours

BETWEEN = 0.01
"""Seconds from one row to the next."""

AT_ONCE = 3
"""Rows of a transaction. More would keep the operator from its own row for I/2 at a time, which is an outage."""


@contextmanager
def contended(url: str) -> Iterator[None]:
    """For each table two of them, of which one goes up and one down: when they meet the database ends one of them, or
    whoever else is in their way.
    """
    engine, ended = create_engine(url, poolclass=NullPool), threading.Event()
    engine.connect().close()  # who cannot come in is in nobody's way
    works = [(table, up) for table in (members, verdicts) for up in (True, False)]
    threads = [threading.Thread(target=_goes_on, args=(engine, *one, ended)) for one in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _goes_on(engine: Engine, table: Table, up: bool, ended: threading.Event) -> None:  # noqa: FBT001
    keys = [table.c.group_key, table.c.member]
    all_rows = select(*keys).order_by(*(key if up else key.desc() for key in keys))
    while not ended.wait(BETWEEN):
        with suppress(SQLAlchemyError), engine.connect() as connection:  # it was the one to give way
            rows = [(one.group_key, one.member) for one in connection.execute(all_rows)]
            connection.rollback()
            for first in range(0, len(rows), AT_ONCE):
                _lock(connection, table, rows[first : first + AT_ONCE], ended)


def _lock(connection: Connection, table: Table, rows: Sequence[tuple[str, str]], ended: threading.Event) -> None:
    with connection.begin():
        for group, member in rows:
            this = update(table).where(table.c.group_key == group, table.c.member == member)
            connection.execute(this.values(member=member))
            ended.wait(BETWEEN)


class SharedDatabase(Database):
    """Others use it too, and are in the way."""

    @contextmanager
    def rows_locked(self) -> Iterator[None]:
        """As by a migration, or a backup that locks."""
        with self._held_connection(LOCKED):
            yield

    @contextmanager
    def contended(self, isolation: str = "") -> Iterator[None]:
        """Transactions of others are in the way of each row; with `isolation` that is everybody's default meanwhile."""
        if isolation:
            self._isolate(isolation)
        if self.postgresql:  # a second, as it ships: as much faster as all else
            self._set("deadlock_timeout", "'200ms'")
        try:
            with contended(self._admins_url):
                yield
        finally:
            if isolation:
                self._isolate("READ COMMITTED" if self.postgresql else "REPEATABLE READ")  # as it ships
            if self.postgresql:
                self._set("deadlock_timeout", "'1s'")

    def _isolate(self, isolation: str) -> None:
        if self.postgresql:
            self._set("default_transaction_isolation", f"'{isolation}'")
        else:
            self.server.admin(f"SET GLOBAL TRANSACTION ISOLATION LEVEL {isolation}")

    @contextmanager
    def connections_used_up(self) -> Iterator[None]:
        """By others: who is connected stays so, and nobody else comes in."""
        url = self.server.url() if self.postgresql else self._admins_url  # PostgreSQL keeps places for its admin
        engine = create_engine(url, poolclass=NullPool)
        with ExitStack() as stack:
            stack.enter_context(engine.connect())
            with suppress(SQLAlchemyError):
                while True:
                    stack.enter_context(engine.connect())
            yield

    @property
    def _admins_url(self) -> str:
        """PyMySQL alone sends no password such as the users have."""
        return self.server.url(self.server.kind.admin, password="")

    @contextmanager
    def _held_connection(self, statement: str) -> Iterator[None]:
        engine = create_engine(self._admins_url, poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(statement))
            yield
            connection.rollback()
