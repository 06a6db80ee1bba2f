"""A password that changes under agents and operator, on PostgreSQL and MariaDB: in either order of server and Secret,
and when the old one is of no use before the new one is there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from servicegroup.agent.loop import BeatLoop
from servicegroup.config import UrlFile, opened
from servicegroup.model import Policy
from servicegroup.operator.stores import StoreConfig
from servicegroup.store import Store, StoreUnavailable, open_store

from tests.contract.calls import HEADER, KEY, TIMEOUT, UP
from tests.contract.databases import DATABASE, PASSWORD, POSTGRESQL, USER, Server
from tests.mounting import mount

NEW = "n3w pa55/@:%"
INTERVAL = 1.0
"""Half of it is what a beat has for a server that refuses it; on a busy machine that takes MariaDB 0.2 s."""

OFTEN = replace(HEADER, policy=Policy(INTERVAL, 60.0))
"""The record's interval is the agent's from then on."""

MOMENTS = 2
"""Beats that are waited for to see that they go on."""


def set_password(server: Server, password: str) -> None:
    if server.kind is POSTGRESQL:
        server.admin(f"ALTER ROLE {USER} PASSWORD '{password}'")
    else:
        server.admin(f"ALTER USER '{USER}'@'%' IDENTIFIED BY '{password}'")


def end_connections(server: Server) -> None:
    if server.kind is POSTGRESQL:
        server.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")  # noqa: S608
    else:
        server.admin(f"KILL USER {USER}")


@pytest.fixture
def rotating(server: Server) -> Iterator[Server]:
    yield server
    set_password(server, PASSWORD)


@pytest.fixture
def secret(rotating: Server, tmp_path: Path) -> Path:
    return mount(tmp_path / "secret", rotating.url())


@pytest.fixture
def operators(secret: Path) -> Iterator[Store]:
    with closing(StoreConfig("default", "db", url_file=str(secret)).open(store_id="one")) as store:
        yield store


@pytest.fixture
def beating(secret: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An agent's loop; what it and the stores log holds no password, whatever happened."""
    caplog.set_level(logging.INFO)
    store = opened(UrlFile(secret, "--store-url-file"), connect=partial(open_store, store_id="one"))
    joined = threading.Event()
    loop = BeatLoop(store, KEY, "node-1", INTERVAL, spread_start=False, on_joined=joined.set)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        assert joined.wait(TIMEOUT)
        yield
    finally:
        loop.leave()
        thread.join(TIMEOUT)
        store.close()
    said = [record.getMessage() for when in ("setup", "call", "teardown") for record in caplog.get_records(when)]
    assert any("joined as" in line for line in said)
    assert not [line for line in said if "pa55" in line or "n3w" in line]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sequence(server: Server) -> int:
    """As the administrator reads it, whose password stays."""
    statement = "SELECT sequence FROM servicegroup_member WHERE member = 'node-1'"
    return int(str(server.admin(statement, database=DATABASE)[0][0]))


def beats_go_on(server: Server) -> None:
    before = sequence(server)
    until(lambda: sequence(server) >= before + MOMENTS)


def passes(store: Store) -> None:
    """What an operator asks of its store, all of it."""
    assert store.health(timeout=TIMEOUT).epoch
    assert {fact.member for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]} == {"node-1"}
    store.publish(KEY, OFTEN, changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
    assert store.record(KEY, timeout=TIMEOUT) is not None


def served(store: Store) -> bool:
    """Always; it raises where a call is not served."""
    passes(store)
    return True


def serves(store: Store) -> bool:
    try:
        return served(store)
    except StoreUnavailable:
        return False


def connections(server: Server) -> set[object]:
    table = "pg_stat_activity" if server.kind is POSTGRESQL else "information_schema.processlist"
    column, user = ("pid", "usename") if server.kind is POSTGRESQL else ("id", "user")
    return {row[0] for row in server.admin(f"SELECT {column} FROM {table} WHERE {user} = '{USER}'")}  # noqa: S608


@contextmanager
def others(server: Server) -> Iterator[None]:
    """Whoever was connected before has gone when this ends: what serves then has the new password."""
    before = connections(server)
    yield
    until(lambda: not before & connections(server))


def rotate(server: Server, secret: Path) -> None:
    mount(secret.parent, server.url(password=NEW))


@pytest.mark.usefixtures("beating")
def test_where_the_secret_changes_first_no_call_is_lost(
    rotating: Server, secret: Path, operators: Store, caplog: pytest.LogCaptureFixture
) -> None:
    passes(operators)
    rotate(rotating, secret)
    until(lambda: served(operators) and caplog.text.count("does not serve yet") == 2)
    beats_go_on(rotating)

    with others(rotating):
        set_password(rotating, NEW)
        until(lambda: served(operators) and caplog.text.count("what it says now serves") == 2)
    beats_go_on(rotating)
    passes(operators)
    assert "beats are lost" not in caplog.text
    assert caplog.text.count("does not serve yet") == 2  # once for each store


@pytest.mark.usefixtures("beating")
def test_where_the_server_changes_first_no_beat_is_lost_and_the_operator_sees_again_with_the_secret(
    rotating: Server, secret: Path, operators: Store, caplog: pytest.LogCaptureFixture
) -> None:
    passes(operators)
    set_password(rotating, NEW)
    beats_go_on(rotating)
    with pytest.raises(StoreUnavailable, match=r"(?i)authentication|denied"):
        operators.health(timeout=TIMEOUT)  # its canary takes a new connection each time
    assert operators.read([KEY], timeout=TIMEOUT).facts[KEY]

    with others(rotating):
        rotate(rotating, secret)
        until(lambda: serves(operators))
        until(lambda: caplog.text.count("what it says now serves") == 2)
    beats_go_on(rotating)
    passes(operators)
    assert "beats are lost" not in caplog.text


@pytest.mark.usefixtures("beating")
def test_where_the_old_password_is_of_no_use_any_more_all_recover_when_the_secret_changes(
    rotating: Server, secret: Path, operators: Store, caplog: pytest.LogCaptureFixture
) -> None:
    passes(operators)
    set_password(rotating, NEW)
    end_connections(rotating)
    until(lambda: "beats are lost" in caplog.text)
    assert not serves(operators)
    for call in (lambda: operators.read([KEY], timeout=TIMEOUT), lambda: operators.record(KEY, timeout=TIMEOUT)):
        with pytest.raises(StoreUnavailable, match=r"(?i)authentication|denied"):
            call()

    rotate(rotating, secret)
    until(lambda: "the store is back" in caplog.text)
    until(lambda: serves(operators))
    beats_go_on(rotating)
    assert "joined as" not in caplog.text  # it goes on with the row that it has
