"""Other clients of a database that lock the rows of many members, each in an order of its own."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from servicegroup.store.schema import members, verdicts
from sqlalchemy import Connection, Engine, NullPool, Table, create_engine, select, update
from sqlalchemy.exc import SQLAlchemyError

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
