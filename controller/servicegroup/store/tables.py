"""The tables on a server, and who may do what with them: an administrator's work, since no agent's role may do it."""

import secrets
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from servicegroup.store.base import StoreUnavailable
from servicegroup.store.deadline import within
from servicegroup.store.opening import Opening
from servicegroup.store.schema import groups, members, metadata, new_columns, stores, verdicts
from servicegroup.store.trouble import sentence

AGENT, OPERATOR = "servicegroup_agent", "servicegroup_operator"

READ_INTERVAL = f"SELECT ({groups.c.group_key.name}, {groups.c.report_interval.name})"
GRANTS = {
    # It cannot delete, nor see the verdicts of others; all members' beats it can, and overwrite them by joining.
    AGENT: {members: "SELECT, INSERT, UPDATE", groups: READ_INTERVAL, stores: "SELECT"},
    OPERATOR: {
        members: "SELECT, INSERT, UPDATE, DELETE",
        groups: "SELECT, INSERT, UPDATE, DELETE",
        verdicts: "SELECT, INSERT, UPDATE, DELETE",
        stores: "SELECT",
    },
}


def create(opening: Opening, *, timeout: float) -> None:
    """Make what is missing, and leave what is there. Raises StoreUnavailable."""
    try:
        with within(timeout), opening.fresh.connect() as connection:
            for statement in _creation(opening.fresh):
                connection.exec_driver_sql(statement)
            for statement in _additions(connection):
                connection.exec_driver_sql(statement)
    except (SQLAlchemyError, OSError) as error:
        raise StoreUnavailable(f"store {opening.shown}: {sentence(error)}") from None


def _additions(connection: Connection) -> list[str]:
    """What tables of an earlier version lack."""
    found = inspect(connection)
    return [
        statement
        for table in metadata.sorted_tables
        for statement in new_columns(
            table, there=[column["name"] for column in found.get_columns(table.name)], dialect=connection.dialect
        )
    ]


def script(opening: Opening) -> str:
    """The same as text, with the grants, for an administrator to read first. It connects to nothing."""
    lines = [*_creation(opening.fresh), *_grants(opening.fresh)]
    return "\n".join(line if line.startswith("--") else f"{line};" for line in lines) + "\n"


def _creation(engine: Engine) -> Iterator[str]:
    for table in metadata.sorted_tables:
        yield str(CreateTable(table, if_not_exists=True).compile(engine)).strip()
    insert = f"INSERT INTO {stores.name} (id, epoch)"
    word = secrets.token_hex(16)
    # Written so that it means the same to both, and does nothing where there is a word already.
    yield f"{insert} SELECT 1, '{word}' WHERE NOT EXISTS (SELECT 1 FROM {stores.name})"  # noqa: S608 - names of ours


def _grants(engine: Engine) -> Iterator[str]:
    ours = engine.dialect.name == "postgresql"
    for role, tables in GRANTS.items():
        grantee = role if ours else f"'{role}'@'%'"
        if ours:
            yield f"-- before this: CREATE ROLE {role} LOGIN PASSWORD '...'"
        else:
            yield f"-- before this: CREATE USER {grantee} IDENTIFIED BY '...'"
        for table, rights in tables.items():
            yield f"GRANT {rights} ON {table.name} TO {grantee}"
        if ours:  # a beat whose client has gone must not wait for ever
            yield f"ALTER ROLE {role} SET statement_timeout = '30s'"
