"""What `make compare` stands on: a door that can be shut, processes that are kept, lanes that end together, files."""

import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compare import kept
from tests.compare.door import door
from tests.compare.faults import Fault
from tests.compare.kept import Found
from tests.compare.lanes import beside
from tests.compare.losses import losses
from tests.compare.observations import Deaths, Figures
from tests.compare.plan import Plan
from tests.compare.readers import Reader
from tests.compare.report import report
from tests.compare.systems import SYSTEMS
from tests.localcluster import processes

ROOT = Path(__file__).parents[2]


@contextmanager
def echoing() -> Iterator[int]:
    """The port of a server that sends back what it gets, of one connection."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while portion := connection.recv(100):
                connection.sendall(portion)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_nothing_passes_a_shut_door_and_all_of_it_does_when_it_is_opened() -> None:
    with echoing() as port, door() as way, socket.create_connection(("127.0.0.1", way.to(port))) as connection:
        connection.settimeout(30)
        connection.sendall(b"one")
        assert connection.recv(100) == b"one"
        way.shut()
        connection.sendall(b"two")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        way.open()
        connection.settimeout(30)
        assert connection.recv(100) == b"two"


def test_who_connects_to_a_shut_door_is_not_refused_and_gets_no_answer() -> None:
    with echoing() as port, door() as way:
        near = way.to(port)
        way.shut()
        with socket.create_connection(("127.0.0.1", near), timeout=30) as connection:
            connection.sendall(b"one")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(100)
            way.open()
            connection.settimeout(30)
            assert connection.recv(100) == b"one"


def test_a_door_that_is_closed_while_somebody_waits_before_it_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with echoing() as port, socket.socket() as connection:
        with door() as way:
            near = way.to(port)
            connection.connect(("127.0.0.1", near))
            connection.sendall(b"one")
            assert connection.recv(100) == b"one"
            way.shut()
            connection.sendall(b"two")
        assert connection.recv(100) == b""
    assert caplog.messages == []


KEEPING = """
import signal, sys
from pathlib import Path
from tests.compare import forks
forks.keep(["a", "b"], lambda name: signal.pause(), pids=Path(sys.argv[1]))
"""


@contextmanager
def keeping(folder: Path) -> Iterator[tuple[processes.Child, dict[str, int]]]:
    file = folder / "pids"
    argv = [sys.executable, "-c", KEEPING, str(file)]
    child = processes.start(argv, log=folder / "log", environ=dict(os.environ), folder=ROOT)
    try:
        while not file.exists():
            assert not processes.ended(child, within=0.05), (folder / "log").read_text(encoding="utf-8")
        yield child, json.loads(file.read_text(encoding="utf-8"))
    finally:
        processes.kill(child)


def state(pid: int) -> str:
    """As the kernel has it; empty when nobody has this pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def await_end(handle: int) -> None:
    """Of the process behind a pidfd, waited for or not."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(30_000)
    os.close(handle)


def gone(pids: dict[str, int]) -> bool:
    return all(state(pid) == "" for pid in pids.values())


def test_a_kept_process_that_is_killed_keeps_its_pid_and_all_end_at_sigterm(tmp_path: Path) -> None:
    with keeping(tmp_path) as (child, pids):
        handle = os.pidfd_open(pids["a"])
        os.kill(pids["a"], signal.SIGKILL)
        await_end(handle)
        assert state(pids["a"]) == "Z"
        assert state(pids["b"]) not in {"", "Z"}
        child.popen.terminate()
        assert child.popen.wait(timeout=30) == 0
        assert gone(pids)


def test_kept_processes_die_with_whoever_keeps_them(tmp_path: Path) -> None:
    with keeping(tmp_path) as (child, pids):
        handles = [os.pidfd_open(pid) for pid in pids.values()]
        processes.kill(child)
        for handle in handles:
            await_end(handle)


def test_when_one_lane_fails_the_other_ends_and_the_failure_is_told() -> None:
    def fail(_: Callable[[str], None]) -> int:
        raise LookupError("no node")

    def last(tell: Callable[[str], None]) -> int:
        while True:
            tell("working")
            time.sleep(0.01)

    with pytest.raises(LookupError, match="no node"):
        beside(last, fail, progress=lambda _: None)
    with pytest.raises(LookupError, match="no node"):
        beside(fail, last, progress=lambda _: None)


def test_both_lanes_are_told_of_beside_each_other() -> None:
    told: list[str] = []
    first_has_spoken = threading.Event()

    def first(tell: Callable[[str], None]) -> int:
        tell("one")
        first_has_spoken.set()
        return 1

    def second(tell: Callable[[str], None]) -> int:
        first_has_spoken.wait(30)
        tell("two")
        return 2

    assert beside(first, second, progress=told.append) == (1, 2)
    assert told == ["one", "one | two"]


def test_a_line_that_is_being_written_and_a_librarys_words_are_no_rounds(tmp_path: Path) -> None:
    line = json.dumps({"began": 1.0, "ended": 1.5, "said": {"a": ["up", ""]}})
    file = tmp_path / "rounds"
    file.write_text(f"Modules with known eventlet...\n{line}\n{line[:20]}", encoding="utf-8")
    reader = Reader(file)
    (first,) = reader.rounds()
    assert (first.began, first.ended, first.said) == (1.0, 1.5, {"a": ("up", "")})
    with file.open("a", encoding="utf-8") as writing:
        writing.write(line[20:] + "\n")
    assert reader.rounds() == [first, first]


def found(folder: Path, *, scale: float = 1.0) -> Found:
    names = ("ours-mariadb", "ours-fast", "nova-db-default", "nova-db-fast")
    times = {"ours-mariadb": 60.0, "ours-fast": 20.0, "nova-db-default": 57.0, "nova-db-fast": 19.5}
    results = {
        name: {
            Fault.POWER_OFF: Figures(Deaths(1, (times[name],), ("Silent",)), 5, 0, 0.0, 0.0, 1.0),
            Fault.DATABASE_PAUSED: Figures(Deaths(0, (), ()), 5, 0, 0.0, 150.0 if name == "ours-mariadb" else 0.0, 1.0),
        }
        for name in names
    }
    faults = [Fault.POWER_OFF, Fault.AGENT_KILLED, Fault.DATABASE_PAUSED]
    plan = Plan([SYSTEMS[name] for name in names], faults, 1, scale, folder)
    absent = dict.fromkeys(names[:2], "the machine was too small")
    return Found(plan, results, absent, ["Nova 34"])


def test_what_a_run_found_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    kept.write(found(tmp_path))
    assert kept.read(tmp_path) == found(tmp_path)
    assert report(kept.read(tmp_path)) == report(found(tmp_path))


def test_losses_are_whoever_was_sooner_with_the_same_times_and_what_ours_did_not_know(
    tmp_path: Path,
) -> None:
    given = found(tmp_path)
    sooner, unknown = losses(given.results, systems=given.plan.systems, faults=given.plan.faults)
    assert sooner == "power-off, 10/60: our best median is 60 s; sooner were Nova, driver db 57 s."
    assert unknown == (
        "database-paused: this project, MariaDB 10/60: 0 of 5 living nodes were Down at some time, "
        "30 s of each were Unknown."
    )


def test_a_trial_says_that_it_is_one(tmp_path: Path) -> None:
    assert "A trial" not in report(found(tmp_path))
    assert "A trial: all times of all systems were multiplied by 0.5" in report(found(tmp_path, scale=0.5))
