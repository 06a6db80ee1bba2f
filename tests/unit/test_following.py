"""A store whose URL changes in its file while calls run, over SQLite: who serves, what is closed, what is said."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from servicegroup import InvalidStore, ServiceGroup
from servicegroup.config import InvalidSetting, UrlFile, opened
from servicegroup.liveness import Published
from servicegroup.model import Beat, GroupKey, Policy, Reason, Receipt, Verdict
from servicegroup.operator.stores import StoreConfig
from servicegroup.record import Header
from servicegroup.store import MemoryStore, Store, StoreUnavailable, open_store
from servicegroup.store.following import LOOK_SECONDS, FollowingStore

from tests.mounting import mount

KEY = GroupKey("default", "compute")
BEAT = Beat("node-1", "one", 1, 10.0)
HEADER = Header(1, Policy(3600.0, 9000.0), "e", 0.0, 0.0)
UP = Published(Verdict.UP, Reason.BEATING, 0.0)
TIMEOUT = 10.0
SECRET = "hunter2"  # noqa: S105 - what must not be shown

connect = partial(open_store, store_id="default")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def url_of(tmp_path: Path, name: str) -> str:
    return f"sqlite:///{tmp_path}/{name}.db"


def following(file: Path, *, look_every: float = 0.0) -> FollowingStore:
    return FollowingStore(file, read=UrlFile(file, "--store-url-file").read, connect=connect, look_every=look_every)


@pytest.fixture
def store(tmp_path: Path, secret: Path) -> Iterator[FollowingStore]:
    """At `first`, with a member; each call looks at the file."""
    with closing(following(mount(secret, url_of(tmp_path, "first")))) as it:
        it.join(KEY, BEAT, timeout=TIMEOUT)
        yield it


def members(store: Store) -> set[str]:
    return {fact.member for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]}


def members_at(url: str) -> set[str]:
    with closing(connect(url)) as store:
        return members(store)


def open_files(database: Path) -> list[str]:
    """Those of this process: what a store that is closed has none of."""
    links = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(one))  # noqa: PTH115 - a link to what may be deleted is no path
        except FileNotFoundError:
            continue
    return [link for link in links if link.startswith(str(database))]


def test_calls_go_where_the_file_says_as_soon_as_it_says_so_and_the_store_before_is_closed(
    store: FollowingStore, tmp_path: Path, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_files(tmp_path / "first.db")

    mount(secret, url_of(tmp_path, "second"))
    assert not store.beat(KEY, replace(BEAT, sequence=2), timeout=TIMEOUT).owned  # nobody has joined there
    store.join(KEY, replace(BEAT, member="node-2"), timeout=TIMEOUT)
    store.publish(KEY, HEADER, changes={"node-2": UP}, whole=True, timeout=TIMEOUT)

    assert not open_files(tmp_path / "first.db")
    assert members_at(url_of(tmp_path, "first")) == {"node-1"}
    assert members(store) == {"node-2"}
    record = store.record(KEY, timeout=TIMEOUT)
    assert record is not None
    assert set(record.members) == {"node-2"}
    assert store.health(timeout=TIMEOUT).epoch == store.read([KEY], timeout=TIMEOUT).epoch
    assert store.leave(KEY, replace(BEAT, member="node-2", sequence=3), timeout=TIMEOUT)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


WAYS: dict[str, Callable[[Path, str], object]] = {
    "by the kubelet": lambda file, url: mount(file.parent, url),
    "by a file that takes its place": lambda file, url: (
        (file.parent / "new").write_text(url) and (file.parent / "new").replace(file)
    ),
    "in place": lambda file, url: file.write_text(url),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_file_is_seen_to_change(
    way: Callable[[Path, str], object], store: Store, tmp_path: Path, secret: Path
) -> None:
    assert members(store) == {"node-1"}

    way(secret / "url", url_of(tmp_path, "another"))

    assert members(store) == set()


def test_the_same_url_in_a_new_file_changes_nothing(store: FollowingStore, tmp_path: Path, secret: Path) -> None:
    before = open_files(tmp_path / "first.db")
    mount(secret, f"  {url_of(tmp_path, 'first')} \n# mounted again\n")

    assert members(store) == {"node-1"}
    assert open_files(tmp_path / "first.db") == before


def test_a_closed_store_has_no_open_files_whatever_it_was_about_to_do(
    store: FollowingStore, tmp_path: Path, secret: Path
) -> None:
    rubbish(tmp_path)
    mount(secret, url_of(tmp_path, "rubbish"))
    assert members(store) == {"node-1"}
    store.close()

    assert not open_files(tmp_path / "first.db")
    assert not open_files(tmp_path / "rubbish.db")


# Calls that run meanwhile.


class Slow(MemoryStore):
    """A beat in it lasts until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.let_go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        self.entered.set()
        assert self.let_go.wait(TIMEOUT)
        assert not self.closed.is_set()
        return super().beat(key, beat, timeout=timeout)

    def close(self) -> None:
        self.closed.set()


def test_a_call_that_runs_on_the_store_before_ends_well_and_closes_it(secret: Path) -> None:
    stores = {"first": Slow(), "second": Slow()}
    file = mount(secret, "first")
    with ThreadPoolExecutor(1) as thread:
        store = FollowingStore(file, read=UrlFile(file, "file").read, connect=lambda url: stores[url], look_every=0.0)
        store.join(KEY, BEAT, timeout=TIMEOUT)
        beat = thread.submit(store.beat, KEY, replace(BEAT, sequence=2), timeout=TIMEOUT)
        assert stores["first"].entered.wait(TIMEOUT)

        mount(secret, "second")
        assert members(store) == set()
        assert not stores["first"].closed.is_set()

        stores["first"].let_go.set()
        assert beat.result().owned
    assert stores["first"].closed.is_set()
    assert not stores["second"].closed.is_set()
    store.close()
    assert stores["second"].closed.is_set()


def test_no_call_of_many_threads_is_lost_while_the_file_changes_again_and_again(tmp_path: Path, secret: Path) -> None:
    """One database by several addresses, as it has with each password."""
    for number in range(4):
        (tmp_path / f"way-{number}").symlink_to(tmp_path, target_is_directory=True)
    urls = [f"sqlite:///{tmp_path}/way-{number}/beats.db" for number in range(4)]
    store, ended = following(mount(secret, urls[0]), look_every=0.001), threading.Event()

    def beat(member: str) -> int:
        sequence = 1
        store.join(KEY, Beat(member, member, sequence, 10.0), timeout=TIMEOUT)
        while not ended.is_set():
            sequence += 1
            assert store.beat(KEY, Beat(member, member, sequence, 10.0), timeout=TIMEOUT).owned
        return sequence

    with closing(store), ThreadPoolExecutor(6) as threads:
        beating = [threads.submit(beat, f"node-{number}") for number in range(6)]
        for turn in range(1, 41):
            mount(secret, urls[turn % 4])
            members(store)
            time.sleep(0.005)
        ended.set()
        written = {f"node-{number}": one.result() for number, one in enumerate(beating)}
        facts = store.read([KEY], timeout=TIMEOUT).facts[KEY]

    assert {fact.member: fact.sequence for fact in facts} == written
    assert not open_files(tmp_path / "beats.db")


# What is wrong with the file.


def remove(file: Path) -> None:
    file.unlink()


def say(text: str | bytes) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.unlink()
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (remove, "cannot be read: No such file"),
    "empty": (say(""), "first line is empty"),
    "no text": (say(f"postgresql+psycopg://nova:{SECRET}".encode() + b"\xff"), "it is no text"),
    "of an unknown kind": (say(f"redis://nova:{SECRET}@db/0"), "'redis'"),
    "cut in the middle": (say(f"postgresql+psycopg://nova:{SECRET}"), "not an address"),
    "in a folder that cannot be made": (say("sqlite:////dev/null/a/b.db"), "its folder cannot be made"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_the_open_store_is_kept_and_it_is_said_once_when_the_file_is(
    case: tuple[Callable[[Path], None], str], store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spoil, words), secret = case, tmp_path / "secret"
    spoil(secret / "url")
    assert [members(store) for _ in range(5)] == [{"node-1"}] * 5

    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert words in said
    assert said.startswith(f"{secret / 'url'}: the store that is open is kept: ")
    assert SECRET not in caplog.text

    (secret / "url").unlink(missing_ok=True)
    mount(secret, url_of(tmp_path, "second"))
    assert members(store) == set()


def test_a_file_that_comes_back_as_it_was_is_told(
    store: FollowingStore, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (secret / "url").rename(secret / "away")
    members(store)
    (secret / "away").rename(secret / "url")
    with caplog.at_level(logging.INFO):
        assert members(store) == {"node-1"}

    assert f"{secret / 'url'}: in order again" in caplog.text


def test_the_file_is_looked_at_no_more_than_once_a_second(tmp_path: Path, secret: Path) -> None:
    file, reads = mount(secret, url_of(tmp_path, "first")), []

    def read() -> str:
        reads.append(time.monotonic())
        return UrlFile(file, "file").read()

    with closing(FollowingStore(file, read=read, connect=connect)) as store:
        file.unlink()  # then each look reads
        until = time.monotonic() + 2.5 * LOOK_SECONDS
        while time.monotonic() < until:
            members(store)

    assert len(reads) >= 3
    assert min(later - one for one, later in pairwise(reads)) >= LOOK_SECONDS


# What is wrong with the store that it names.


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Nobody else can write it."""
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def rubbish(tmp_path: Path) -> Path:
    file = tmp_path / "rubbish.db"
    file.write_bytes(b"no database " * 1000)
    return file


def test_a_new_store_that_does_not_serve_yet_is_tried_on_while_the_store_before_serves(
    store: FollowingStore, tmp_path: Path, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = rubbish(tmp_path)
    mount(secret, url_of(tmp_path, "rubbish"))
    for sequence in range(2, 6):
        assert store.beat(KEY, replace(BEAT, sequence=sequence), timeout=TIMEOUT).owned
    (said,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said.startswith(f"{secret / 'url'}: what it says now does not serve yet")

    file.unlink()
    assert members(store) == set()
    assert not open_files(tmp_path / "first.db")


def test_when_neither_serves_the_error_is_that_of_the_new_one_and_either_may_come_back(
    store: FollowingStore, tmp_path: Path, secret: Path
) -> None:
    file = rubbish(tmp_path)
    mount(secret, url_of(tmp_path, "rubbish"))
    with locked(tmp_path / "first.db"):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"rubbish\.db"):
                store.beat(KEY, replace(BEAT, sequence=2), timeout=0.3)
    assert store.beat(KEY, replace(BEAT, sequence=3), timeout=TIMEOUT).owned

    file.unlink()
    assert members(store) == set()


def test_a_file_that_takes_its_word_back_leaves_the_store_as_it_was(
    store: FollowingStore, tmp_path: Path, secret: Path
) -> None:
    file = rubbish(tmp_path)
    mount(secret, url_of(tmp_path, "rubbish"))
    assert members(store) == {"node-1"}

    mount(secret, url_of(tmp_path, "first"))
    assert members(store) == {"node-1"}
    file.unlink()
    assert members(store) == {"node-1"}
    assert not file.exists()


# Who uses it.


def awaited(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_an_operators_store_follows_its_file_and_keeps_its_driver(
    tmp_path: Path, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = StoreConfig("edge", "db", url_file=str(mount(secret, url_of(tmp_path, "first"))))
    with closing(config.open(store_id="default")) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        mount(secret, f"memcached://{SECRET}:11211/")
        awaited(lambda: members(store) == {"node-1"} and bool(caplog.records))
        assert "store 'edge': its URL is one of the driver mc, not db" in caplog.text
        assert SECRET not in caplog.text
        assert store.driver == "db"

        mount(secret, url_of(tmp_path, "second"))
        awaited(lambda: members(store) == set())


def test_a_scheduler_gives_the_file_as_a_path_and_follows_it(tmp_path: Path, secret: Path) -> None:
    for name in ("first", "second"):
        with closing(connect(url_of(tmp_path, name))) as store:
            store.publish(KEY, HEADER, changes={name: UP}, whole=True, timeout=TIMEOUT)

    with ServiceGroup(mount(secret, url_of(tmp_path, "first")), "compute") as group:
        assert group.member("first").is_up
        mount(secret, url_of(tmp_path, "second"))
        awaited(lambda: [member.name for member in group.members()] == ["second"])


def test_a_scheduler_is_told_of_a_file_that_is_not_there() -> None:
    with pytest.raises(InvalidStore, match=r"/nowhere/url, which cannot be read"):
        ServiceGroup(Path("/nowhere/url"), "compute")


def test_a_file_that_is_bad_from_the_beginning_is_refused(secret: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"--store-url-file names .* first line is empty"):
        opened(UrlFile(mount(secret, "\n"), "--store-url-file"), connect=connect)
