"""PostgreSQL and MariaDB as they fail: standing still, killed, restarted, full, refusing; and the roles there."""

import itertools
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from servicegroup.__main__ import main
from servicegroup.model import Beat, GroupKey
from servicegroup.store import InvalidStore, Store, StoreUnavailable, kept, open_store, tables
from servicegroup.store import server as server_module
from servicegroup.store.database import DatabaseStore
from servicegroup.store.opening import Opening
from servicegroup.store.schema import members as member_table
from servicegroup.store.server import open_server
from sqlalchemy import Connection, event, update
from sqlalchemy.exc import SQLAlchemyError

from tests.contract.calls import BEAT, CALLS, HEADER, KEY, SHORT, SLOW_MACHINE, TIMEOUT, UP, WRITES
from tests.contract.conftest import having
from tests.contract.databases import AGENT, DATABASE, KINDS, OPERATOR, PASSWORD, POSTGRESQL, TABLES, USER, Kind, Server

WRONG = "an0ther"
SECRETS = (PASSWORD, PASSWORD.split()[0], "w%C3%B6rd")
ALL_TABLES = (*TABLES, "servicegroup_store")


@contextmanager
def opened(url: str) -> Iterator[Store]:
    with closing(open_store(url, store_id="one")) as store:
        yield store


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    """With a member, so that its connection has served."""
    with opened(server.url()) as it:
        it.join(KEY, BEAT, timeout=TIMEOUT)
        yield it


def refusal(call: Callable[[], object]) -> str:
    """The sentence of StoreUnavailable; neither it nor its traceback holds a password or a statement."""
    with pytest.raises(StoreUnavailable) as refused:
        call()
    told = "".join(traceback.format_exception(refused.value))
    assert not [secret for secret in SECRETS if secret in told]
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    message = str(refused.value)
    assert not [word for word in ("INSERT INTO", " FROM ", " SET ", "VALUES", "sqlalche", "\n") if word in message], (
        message
    )
    return message


def late(store: Store, name: str) -> str:
    """The refusal of a call of SHORT seconds that ends no sooner and not much later than that."""
    started = time.monotonic()
    message = refusal(lambda: CALLS[name](store, SHORT))
    assert SHORT <= time.monotonic() - started < SLOW_MACHINE
    return message


def epoch(store: Store) -> str:
    read = store.read([KEY], timeout=TIMEOUT).epoch
    assert store.health(timeout=TIMEOUT).epoch == read
    return read


def members(store: Store) -> set[str]:
    return {fact.member for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]}


def beat(store: Store, sequence: int, *, timeout: float = TIMEOUT) -> bool:
    return store.beat(KEY, replace(BEAT, sequence=sequence), timeout=timeout).owned


# Connections.


@contextmanager
def counting(server: Server) -> Iterator[tuple[Store, list[None]]]:
    """A store, and an entry for each connection that its calls opened."""
    opening, opened = open_server(server.url()), list[None]()
    event.listen(opening.pooled, "connect", lambda *_: opened.append(None))
    with closing(DatabaseStore(opening, store_id="one")) as store:
        yield store, opened


@pytest.mark.parametrize("seconds", [kept.KEPT_SECONDS, 0.0], ids=["kept", "renewed"])
def test_calls_of_all_kinds_share_one_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Ten thousand agents with two each would be more than a server bears."""
    monkeypatch.setattr(kept, "KEPT_SECONDS", seconds)
    with counting(server) as (store, opened):
        for sequence in (2, 3):
            store.join(KEY, BEAT, timeout=TIMEOUT)
            assert beat(store, sequence)
            assert members(store) == {"node-1"}
            store.record(KEY, timeout=TIMEOUT)

    assert len(opened) == 1


def test_a_connection_that_rested_for_too_long_is_not_trusted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting(server) as (store, opened):
        store.join(KEY, BEAT, timeout=TIMEOUT)
        assert beat(store, 2)
        monkeypatch.setattr(server_module, "IDLE_SECONDS", -1.0)
        assert beat(store, 3)

    assert len(opened) == 2


# Standing still.


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_stands_still_is_unavailable_within_the_calls_timeout(
    server: Server, store: Store, name: str
) -> None:
    with server.paused():
        late(store, name)  # on the connection that there is
        late(store, name)  # on a new one

    CALLS[name](store, TIMEOUT)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_waits_for_a_lock_no_longer_than_its_timeout(server: Server, store: Store, name: str) -> None:
    with locked(server):
        late(store, name)

    CALLS[name](store, TIMEOUT)


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Nobody else reads or writes any table of the store."""
    opening = open_server(server.url())
    with closing(opening), opening.fresh.connect() as holder:
        if server.kind is POSTGRESQL:
            holder.exec_driver_sql("BEGIN")
            holder.exec_driver_sql(f"LOCK TABLE {', '.join(ALL_TABLES)} IN ACCESS EXCLUSIVE MODE")
        else:
            holder.exec_driver_sql(f"LOCK TABLES {', '.join(f'{name} WRITE' for name in ALL_TABLES)}")
        yield


@pytest.mark.parametrize("scheme", [kind.scheme for kind in KINDS.values()])
def test_a_port_that_accepts_and_says_nothing_is_unavailable_within_the_calls_timeout(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://nova:secret@127.0.0.1:{silent.getsockname()[1]}/beats"
        with opened(url) as store:
            for name in CALLS:
                assert "127.0.0.1" in late(store, name)


@pytest.mark.parametrize("scheme", [*(kind.scheme for kind in KINDS.values()), "memcached"])
def test_a_host_that_drops_what_is_sent_to_it_is_unavailable_within_the_calls_timeout(scheme: str) -> None:
    with unreachable() as port:
        user, path = ("", "/") if scheme == "memcached" else ("nova:secret@", "/beats")
        with opened(f"{scheme}://{user}127.0.0.1:{port}{path}") as store:
            for name in CALLS:
                assert "127.0.0.1" in late(store, name)


@contextmanager
def unreachable() -> Iterator[int]:
    """A port that answers a connection's first packet with nothing, neither a yes nor a reset: its queue is full."""
    with ExitStack() as stack:
        full_up = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full_up.getsockname())
        yield full_up.getsockname()[1]


# Killed, restarted, stopped.


def waits_for_a_lock(server: Server) -> bool:
    if server.kind is POSTGRESQL:
        return bool(server.admin("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    return bool(server.admin("SELECT 1 FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'"))


def test_a_server_that_is_killed_during_a_read_is_unavailable_and_no_empty_answer(server: Server, store: Store) -> None:
    with ThreadPoolExecutor(1) as thread:
        with locked(server):
            reading = thread.submit(store.read, [KEY], timeout=TIMEOUT)
            deadline = time.monotonic() + TIMEOUT
            while not waits_for_a_lock(server):
                assert time.monotonic() < deadline
                assert not reading.done()
            killed = time.monotonic()
            server.kill()
        refusal(reading.result)
    assert time.monotonic() - killed < SLOW_MACHINE
    server.start()

    # What was committed in the last moments may be lost, since no beat waits for the disk; then its agent joins again.
    assert members(store) <= {"node-1"}
    assert store.join(KEY, BEAT, timeout=TIMEOUT).owned


def test_a_restart_costs_no_beat_and_is_another_epoch(server: Server, store: Store) -> None:
    before = epoch(store)
    assert {epoch(store) for _ in range(3)} == {before}
    with opened(server.url()) as other:
        assert epoch(other) == before
    server.stop()
    server.start()

    assert beat(store, 2)
    assert epoch(store) != before
    assert members(store) == {"node-1"}
    assert len({epoch(store) for _ in range(3)}) == 1


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_is_down_is_unavailable_at_once_and_serves_when_it_is_back(
    server: Server, store: Store, name: str
) -> None:
    server.stop()
    message = refusal(lambda: CALLS[name](store, TIMEOUT))
    assert f"127.0.0.1:{server.port}/{DATABASE}" in message
    server.start()

    CALLS[name](store, TIMEOUT)


# Refusing.


def refuse_writes(server: Server) -> None:
    if server.kind is POSTGRESQL:
        server.admin(f"ALTER ROLE {USER} SET default_transaction_read_only = on")
    else:
        server.admin("SET GLOBAL read_only = 1")


def take_writes(server: Server) -> None:
    if server.kind is POSTGRESQL:
        server.admin(f"ALTER ROLE {USER} RESET default_transaction_read_only")
    else:
        server.admin("SET GLOBAL read_only = 0")


@pytest.mark.parametrize("name", WRITES)
def test_a_server_that_refuses_writes_is_unavailable_for_them_and_still_read(server: Server, name: str) -> None:
    refuse_writes(server)
    try:
        with opened(server.url()) as store:
            if name != "leave":  # nothing to leave is no write
                assert "read" in refusal(lambda: WRITES[name](store, TIMEOUT))
            assert members(store) == set()
    finally:
        take_writes(server)
    with opened(server.url()) as store:
        WRITES[name](store, TIMEOUT)


NUMBERS = {"postgresql": "generate_series(1, {}) AS s(seq)", "mariadb": "seq_1_to_{}"}
NO_SPACE: dict[str, dict[str, tuple[str, ...]]] = {
    # A file may have 17 MiB, one more than a piece of the log: the table's next page is refused, as on a full disk.
    "postgresql": {"wrapper": ("prlimit", f"--fsize={17 * 2**20}")},
    "mariadb": {"options": ("--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M")},
}


def fill(server: Server) -> None:
    """Rows of other groups, until not one more is taken."""
    numbers, size = NUMBERS[server.kind.name], 2**12
    for batch in itertools.count():
        name = f"concat('{batch}-', seq, repeat('x', 200))"
        row = f"'ballast', {name}, 'x', 1, 10, 'beating', 0 FROM {numbers.format(size)}"
        try:
            server.admin(f"INSERT INTO servicegroup_member SELECT {row}", database=DATABASE)
        except SQLAlchemyError:
            if size == 1:
                return
            size //= 4


def join_many(store: Store) -> None:
    for number in range(1000):
        store.join(KEY, replace(BEAT, member=f"{number:0>250}"), timeout=TIMEOUT)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_server_without_space_is_unavailable_still_read_and_serves_when_there_is_some(kind: Kind) -> None:
    with having(kind) as server:
        server.stop()
        server.start(**NO_SPACE[kind.name])
        server.init()
        with opened(server.url()) as store:
            store.join(KEY, BEAT, timeout=TIMEOUT)
            fill(server)
            refused = refusal(
                lambda: [store.join(KEY, replace(BEAT, member=f"{n:0>250}"), timeout=TIMEOUT) for n in range(99)]
            )
            assert "File too large" in refused or "is full" in refused
            assert "node-1" in members(store)

            server.stop()
            server.start()
            store.join(KEY, replace(BEAT, member="node-2"), timeout=TIMEOUT)
            assert {"node-1", "node-2"} <= members(store)


@contextmanager
def full(server: Server) -> Iterator[None]:
    """No further connection for our user."""
    if server.kind is POSTGRESQL:
        server.admin(f"ALTER ROLE {USER} CONNECTION LIMIT 0")
    else:
        server.admin(f"ALTER USER '{USER}'@'%' WITH MAX_USER_CONNECTIONS 1")
    opening = open_server(server.url())
    try:
        with closing(opening):
            if server.kind is POSTGRESQL:
                yield
            else:
                with opening.fresh.connect():
                    yield
    finally:
        if server.kind is POSTGRESQL:
            server.admin(f"ALTER ROLE {USER} CONNECTION LIMIT -1")
        else:
            server.admin(f"ALTER USER '{USER}'@'%' WITH MAX_USER_CONNECTIONS 0")


@pytest.mark.parametrize("name", CALLS)
def test_a_server_out_of_connections_is_unavailable_and_serves_when_there_are_some(server: Server, name: str) -> None:
    with opened(server.url()) as store:
        with full(server):
            assert "connections" in refusal(lambda: CALLS[name](store, TIMEOUT))

        CALLS[name](store, TIMEOUT)


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_password_is_unavailable_and_named_as_such(server: Server, name: str) -> None:
    with opened(server.url(password=WRONG)) as store:
        message = refusal(lambda: CALLS[name](store, TIMEOUT))

    assert "password" in message
    assert WRONG not in message


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_database_is_unavailable_and_named(server: Server, name: str) -> None:
    with opened(server.url(database="elsewhere")) as store:
        assert "elsewhere" in refusal(lambda: CALLS[name](store, TIMEOUT))


@pytest.mark.parametrize("name", CALLS)
def test_a_missing_table_is_unavailable_with_what_to_run(server: Server, store: Store, name: str) -> None:
    server.admin(*(f"DROP TABLE {name}" for name in TABLES), database=DATABASE)
    assert "servicegroup store init" in refusal(lambda: CALLS[name](store, TIMEOUT))
    server.init()

    CALLS[name](store, TIMEOUT)


# In each other's way.


def test_two_transactions_that_wait_for_each_other_both_get_through(server: Server, store: Store) -> None:
    store.join(KEY, Beat("node-2", "one", 1, 10.0), timeout=TIMEOUT)
    both_hold_one = threading.Barrier(2, timeout=TIMEOUT)

    def cross(opening: Opening, first: str, second: str) -> int:
        tries = 0

        def work(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            for member in (first, second):
                mine = update(member_table).where(member_table.c.group_key == f"one/{KEY}")
                mine = mine.where(member_table.c.member == member)
                connection.execute(mine.values(sequence=member_table.c.sequence + 1))
                if tries == 1 and member == first:
                    both_hold_one.wait()

        opening.call(work, timeout=TIMEOUT, atomic=True)
        return tries

    opening = open_server(server.url())
    with closing(opening), ThreadPoolExecutor(2) as threads:
        one = threads.submit(cross, opening, "node-1", "node-2")
        other = threads.submit(cross, opening, "node-2", "node-1")
        assert one.result() + other.result() > 2
    facts = store.read([KEY], timeout=TIMEOUT).facts[KEY]

    assert {fact.sequence for fact in facts} == {3}


def test_an_age_does_not_depend_on_the_sessions_time_zone(server: Server, store: Store) -> None:
    ours = server.kind is POSTGRESQL
    server.admin(f"ALTER ROLE {USER} SET timezone = 'Asia/Tokyo'" if ours else "SET GLOBAL time_zone = '+09:00'")
    try:
        with opened(server.url()) as other:
            assert 0.0 <= other.read([KEY], timeout=TIMEOUT).facts[KEY][0].age < TIMEOUT
            assert epoch(other) == epoch(store)
    finally:
        server.admin(f"ALTER ROLE {USER} RESET timezone" if ours else "SET GLOBAL time_zone = 'SYSTEM'")


# Rows that other programs wrote.

NO_MEMBER = {
    "a name with a control character": "member = concat('a', chr(7))",
    "an interval of nothing": "promised_interval = 0",
    "an interval that is no number": "promised_interval = 'NaN'",
    "an interval without end": "promised_interval = 'Infinity'",
}
NO_MEMBER_IN_BYTES = {
    "a name with a control character": "member = concat('a', char(7))",
    "a name of 254 characters": f"member = '{'n' * 254}'",
    "a name that is no text": "member = x'ff'",
    "an incarnation that is no text": "incarnation = x'ff'",
    "a state that is no text": "state = x'ff'",
    "an interval of nothing": "promised_interval = 0",
}
"""MariaDB holds names as bytes, and no number that is none."""


def test_a_row_that_is_no_members_is_left_out_alone(server: Server, store: Store) -> None:
    changes = NO_MEMBER if server.kind is POSTGRESQL else NO_MEMBER_IN_BYTES
    for number, change in enumerate(changes.values()):
        store.join(KEY, Beat(f"bad-{number}", "one", 1, 10.0), timeout=TIMEOUT)
        change_one = f"UPDATE servicegroup_member SET {change} WHERE member = 'bad-{number}'"  # noqa: S608 - of this file
        server.admin(change_one, database=DATABASE)

    assert members(store) == {"node-1"}


# The tables and the roles.


def test_init_makes_the_tables_once_and_keeps_their_word(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.admin(*(f"DROP TABLE {name}" for name in ALL_TABLES), database=DATABASE)
    (tmp_path / "url").write_text(server.url())
    command = ["store", "init", "--store-url-file", str(tmp_path / "url")]
    with opened(server.url()) as store:
        assert main(command) == 0
        first = epoch(store)
        assert main(command) == 0
        assert epoch(store) == first

    assert "the tables are there" in capsys.readouterr().out


def test_tables_of_an_earlier_version_are_unavailable_until_init_gives_them_their_new_columns(
    server: Server, tmp_path: Path
) -> None:
    server.admin("ALTER TABLE servicegroup_group DROP COLUMN promised_interval", database=DATABASE)
    (tmp_path / "url").write_text(server.url())
    with opened(server.url()) as store:
        with pytest.raises(StoreUnavailable, match="earlier version: run `servicegroup store init"):
            store.publish(KEY, HEADER, changes={}, whole=True, timeout=TIMEOUT)
        assert main(["store", "init", "--store-url-file", str(tmp_path / "url")]) == 0
        store.publish(KEY, HEADER, changes={}, whole=True, timeout=TIMEOUT)


def test_init_on_a_server_that_refuses_says_so(server: Server, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(server.url(database="elsewhere"))

    assert main(["store", "init", "--store-url-file", str(tmp_path / "url")]) != 0


@pytest.fixture
def granted(server: Server) -> Server:
    """Made by what `--print-sql` prints, word for word, and by nothing else."""
    server.admin(*(f"DROP TABLE {name}" for name in ALL_TABLES), database=DATABASE)
    with closing(open_server(server.url())) as opening:
        script = "".join(line for line in tables.script(opening).splitlines(True) if not line.startswith("--"))
    server.admin(*filter(str.strip, script.split(";\n")), database=DATABASE)
    if server.kind is POSTGRESQL:  # the tables are the administrator's by now, and the next test's are our user's
        server.admin(*(f"ALTER TABLE {name} OWNER TO {USER}" for name in ALL_TABLES), database=DATABASE)
    return server


def test_an_agents_role_can_join_beat_leave_and_write_the_canary(granted: Server) -> None:
    with opened(granted.url(AGENT)) as store:
        assert store.join(KEY, BEAT, timeout=TIMEOUT).owned
        assert store.join(KEY, replace(BEAT, incarnation="two"), timeout=TIMEOUT).other is not None
        assert store.beat(KEY, replace(BEAT, incarnation="two", sequence=2), timeout=TIMEOUT).owned
        assert not beat(store, 3)
        assert store.leave(KEY, replace(BEAT, incarnation="two", sequence=4), timeout=TIMEOUT)
        assert store.health(timeout=TIMEOUT).epoch


NO_AGENTS_BUSINESS = {
    "delete a member": "DELETE FROM servicegroup_member",
    "read verdicts": "SELECT * FROM servicegroup_verdict",
    "write verdicts": "DELETE FROM servicegroup_verdict",
    "read a record": "SELECT publication FROM servicegroup_group",
    "write a record": "UPDATE servicegroup_group SET report_interval = 3600",
    "change the word": "UPDATE servicegroup_store SET epoch = 'x'",
    "drop a table": "DROP TABLE servicegroup_member",
    "empty a table": "TRUNCATE TABLE servicegroup_member",
    "make a table": "CREATE TABLE mine (id INTEGER)",
}


@pytest.mark.parametrize("statement", NO_AGENTS_BUSINESS.values(), ids=NO_AGENTS_BUSINESS)
def test_an_agents_role_can_do_nothing_else(granted: Server, statement: str) -> None:
    with closing(open_server(granted.url(AGENT))) as opening, pytest.raises(StoreUnavailable, match=r"denied|owner"):
        opening.call(lambda connection: connection.exec_driver_sql(statement), timeout=TIMEOUT)


@pytest.mark.parametrize("name", ["publish", "record"])
def test_an_agents_role_is_told_what_it_lacks(granted: Server, name: str) -> None:
    with opened(granted.url(AGENT)) as store:
        assert "--print-sql" in refusal(lambda: CALLS[name](store, TIMEOUT))


def test_the_operators_role_can_do_all_that_the_operator_does(granted: Server) -> None:
    with opened(granted.url(OPERATOR)) as store:
        for call in CALLS.values():
            call(store, TIMEOUT)


# Addresses.

REFUSED = {
    "postgresql://nova:pa55@db/beats": "postgresql+psycopg://",
    "postgresql+psycopg2://nova:pa55@db/beats": "postgresql+psycopg://",
    "mysql://nova:pa55@db/beats": "mysql+pymysql://",
    "mariadb+pymysql://nova:pa55@db/beats": "mysql+pymysql://",
    "postgresql+psycopg://nova:pa55@db": "no database",
    "postgresql+psycopg://nova:pa55@word@db/beats": "%40",
    "postgresql+psycopg://nova:x/pa55@db:5432/beats@y": "%40",
    "mysql+pymysql://nova:x@db:pa55/beats": "not an address",
    "mysql+pymysql://nova:pa55@db/beats?charset=latin1": "ssl_ca",
    "postgresql+psycopg://nova:pa55@db/beats?connect_timeout=3": "sslmode",
    "postgresql+psycopg://nova@db/beats?password=pa55": "sslmode",
}


@pytest.mark.parametrize("case", REFUSED.items(), ids=REFUSED)
def test_an_address_that_is_refused_is_told_what_to_write(case: tuple[str, str]) -> None:
    url, advice = case
    with pytest.raises(InvalidStore) as refused:
        open_store(url, store_id="one")

    assert advice in str(refused.value)
    assert "pa55" not in "".join(traceback.format_exception(refused.value)).replace(url, "")


@pytest.mark.parametrize(("kind", "package"), [("postgresql", "psycopg"), ("mariadb", "pymysql")])
def test_a_missing_package_is_told_with_the_extra_that_brings_it(
    kind: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"postgresql": "postgresql", "mariadb": "mysql"}[kind]
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"servicegroup.store.{extra}", raising=False)
    with pytest.raises(InvalidStore, match=rf"servicegroup\[{extra}\]"):
        open_store(f"{KINDS[kind].scheme}://nova:pa55@db/beats", store_id="one")


# What nobody writes any more.

DAY = 86_400_000_000
"""Microseconds, as the tables' stamps."""


def counted(server: Server, rows: str) -> object:
    return server.admin(f"SELECT count(*) FROM {rows}", database=DATABASE)[0][0]  # noqa: S608


def test_rows_and_records_that_were_silent_for_longer_than_any_group_remembers_are_swept(server: Server) -> None:
    other = GroupKey("nova", "gone")
    with opened(server.url()) as store, opened(server.url()) as before:
        before.health(timeout=TIMEOUT)
        for key in (KEY, other):
            store.join(key, BEAT, timeout=TIMEOUT)
            store.publish(key, HEADER, changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
        for table in ("servicegroup_member", "servicegroup_group"):
            aged = f"UPDATE {table} SET stamp = stamp - 9 * {DAY} WHERE group_key LIKE '%/gone'"  # noqa: S608
            server.admin(aged, database=DATABASE)
        canary = f"UPDATE servicegroup_member SET stamp = stamp - {DAY // 12} WHERE group_key LIKE '%//canary'"  # noqa: S608
        server.admin(canary, database=DATABASE)
        store.health(timeout=TIMEOUT)
        store.sweep(timeout=TIMEOUT)
        reading = store.read([KEY, other], timeout=TIMEOUT)

        assert {key: len(facts) for key, facts in reading.facts.items()} == {KEY: 1, other: 0}
        assert store.record(other, timeout=TIMEOUT) is None
        assert store.record(KEY, timeout=TIMEOUT) is not None
        assert counted(server, "servicegroup_member WHERE group_key LIKE '%//canary'") == 1
        assert counted(server, "servicegroup_verdict WHERE group_key LIKE '%/gone'") == 0


def test_another_store_ids_rows_are_not_swept(server: Server) -> None:
    with opened(server.url()) as store, closing(open_store(server.url(), store_id="one-more")) as neighbour:
        neighbour.join(KEY, BEAT, timeout=TIMEOUT)
        server.admin(f"UPDATE servicegroup_member SET stamp = stamp - 9 * {DAY}", database=DATABASE)  # noqa: S608
        store.sweep(timeout=TIMEOUT)

        assert len(neighbour.read([KEY], timeout=TIMEOUT).facts[KEY]) == 1
