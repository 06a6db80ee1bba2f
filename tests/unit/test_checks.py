"""Checks of the main container: what a setting means, what each look finds on real files, sockets and processes, and
when that is ill health.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicegroup.agent.checking import Checking, Tally
from servicegroup.agent.checks import Check, check_of, probe_of
from servicegroup.agent.probes import Command, FileAge, HttpGet, Probe, TcpConnect, UnixConnect, Unwell
from servicegroup.config import InvalidSetting, Settings
from servicegroup.model import State

SOON = 10.0
"""Seconds that a slow machine may take; no test waits for so long."""

SECRET = "hunter2"  # noqa: S105 - what must not be shown

MEANT: dict[str, Probe] = {
    "file:/run/servicegroup/alive?max-age=30": FileAge(Path("/run/servicegroup/alive"), 30.0),
    "file:///run/alive?max-age=0.5": FileAge(Path("/run/alive"), 0.5),
    "http://127.0.0.1:8080/healthz": HttpGet(secure=False, host="127.0.0.1", port=8080, path="/healthz"),
    "http://[::1]:8080": HttpGet(secure=False, host="::1", port=8080, path="/"),
    "https://localhost/health?full=1": HttpGet(secure=True, host="localhost", port=443, path="/health", query="full=1"),
    "tcp://127.0.0.1:5672": TcpConnect("127.0.0.1", 5672),
    "unix:/run/x.sock": UnixConnect(Path("/run/x.sock")),
    "exec:/bin/probe --name 'a b'": Command(("/bin/probe", "--name", "a b")),
}


@pytest.mark.parametrize(("text", "probe"), MEANT.items(), ids=MEANT)
def test_what_a_setting_means(text: str, probe: Probe) -> None:
    assert probe_of(text, origin="--check") == probe


REFUSED = {
    "no kind": "/run/alive",
    "a kind that there is not": "grpc://127.0.0.1:1",
    "a file without an age": "file:/run/alive",
    "a file with an age of 0": "file:/run/alive?max-age=0",
    "a file with an age that is no number": "file:/run/alive?max-age=soon",
    "a file with an age of no number": "file:/run/alive?max-age=nan",
    "a file with another option": "file:/run/alive?max-age=3&owner=nova",
    "a file that is somewhere": "file:alive?max-age=3",
    "a socket that is somewhere": "unix:x.sock",
    "an empty command": "exec:  ",
    "a command with an open quote": "exec:probe 'a",
    "no host": "http:///healthz",
    "no port": "tcp://127.0.0.1",
    "a port above all": "tcp://127.0.0.1:65536",
    "a path of tcp": "tcp://127.0.0.1:1/path",
    "a space in the path": "http://127.0.0.1/a b",
    "a password": f"http://nova:{SECRET}@127.0.0.1/",
    "a password with a slash": f"http://nova:{SECRET}/x@127.0.0.1/",
    "a password that is no URL": f"postgresql://nova:{SECRET}@127.0.0.1/",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_what_is_allowed_and_no_secret(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"SERVICEGROUP_CHECK.*allowed: file:/path") as caught:
        probe_of(text, origin="SERVICEGROUP_CHECK")

    assert SECRET not in str(caught.value)


def test_the_rhythm_is_set_beside_the_check() -> None:
    given = {"SERVICEGROUP_CHECK": "tcp://127.0.0.1:1", "SERVICEGROUP_CHECK_PERIOD": "2"}
    more = {"SERVICEGROUP_CHECK_TIMEOUT": "1.5", "SERVICEGROUP_CHECK_FAILURES": "1", "SERVICEGROUP_CHECK_START": "0"}

    assert check_of(Settings({}, given | more)) == Check(TcpConnect("127.0.0.1", 1), 2.0, 1.5, 1, 0.0)


@pytest.mark.parametrize("failures", ["0", "101", "-1", "1.5", "three", "٣"])
def test_a_number_of_failures_that_is_none_is_refused(failures: str) -> None:
    given = {"SERVICEGROUP_CHECK": "tcp://127.0.0.1:1", "SERVICEGROUP_CHECK_FAILURES": failures}

    with pytest.raises(InvalidSetting, match="not a whole number from 1 to 100"):
        check_of(Settings({}, given))


def ill(probe: Probe, *, timeout: float = SOON) -> str:
    with pytest.raises(Unwell) as caught:
        probe.look(timeout=timeout)
    return str(caught.value)


def test_a_file_is_well_while_it_is_touched_whatever_the_time_of_day_does(tmp_path: Path) -> None:
    path, now, wall = tmp_path / "alive", 100.0, 1_800_000_000.0
    probe = FileAge(path, 30.0, clock=lambda: now, wall=lambda: wall)
    assert "cannot be read" in ill(probe)
    path.touch()
    os.utime(path, (wall, wall - 31.0))
    assert "31 s ago, allowed are 30 s" in ill(probe)  # it was old when it was seen first
    os.utime(path, (wall, wall))
    probe.look(timeout=SOON)
    now, wall = now + 10.0, wall + 86_400.0
    probe.look(timeout=SOON)  # the clock was set, and nothing else happened
    os.utime(path, (wall, wall - 600.0))
    probe.look(timeout=SOON)  # touched since, whatever its stamp says
    now += 30.0
    probe.look(timeout=SOON)
    now += 0.001
    assert "allowed are 30 s" in ill(probe)


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.removeprefix("/")))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def http_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize(("status", "well"), {200: True, 204: True, 302: True, 400: False, 503: False}.items())
def test_an_http_answer_below_400_is_well(http_port: int, status: int, *, well: bool) -> None:
    probe = probe_of(f"http://127.0.0.1:{http_port}/{status}", origin="")
    if well:
        probe.look(timeout=SOON)
    else:
        assert ill(probe) == f"it answered {status}"


def test_who_takes_a_connection_and_says_nothing_is_well_by_tcp_and_not_by_http(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    TcpConnect("127.0.0.1", port).look(timeout=SOON)

    assert ill(HttpGet(secure=False, host="127.0.0.1", port=port, path="/"), timeout=0.1) == "no answer in time"


@pytest.mark.parametrize("kind", ["http", "https", "tcp"])
def test_where_nobody_listens_is_ill(listener: socket.socket, kind: str) -> None:
    port = listener.getsockname()[1]
    listener.close()

    assert ill(probe_of(f"{kind}://127.0.0.1:{port}", origin="")) == "Connection refused"


def test_a_unix_socket_is_well_while_somebody_listens(tmp_path: Path) -> None:
    probe = UnixConnect(tmp_path / "x.sock")
    assert ill(probe) == "No such file or directory"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(probe.path))
        listening.listen()
        probe.look(timeout=SOON)

    assert ill(probe) == "Connection refused"


def test_a_command_is_well_when_it_ends_with_0() -> None:
    Command(("true",)).look(timeout=SOON)

    assert ill(Command(("sh", "-c", "exit 3"))) == "it ended with 3"
    assert ill(Command(("/nowhere/probe",))) == "it does not start: No such file or directory"


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    script = f"sleep 1000 & echo $! > {ids}.part; mv {ids}.part {ids}; wait"
    looking = threading.Thread(target=lambda: ill(Command(("sh", "-c", script)), timeout=3.0))
    looking.start()
    looking.join(SOON)

    child = int(ids.read_text())
    until = time.monotonic() + SOON
    while time.monotonic() < until and _runs(child):
        time.sleep(0.01)  # it is nobody's child here: there is nothing to wait for
    assert not _runs(child)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False


CHECK = Check(TcpConnect("127.0.0.1", 1), period=10.0, timeout=5.0, failures=3, start=60.0)


@dataclass(frozen=True)
class Found:
    tally: Tally
    now: float
    said: State


FOUND = {
    "nothing yet": Found(Tally(0.0), 9.0, State.CHECKING),
    "one success is healthy": Found(Tally(0.0, well=True), 1.0, State.HEALTHY),
    "two failures are none": Found(Tally(0.0, failed=2, well=True), 70.0, State.HEALTHY),
    "three failures are ill health": Found(Tally(0.0, failed=3, well=True), 30.0, State.UNHEALTHY),
    "who was never well may be starting": Found(Tally(0.0, failed=5), 59.9, State.CHECKING),
    "and may not for ever": Found(Tally(0.0, failed=6), 60.0, State.UNHEALTHY),
    "a look on its way is no failure in its time": Found(
        Tally(0.0, failed=2, well=True, looking=100.0), 105.0, State.HEALTHY
    ),
    "a look that hangs is one": Found(Tally(0.0, failed=2, well=True, looking=100.0), 105.1, State.UNHEALTHY),
    "a look that hangs is one for each period": Found(
        Tally(0.0, well=True, looking=100.0), 124.9, State.HEALTHY
    ),
    "a look that hangs for three periods is three": Found(
        Tally(0.0, well=True, looking=100.0), 125.0, State.UNHEALTHY
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_when_failures_are_ill_health(case: Found) -> None:
    assert case.tally.state(CHECK, now=case.now) is case.said


def test_a_look_that_hung_and_failed_in_the_end_is_as_many_failures_as_before() -> None:
    """Else the state would go back to healthy, and on to unhealthy again."""
    hanging = Tally(0.0, well=True, looking=100.0)
    failed = hanging.found(CHECK, well=False, now=126.0)

    assert failed.failures(CHECK, now=126.0) == hanging.failures(CHECK, now=126.0) == 3


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 40.0)), max_size=20))
def test_ill_health_takes_as_many_failures_in_a_row_and_ends_by_one_success(looks: list[tuple[bool, float]]) -> None:
    tally, now, row = Tally(0.0, well=True), 0.0, 0
    for well, took in looks:
        tally = Tally(tally.began, tally.failed, tally.well, looking=now)
        now += took
        well = well and took <= CHECK.timeout  # noqa: PLW2901 - as Checking takes a late answer
        tally = tally.found(CHECK, well=well, now=now)
        row = 0 if well else row + 1
        # A look that takes long may count for more than one failure, and never for less.
        assert tally.failed == 0 if well else tally.failed >= row
        if row >= CHECK.failures:
            assert tally.state(CHECK, now=now) is State.UNHEALTHY
        if well:
            assert tally.state(CHECK, now=now) is State.HEALTHY


@pytest.fixture
def changes() -> threading.Semaphore:
    return threading.Semaphore(0)


def test_a_check_rings_when_it_changes_and_the_log_says_why_once(
    tmp_path: Path, changes: threading.Semaphore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    check = Check(UnixConnect(tmp_path / "x.sock"), period=0.02, timeout=SOON, failures=2, start=0.0)
    checking = Checking(check, on_change=changes.release)
    assert checking.state() is State.CHECKING
    checking.start()
    assert changes.acquire(timeout=SOON)
    assert checking.state() is State.UNHEALTHY
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "x.sock"))
        listening.listen()
        assert changes.acquire(timeout=SOON)
        assert checking.state() is State.HEALTHY
    checking.close()

    said = [record.message for record in caplog.records]
    shown = f"check of unix:{tmp_path}/x.sock"
    assert said[:2] == [f"{shown}: unhealthy: No such file or directory", f"{shown}: healthy"]


class Hanging:
    """A look that never ends, as on a file system whose server is gone."""

    shown = "a test's"

    def __init__(self) -> None:
        self.begun, self.release = threading.Event(), threading.Event()

    def look(self, *, timeout: float) -> None:  # noqa: ARG002
        self.begun.set()
        self.release.wait()


def test_a_look_that_hangs_is_ill_health_and_keeps_nobody_waiting(changes: threading.Semaphore) -> None:
    probe = Hanging()
    checking = Checking(Check(probe, 0.01, 0.01, 2, 0.0), on_change=changes.release)
    checking.start()
    assert probe.begun.wait(SOON)
    until = time.monotonic() + SOON
    while checking.state() is not State.UNHEALTHY:
        assert time.monotonic() < until
        time.sleep(0.01)  # nobody tells: that is the case
    probe.release.set()
    checking.close()
