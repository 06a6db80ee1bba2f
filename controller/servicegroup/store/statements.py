"""The statements of every beat and every pass, compiled once for a dialect: SQLAlchemy in, SQL text and its order out.

What SQLAlchemy does for each execution (build, key, look up, wrap rows) is several times what a database's driver needs
for a beat. So these run on the driver's own cursor, by `Opening.direct`; what is rare runs on a `Connection`, by
`Opening.call`. To add one: a field of `Statements`, its expression in `compiled`, with a `bindparam` for each value (a
name that is no column's), and where it is used `self._sql(cursor).<field>.rows(cursor, {...})` or `.count(...)`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol, cast

from sqlalchemy import BindParameter, Dialect, Select, Update, bindparam, literal_column, select, update
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from servicegroup.model import State
from servicegroup.store.schema import AsynchronousCommit, ServerClock, ServerStart, groups, members, stores

Values = Mapping[str, Any]


class Cursor(Protocol):
    """What all drivers' cursors can (PEP 249)."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, operation: Any, parameters: Any = ..., /) -> object: ...
    def fetchall(self) -> Sequence[tuple[Any, ...]]: ...
    def fetchmany(self, size: int, /) -> Sequence[tuple[Any, ...]]: ...
    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    ordered: Callable[[Values], tuple[Any, ...]]

    def run(self, cursor: Cursor, values: Values) -> None:
        cursor.execute(self.text, self.ordered(values))

    def rows(self, cursor: Cursor, values: Values) -> Sequence[tuple[Any, ...]]:
        """All of them: SQLite commits a statement when its last row was fetched."""
        self.run(cursor, values)
        return cursor.fetchall()

    def count(self, cursor: Cursor, values: Values) -> int:
        """How many rows it changed."""
        self.run(cursor, values)
        return cursor.rowcount


@dataclass(frozen=True, slots=True)
class Statements:
    """`stamp` returns the group's interval too, where the database can; else it is None, and `stamp_alone` is for all.

    `texts` is what a driver has for our text: no type of SQLAlchemy's stands between.
    """

    texts: type[str] | type[bytes]
    stamp: Statement | None
    stamp_alone: Statement
    leave: Statement
    interval: Statement
    holder: Statement
    facts: Statement
    published: Statement
    epoch: Statement


EPOCH = select(stores.c.epoch, ServerStart())
GROUP: BindParameter[str] = bindparam("of_group")
MEMBER: BindParameter[str] = bindparam("of_member")


def compiled(dialect: Dialect) -> Statements:
    """For a dialect that has connected: only then it knows which server it speaks to."""
    interval = select(groups.c.report_interval).where(groups.c.group_key == GROUP)
    returning = _stamp_later().returning(interval.scalar_subquery(), AsynchronousCommit())
    published = select(groups.c.group_key, groups.c.publisher, groups.c.publication)
    return Statements(
        texts=bytes if dialect.name in ("mysql", "mariadb") else str,
        stamp=_statement(returning, dialect) if dialect.update_returning else None,
        stamp_alone=_statement(_stamp_later(), dialect),
        leave=_statement(_stamp(), dialect),
        interval=_statement(interval, dialect),
        holder=_statement(_holder(), dialect),
        facts=_statement(_facts(), dialect),
        published=_statement(published, dialect),
        epoch=_statement(EPOCH, dialect),
    )


def _stamp() -> Update:
    """Stamp the row by the server's clock, if this incarnation owns it and has not left."""
    row = (members.c.group_key == GROUP, members.c.member == MEMBER)
    mine = (members.c.incarnation == bindparam("by"), members.c.state != literal_column(f"'{State.LEFT}'"))
    said = {"sequence": "number", "promised_interval": "promise", "state": "word"}
    values: dict[str, Any] = {column: bindparam(name) for column, name in said.items()}
    return update(members).where(*row, *mine).values(stamp=ServerClock(), **values)


def _stamp_later() -> Update:
    """The same, unless this sequence or a later one was written before."""
    return _stamp().where(members.c.sequence < bindparam("number"))


def _holder() -> Select[Any]:
    columns = members.c
    row = select(columns.incarnation, columns.sequence, columns.state)
    return row.where(columns.group_key == GROUP, columns.member == MEMBER)


def _facts() -> Select[Any]:
    columns = members.c
    age = (ServerClock() - columns.stamp).label("age")
    said = (columns.incarnation, columns.sequence, columns.promised_interval, columns.state)
    return select(columns.member, *said, age).where(columns.group_key == GROUP)


def _statement(element: ClauseElement, dialect: Dialect) -> Statement:
    built = cast("SQLCompiler", element.compile(dialect=dialect))
    names = built.positiontup or []
    # With one name, or none, an itemgetter would give no tuple.
    ordered = itemgetter(*names) if len(names) > 1 else lambda values: tuple(values[name] for name in names)
    return Statement(built.string, ordered)
