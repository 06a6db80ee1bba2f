"""How one kind of database is reached, and how a call runs on it: work comes in, its answer goes out in time or not.

What goes wrong in a call is StoreUnavailable, with the store's address and without statement or secret.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIModule
from sqlalchemy.exc import SQLAlchemyError

from servicegroup.store.base import StoreUnavailable
from servicegroup.store.deadline import begin, end, remaining
from servicegroup.store.kept import Kept, Lent
from servicegroup.store.statements import Cursor
from servicegroup.store.trouble import passing, sentence

T = TypeVar("T")
Work = Callable[[Connection], T]
Brief = Callable[[Cursor], T]

FIRST_PAUSE = 0.01
"""Seconds before a transaction that met another is tried again; doubled with each try, and spread."""


@dataclass(frozen=True, slots=True)
class Opening:
    """`pooled` serves the calls, `kept` has a connection of it for the brief ones, `fresh` connects anew each time (the
    canary's way), `shown` is the address without secrets. `begin` starts a transaction, `deadline` (None: connections
    know it themselves) bounds the statements of a connection; both with the call's milliseconds as `{}`.
    """

    pooled: Engine
    kept: Kept
    fresh: Engine
    shown: str
    begin: str
    deadline: str | None

    def call(self, work: Work[T], *, timeout: float, fresh: bool = False, atomic: bool = False) -> T:
        """The work's answer. Each of its statements is committed by itself, or with `atomic` all of them together."""

        def connected() -> T:
            with self._connected(fresh=fresh) as connection:
                if not atomic:
                    return work(connection)
                with self._transaction(connection):
                    return work(connection)

        return self._tried(connected, timeout=timeout)

    def direct(self, work: Brief[T], *, timeout: float) -> T:
        """The same on a cursor of the database's driver, for what is asked so often that SQLAlchemy's way to it costs
        more than the rest (`statements`). Each statement is committed by itself.
        """
        return self._tried(lambda: self._directly(work), timeout=timeout)

    def _tried(self, attempt: Callable[[], T], *, timeout: float) -> T:
        begun = begin(timeout)
        try:
            for tries in count():
                try:
                    return attempt()
                except (SQLAlchemyError, self._driver_error, OSError, ValueError) as error:
                    # ValueError: a word in a row that is not ours
                    pause = FIRST_PAUSE * 2**tries * (0.5 + random.random())  # noqa: S311 - no secret
                    if not passing(error) or pause >= remaining():
                        raise StoreUnavailable(f"store {self.shown}: {sentence(error)}") from None
                time.sleep(pause)
        finally:
            end(begun)
        raise AssertionError("unreachable: the loop ends by an answer or an error")

    def _directly(self, work: Brief[T]) -> T:
        lent = self.kept.take()
        try:
            answer = self._on_cursor(lent, work)
        except self._driver_error as error:
            if self.pooled.dialect.is_disconnect(error, lent.pooled, None):
                lent.pooled.invalidate(error)
            lent.pooled.close()
            raise
        except BaseException as error:  # half an answer may be on its way
            lent.pooled.invalidate(error)
            lent.pooled.close()
            raise
        self.kept.put(lent)
        return answer

    def _on_cursor(self, lent: Lent, work: Brief[T]) -> T:
        cursor = lent.driver.cursor()
        try:
            if self.deadline is not None and lent.bound != (milliseconds := _milliseconds()):
                cursor.execute(self.deadline.format(milliseconds))
                lent.bound = milliseconds
            return work(cursor)
        finally:
            cursor.close()  # left open, SQLite's would hold on to what it read

    @property
    def _driver_error(self) -> type[DBAPIModule.Error]:
        return self.pooled.dialect.loaded_dbapi.Error

    def close(self) -> None:
        self.kept.close()
        self.pooled.dispose()
        self.fresh.dispose()

    @contextmanager
    def _connected(self, *, fresh: bool) -> Iterator[Connection]:
        if not fresh:
            self.kept.give_back()
        with (self.fresh if fresh else self.pooled).connect() as connection:
            if self.deadline is not None:
                connection.exec_driver_sql(self.deadline.format(_milliseconds()))
            yield connection

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[None]:
        connection.exec_driver_sql(self.begin.format(_milliseconds()))
        try:
            yield
        except BaseException:
            if not connection.invalidated:  # a lost connection would be opened again only to say this
                with suppress(SQLAlchemyError):
                    connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _milliseconds() -> int:
    return max(1, int(remaining() * 1000))
