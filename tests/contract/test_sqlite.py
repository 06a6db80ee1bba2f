"""SQLite as it fails: files that go away, are locked, full or no database; and addresses that open no store at all."""

import itertools
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from servicegroup.model import Beat, Reason, State
from servicegroup.store import InvalidStore, Store, StoreUnavailable, open_store
from servicegroup.store.database import DatabaseStore
from servicegroup.store.sqlite import open_sqlite
from sqlalchemy import event

from tests.contract.calls import BEAT, CALLS, HEADER, KEY, SHORT, SLOW_MACHINE, TIMEOUT, UP, WRITES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "beats.sqlite"


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}", store_id="one")
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with opened(path) as it:
        yield it


def epoch(store: Store) -> str:
    read = store.read([KEY], timeout=TIMEOUT).epoch
    assert store.health(timeout=TIMEOUT).epoch == read
    return read


def members(store: Store) -> set[str]:
    return {fact.member for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]}


def join_many(store: Store, *, prefix: str, threads: int = 5) -> set[str]:
    """Joins from several threads, so that several connections stay open."""
    names = {f"{prefix}-{number}" for number in range(4 * threads)}
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda name: store.join(KEY, Beat(name, "one", 1, 10.0), timeout=TIMEOUT), names))
    return names


# The file and its folder.


def test_the_folder_is_made(tmp_path: Path) -> None:
    with opened(tmp_path / "not" / "there" / "beats.sqlite") as store:
        assert members(store) == set()


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    with opened(path) as before:
        names = join_many(before, prefix="node")
        word = epoch(before)
    with opened(path) as after:
        assert (members(after), epoch(after)) == (names, word)


def remove(path: Path) -> None:
    path.unlink()


def remove_with_its_log(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def replace_by_another(path: Path) -> None:
    """As a backup is restored. The log has to go: SQLite would apply what is in it to the new file."""
    remove_with_its_log(path)
    other = path.parent / "other.sqlite"
    with opened(other) as store:
        store.join(KEY, Beat("of the other", "one", 1, 10.0), timeout=TIMEOUT)
    other.replace(path)


def replace_by_an_empty_file(path: Path) -> None:
    other = path.parent / "empty"
    other.touch()
    other.replace(path)


GONE = {
    "removed": (remove, set[str]()),
    "removed with its log": (remove_with_its_log, set[str]()),
    "replaced by another": (replace_by_another, {"of the other"}),
    "replaced by an empty file": (replace_by_an_empty_file, set[str]()),
}


@pytest.mark.parametrize("case", GONE.values(), ids=GONE.keys())
def test_a_file_that_goes_away_under_open_connections_is_another_store(
    store: Store, path: Path, case: tuple[Callable[[Path], None], set[str]]
) -> None:
    go_away, there = case
    join_many(store, prefix="before")
    before = epoch(store)
    go_away(path)

    assert members(store) == there
    assert epoch(store) != before
    after = join_many(store, prefix="after")
    assert members(store) == there | after
    with opened(path) as another:
        assert members(another) == there | after


def test_a_beat_to_a_file_that_was_removed_is_told_that_its_row_is_gone(store: Store, path: Path) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    path.unlink()
    receipt = store.beat(KEY, Beat("node-1", "one", 2, 10.0), timeout=TIMEOUT)

    assert (receipt.owned, receipt.other) == (False, None)


def test_a_file_of_an_earlier_version_gets_its_new_columns_and_keeps_what_it_holds(path: Path) -> None:
    with opened(path) as store:
        store.publish(KEY, HEADER, changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE servicegroup_group DROP COLUMN promised_interval")
    with opened(path) as store:
        record = store.record(KEY, timeout=TIMEOUT)

    assert record is not None
    assert (record.header.promised, record.members) == (0.0, {"node-1": UP})


def test_a_table_that_was_dropped_is_made_again(store: Store, path: Path) -> None:
    """By the canary's new connection, so by the operator's next pass."""
    store.join(KEY, BEAT, timeout=TIMEOUT)
    with closing(sqlite3.connect(path)) as another:
        another.execute("DROP TABLE servicegroup_member")
    with pytest.raises(StoreUnavailable, match="no such table"):
        members(store)
    store.health(timeout=TIMEOUT)

    assert members(store) == set()


@pytest.mark.parametrize("name", CALLS)
def test_a_folder_that_went_away_is_unavailable_until_it_is_back(store: Store, path: Path, name: str) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    elsewhere = path.parent.with_name("elsewhere")
    path.parent.rename(elsewhere)
    with pytest.raises(StoreUnavailable) as refused:
        CALLS[name](store, SHORT)
    assert str(path) in str(refused.value)
    elsewhere.rename(path.parent)

    CALLS[name](store, TIMEOUT)


def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    """Below a regular file, since nothing is unwritable for root."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="folder cannot be made") as refused:
        open_store(f"sqlite:///{tmp_path / 'file' / 'sub' / 'beats.sqlite'}", store_id="one")

    assert str(tmp_path / "file") in str(refused.value)
    assert "writable folder" in str(refused.value)


NO_DATABASES: dict[str, bytes] = {"a short text": b"hello", "two pages of noise": bytes(range(256)) * 32}


@pytest.mark.parametrize("content", NO_DATABASES.values(), ids=NO_DATABASES.keys())
@pytest.mark.parametrize("name", CALLS)
def test_a_file_that_is_no_database_is_unavailable_and_left_alone(path: Path, name: str, content: bytes) -> None:
    path.write_bytes(content)
    with opened(path) as store, pytest.raises(StoreUnavailable, match="not a database") as refused:
        CALLS[name](store, SHORT)

    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_a_folder_in_place_of_the_file_is_unavailable(path: Path) -> None:
    path.mkdir()
    with opened(path) as store, pytest.raises(StoreUnavailable, match="unable to open"):
        store.read([KEY], timeout=SHORT)


# A lock that another process holds.

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    arguments = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield


@pytest.mark.parametrize("name", WRITES)
def test_a_locked_database_is_unavailable_within_the_calls_timeout_and_serves_afterwards(
    store: Store, path: Path, name: str
) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    with locked_by_another_process(path):
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"):
            WRITES[name](store, SHORT)
        assert SHORT <= time.monotonic() - started < SLOW_MACHINE

    WRITES[name](store, TIMEOUT)


def test_the_next_call_has_a_timeout_of_its_own(store: Store, path: Path) -> None:
    """A short deadline does not stay with the connection."""
    store.join(KEY, BEAT, timeout=TIMEOUT)
    with ThreadPoolExecutor(1) as thread:
        with locked_by_another_process(path):
            with pytest.raises(StoreUnavailable):
                store.join(KEY, BEAT, timeout=0.01)
            waiting = thread.submit(store.join, KEY, BEAT, timeout=TIMEOUT)
        assert waiting.result().owned


def test_a_locked_database_can_be_read(store: Store, path: Path) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    with locked_by_another_process(path):
        assert members(store) == {"node-1"}


def test_a_new_file_that_another_process_has_locked_is_unavailable_and_serves_afterwards(path: Path) -> None:
    with opened(path) as store:
        with locked_by_another_process(path), pytest.raises(StoreUnavailable, match="locked"):
            store.read([KEY], timeout=SHORT)
        assert members(store) == set()


def test_a_call_that_fails_leaves_nothing_half_done(store: Store, path: Path) -> None:
    store.publish(KEY, HEADER, changes={"a": UP}, whole=True, timeout=TIMEOUT)
    before = store.record(KEY, timeout=TIMEOUT)
    with locked_by_another_process(path), pytest.raises(StoreUnavailable):
        store.publish(KEY, HEADER, changes={"b": UP}, whole=True, timeout=SHORT)
    after = store.record(KEY, timeout=TIMEOUT)

    assert before is not None
    assert after is not None
    assert after.members == before.members


# No room.


def pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def join_for_ever(store: Store) -> None:
    for number in itertools.count():
        store.join(KEY, Beat(f"{number:0>200}", "one", 1, 10.0), timeout=TIMEOUT)


def test_a_full_store_is_unavailable_says_so_and_still_reads(path: Path) -> None:
    with opened(path) as roomy:
        roomy.join(KEY, BEAT, timeout=TIMEOUT)
    opening = open_sqlite(path)
    limit = pages(path) + 1

    @event.listens_for(opening.pooled, "connect")
    def _no_room(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit}")

    with closing(DatabaseStore(opening, store_id="one")) as store:
        with pytest.raises(StoreUnavailable, match="full") as refused:
            join_for_ever(store)

        assert str(path) in str(refused.value)
        assert "node-1" in members(store)
        assert store.beat(KEY, Beat("node-1", "one", 2, 10.0), timeout=TIMEOUT).owned


# Nonsense in the tables.

NONSENSE = {
    "a verdict that is none": ("UPDATE servicegroup_verdict SET verdict = 'Perhaps'", ("record",)),
    "no word for the epoch": ("DELETE FROM servicegroup_store", ("read",)),
    "a table of another shape": ("ALTER TABLE servicegroup_member DROP COLUMN stamp", ("read", "beat", "health")),
}


@pytest.mark.parametrize("case", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_unavailable_and_never_an_answer(
    store: Store, path: Path, case: tuple[str, tuple[str, ...]]
) -> None:
    statement, calls = case
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.publish(KEY, HEADER, changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute(statement)
    for name in calls:
        with pytest.raises(StoreUnavailable):
            CALLS[name](store, TIMEOUT)


NO_MEMBER = {
    "a name with a control character": "member = 'a' || char(7) || 'b'",
    "a name of 254 characters": f"member = '{'n' * 254}'",
    "no name": "member = ''",
    "a name in bytes": "member = x'616263'",
    "a name that is a number": "member = CAST(5 AS BLOB)",
    "an incarnation in bytes": "incarnation = x'616263'",
    "a sequence in words": "sequence = 'seven'",
    "a sequence with a fraction": "sequence = 1.5",
    "an interval in words": "promised_interval = 'ten'",
    "an interval of nothing": "promised_interval = 0",
    "an interval below nothing": "promised_interval = -10.0",
    "an interval without end": "promised_interval = 9e999",
    "a state in bytes": "state = x'616263'",
    "a stamp in words": "stamp = 'now'",
    "a stamp with a fraction": "stamp = 1.5",
}


@pytest.mark.parametrize("change", NO_MEMBER.values(), ids=NO_MEMBER.keys())
def test_a_row_that_is_no_members_is_left_out_alone_and_told_once(
    store: Store, path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("node-1", "node-2", "node-3"):
        store.join(KEY, Beat(name, "one", 1, 10.0), timeout=TIMEOUT)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute(f"UPDATE servicegroup_member SET {change} WHERE member = 'node-2'")  # noqa: S608 - of this file

    assert members(store) == members(store) == {"node-1", "node-3"}
    (said,) = [record.getMessage() for record in caplog.records if record.name == "servicegroup.store"]
    assert f"store sqlite:///{path}: group nova/compute: 1 of 3 rows are left out" in said
    assert said.isprintable()


def test_names_in_scripts_that_do_not_print_are_members_beside_a_row_that_is_none(store: Store, path: Path) -> None:
    names = {"a\N{ZERO WIDTH SPACE}", "a\N{NO-BREAK SPACE}", "node-1"}
    for name in (*names, "node-2"):
        store.join(KEY, Beat(name, "one", 1, 10.0), timeout=TIMEOUT)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("UPDATE servicegroup_member SET sequence = 'x' WHERE member = 'node-2'")

    assert members(store) == names


def test_words_of_a_newer_version_are_a_beat_and_a_verdict_all_the_same(store: Store, path: Path) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    store.publish(KEY, HEADER, changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
    with closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("UPDATE servicegroup_member SET state = 'evacuating'")
        another.execute("UPDATE servicegroup_verdict SET reason = 'Cosmic'")
    (fact,) = store.read([KEY], timeout=TIMEOUT).facts[KEY]
    record = store.record(KEY, timeout=TIMEOUT)

    assert fact.state is State.BEATING
    assert record is not None
    assert record.members["node-1"] == replace(UP, reason=Reason.NOT_WATCHING)


def test_a_name_that_no_database_takes_is_refused_as_such(store: Store) -> None:
    """An agent checks names before it gets here; what slips through is store trouble, no crash."""
    with pytest.raises(StoreUnavailable):
        store.join(KEY, Beat("half a \ud83d", "one", 1, 10.0), timeout=TIMEOUT)


def test_a_message_holds_no_statement_and_no_values(store: Store, path: Path) -> None:
    store.join(KEY, BEAT, timeout=TIMEOUT)
    with locked_by_another_process(path), pytest.raises(StoreUnavailable) as refused:
        store.join(KEY, Beat("node-1", "an incarnation", 2, 10.0), timeout=SHORT)
    message = str(refused.value)

    assert message.startswith(f"store sqlite:///{path}: ")
    assert not [word for word in ("an incarnation", "INSERT", "SELECT", "sqlalche", "\n") if word in message]
    assert refused.value.__cause__ is None


# Addresses.

REFUSED = {
    "nothing": "",
    "a word": "memory",
    "more than memory": "memory:shared",
    "a path alone": "/var/lib/beats.sqlite",
    "a driver that is not there": "oracle://db/beats",
    "a dialect without its driver": "postgresql://nova:pa55@db/beats",
    "no path": "sqlite:",
    "two slashes": "sqlite://beats.sqlite",
    "three slashes and nothing": "sqlite:///",
    "three slashes and spaces": "sqlite:///   ",
    "options": "sqlite:////var/lib/beats.sqlite?mode=ro",
    "a space before": " sqlite:////var/lib/beats.sqlite",
    "a password at a host that is none": "sqlite://nova:pa55@db/beats.sqlite",
    "half a bracket": "sqlite://[db/beats.sqlite",
    "half a bracket and a password": "postgresql://nova:pa55@[db/beats",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_an_address_that_opens_no_store_is_told_what_does(url: str) -> None:
    with pytest.raises(InvalidStore) as refused:
        open_store(url, store_id="one")

    assert "allowed: sqlite:////absolute/path" in str(refused.value)
    assert "memory:" in str(refused.value)
    assert "pa55" not in str(refused.value)


def test_a_path_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """No escapes, no options: a file is a file."""
    path = tmp_path / "100% über #1 & more.sqlite"
    with opened(path) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)

    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208 - names, not paths
