"""The program as a script or a pod runs it: exit codes, sentences, signals. Agents are real processes over SQLite."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
import servicegroup
from servicegroup import config
from servicegroup.__main__ import main
from servicegroup.liveness import Published
from servicegroup.model import Fact, GroupKey, Policy, Reason, State, Verdict
from servicegroup.record import Header
from servicegroup.store import open_store

from tests.mounting import mount

KEY = GroupKey("default", "compute")
SINCE = 1_800_000_000.0
SOON = 20.0
"""Seconds that a slow machine may take to start a process; no test waits for so long."""

SECRET = "hunter2"  # noqa: S105 - what must not be shown
STRANGE = '10.0.0.1:機架 "七"'
VERDICTS = {
    "up": Published(Verdict.UP, Reason.BEATING, SINCE),
    "down": Published(Verdict.DOWN, Reason.SILENT, SINCE),
    "forced": Published(Verdict.DOWN, Reason.FORCED_DOWN, SINCE, disabled=True),
    "missing": Published(Verdict.UNKNOWN, Reason.MISSING, SINCE),
    STRANGE: Published(Verdict.UP, Reason.BEATING, SINCE, draining=True),
}


def publish(
    url: str, *, policy: Policy, members: Mapping[str, Published] = VERDICTS, store_id: str = "default"
) -> None:
    store = open_store(url, store_id=store_id)
    store.publish(KEY, Header(1, policy, "epoch", 0.0, 0.0), changes=members, whole=True, timeout=5.0)
    store.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose record is fresh for an hour; nobody writes it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('published')}/servicegroup.db"
    publish(url, policy=Policy(3600.0, 9000.0))
    return url


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose record is too old to be an answer as soon as it is written."""
    url = f"sqlite:///{tmp_path_factory.mktemp('stale')}/servicegroup.db"
    publish(url, policy=Policy(1e-6, 1e-5))
    return url


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The agent takes signals of the process, which is ours here."""
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(kind) for kind in kinds]
    yield
    for kind, handler in zip(kinds, before, strict=True):
        signal.signal(kind, handler)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Ask:
    def call(*argv: str, **environ: str) -> Answer:
        try:
            code = main(argv, environ)
        except SystemExit as ended:  # argparse's way
            code = int(ended.code or 0)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return call


IS_UP = {
    "up": (0, "Up: Beating since 2027-01-15T08:00:00Z, checked"),
    "down": (1, "Down: Silent since 2027-01-15T08:00:00Z, checked"),
    "forced": (1, "Down: ForcedDown since"),
    "missing": (2, "Unknown: Missing since"),
    STRANGE: (0, "Up: Beating since"),
}


@pytest.mark.parametrize(("member", "said"), IS_UP.items())
def test_is_up_answers_in_its_exit_code_and_in_words(
    ask: Ask, published: str, member: str, said: tuple[int, str]
) -> None:
    answer = ask("is-up", "compute", member, "--store-url", published)

    assert answer.code == said[0]
    assert answer.out.startswith(said[1])
    assert answer.err == ""


def test_is_up_of_nobodys_name_is_3(ask: Ask, published: str) -> None:
    answer = ask("is-up", "compute", "nobody", "--store-url", published)

    assert (answer.code, answer.out) == (3, "")
    assert "'nobody' is not a member of default/compute" in answer.err


def test_is_up_takes_its_store_from_the_environment(ask: Ask, published: str) -> None:
    answer = ask("is-up", "default/compute", "down", SERVICEGROUP_STORE_URL=published)

    assert answer.code == 1


def test_is_up_in_json_has_these_fields_and_nothing_else_is_printed(ask: Ask, published: str) -> None:
    answer = ask("is-up", "compute", STRANGE, "-o", "json", "--store-url", published)

    said = json.loads(answer.out)
    assert 0.0 <= said.pop("ageSeconds") < 3600.0
    assert said == {
        "member": STRANGE,
        "verdict": "Up",
        "reason": "Beating",
        "since": "2027-01-15T08:00:00Z",
        "disabled": False,
        "draining": True,
    }
    assert (answer.code, answer.err) == (0, "")


def test_members_in_json_are_all_of_them_by_name(ask: Ask, published: str) -> None:
    answer = ask("members", "compute", "-o", "json", "--store-url", published)

    said = json.loads(answer.out)
    assert [one["member"] for one in said] == sorted(VERDICTS)
    assert {one["member"]: one["verdict"] for one in said}["forced"] == "Down"
    assert (answer.code, answer.err) == (0, "")


def test_members_are_a_table(ask: Ask, published: str) -> None:
    answer = ask("members", "compute", "--store-url", published)

    lines = answer.out.splitlines()
    assert lines[0].split() == ["MEMBER", "VERDICT", "REASON", "SINCE", "MARKS"]
    assert lines[3].split() == ["forced", "Down", "ForcedDown", "2027-01-15T08:00:00Z", "disabled"]
    assert len(lines) == 1 + len(VERDICTS)
    assert answer.code == 0


@pytest.mark.parametrize("member", ["up", "down", "forced", "who-joined-since"])
def test_with_no_operator_running_everybody_is_unknown_and_it_is_said(ask: Ask, stale: str, member: str) -> None:
    answer = ask("is-up", "compute", member, "-o", "json", "--store-url", stale)

    assert answer.code == 2
    assert "no operator is running" in answer.err
    said = json.loads(answer.out)
    assert (said["verdict"], said["reason"]) == ("Unknown", "NoOperator")
    assert said["since"] == (None if member == "who-joined-since" else "2027-01-15T08:00:00Z")


def test_with_no_operator_running_the_table_shows_nobody_up(ask: Ask, stale: str) -> None:
    answer = ask("members", "compute", "--store-url", stale)

    assert "no operator is running" in answer.err
    assert {line.split()[-3] for line in answer.out.splitlines()[1:] if "disabled" not in line} <= {
        "Unknown",
        "NoOperator",
    }
    assert " Up " not in answer.out
    assert " Down " not in answer.out


@pytest.mark.parametrize("command", [("is-up", "nova/compute", "up"), ("members", "nova/compute")])
def test_a_group_that_nobody_published_is_unknown_with_what_to_check(
    ask: Ask, published: str, command: tuple[str, ...]
) -> None:
    answer = ask(*command, "--store-url", published)

    assert (answer.code, answer.out) == (2, "")
    for word in ("nova/compute", "operator", "store id"):
        assert word in answer.err


def test_a_cluster_that_shares_a_store_sees_its_own_groups_alone(ask: Ask, published: str) -> None:
    assert ask("is-up", "compute", "up", "--store-url", published, "--store-id", "edge").code == 2


@pytest.mark.parametrize("command", [("is-up", "compute", "up"), ("members", "compute")])
@pytest.mark.parametrize("place", ["file/below/a.db", "folder"])
def test_a_store_that_does_not_answer_is_unknown_and_no_empty_group(
    ask: Ask, tmp_path: Path, place: str, command: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    answer = ask(*command, "--store-url", f"sqlite:///{tmp_path}/{place}")

    assert (answer.code, answer.out) == (2, "")
    assert f"store sqlite:///{tmp_path}/{place}" in answer.err
    assert "Traceback" not in answer.err


WRONG = {
    "no command": ((), "COMMAND"),
    "an unknown command": (("ping",), "ping"),
    "no member": (("is-up", "compute"), "MEMBER"),
    "no group": (("members",), "GROUP"),
    "an unknown flag": (("members", "compute", "--yes"), "--yes"),
    "an unknown form of output": (("members", "compute", "-o", "yaml"), "yaml"),
    "a group of three parts": (("is-up", "a/b/c", "up"), "'a/b/c'"),
    "a member of 300 characters": (("is-up", "compute", "x" * 300), "300 characters"),
    "a member with a control character": (("is-up", "compute", "node\n1"), "U+000A"),
    "a store id with a slash": (("is-up", "compute", "up", "--store-id", "a/b"), "--store-id"),
    "a URL and a file of one": (("members", "compute", "--store-url", "memory:", "--store-url-file", "/x"), "both"),
    "a file of a URL that is not there": (("members", "compute", "--store-url-file", "/nowhere/url"), "/nowhere/url"),
    "a store of an unknown kind": (("members", "compute", "--store-url", f"redis://:{SECRET}@db"), "'redis'"),
    "a password with a bracket": (("members", "compute", "--store-url", f"postgresql://n:[{SECRET}@db/n"), "scheme"),
    "an agent of no group": (("agent",), "--group"),
    "an agent of a member of 300 characters": (("agent", "--group", "c", "--member", "x" * 300), "300 characters"),
    "an agent with an interval of nothing": (("agent", "--group", "c", "--report-interval", "0"), "0.1 to 3600"),
    "an agent over a store in its own memory": (
        ("agent", "--group", "c", "--store-url", "memory:"),
        "no operator would ever see",
    ),
    "an operator whose stores are not there": (("operator", "--stores", "/nowhere/stores"), "/nowhere/stores"),
    "an operator whose groups are not there": (("operator", "--groups", "/nowhere/groups"), "cannot be read"),
    "an operator whose groups are none": (("operator", "--groups", os.devnull), "ComputeServiceGroup"),
}


@pytest.mark.parametrize(("argv", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage_is_64_and_a_sentence_on_the_error_output_alone(
    ask: Ask, tmp_path: Path, argv: tuple[str, ...], words: str
) -> None:
    answer = ask(*argv, XDG_STATE_HOME=str(tmp_path))

    assert (answer.code, answer.out) == (64, "")
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert SECRET not in answer.err


@pytest.mark.parametrize(
    "content", ["kind: Pod\nmetadata: {name: a}\n", "{", "2027-13-45\n", "kind: ComputeServiceGroup\n"]
)
def test_an_operator_refuses_a_file_of_groups_that_holds_something_else(ask: Ask, tmp_path: Path, content: str) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text(content, encoding="utf-8")
    answer = ask("operator", "--groups", str(file), XDG_STATE_HOME=str(tmp_path))

    assert answer.code == 64
    assert f"--groups names {file}" in answer.err


@dataclass
class Process:
    """A program of ours that runs; its lines come in as it writes them."""

    program: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _coming: "queue.Queue[str | None]" = field(default_factory=queue.Queue)

    def read(self, stream: IO[str]) -> None:
        for line in stream:
            self._coming.put(line)
        self._coming.put(None)

    def until(self, words: str) -> str:
        """The next line that holds these words."""
        until = time.monotonic() + SOON
        while True:
            line = self._coming.get(timeout=max(0.01, until - time.monotonic()))
            assert line is not None, f"ended without {words!r}: {''.join(self.lines)}"
            self.lines.append(line)
            if words in line:
                return line

    def signal(self, kind: signal.Signals) -> float:
        self.program.send_signal(kind)
        return time.monotonic()

    def ended(self) -> int:
        code = self.program.wait(SOON)
        while (line := self._coming.get(timeout=SOON)) is not None:
            self.lines.append(line)
        return code


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes: list[Process] = []
    readers: list[threading.Thread] = []

    def call(*command: str, **environ: str) -> Process:
        source = str(Path(servicegroup.__file__).parents[1])
        known = {"PATH": os.environ["PATH"], "PYTHONPATH": source, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        program = subprocess.Popen(
            [sys.executable, *command],
            env=known | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert program.stdout is not None
        processes.append(Process(program))
        readers.append(threading.Thread(target=processes[-1].read, args=[program.stdout]))
        readers[-1].start()
        return processes[-1]

    yield call
    for process in processes:
        process.program.kill()
        process.program.wait(SOON)
    for reader in readers:
        reader.join(SOON)
    for process in processes:
        assert process.program.stdout is not None
        process.program.stdout.close()


def agent(url: str, *flags: str, member: str = "node-1") -> tuple[str, ...]:
    return (
        *("-m", "servicegroup", "agent", "--group", "compute", "--member", member),
        *("--report-interval", "0.2", "--store-url", url, *flags),
    )


def rows(url: str) -> dict[str, Fact]:
    store = open_store(url, store_id="default")
    found = {fact.member: fact for fact in store.read([KEY], timeout=5.0).facts[KEY]}
    store.close()
    return found


def once(url: str, holds: Callable[[Fact], bool], *, within: float) -> None:
    """Wait until the row of node-1 is as asked; another process writes it, so that there is no event to await."""
    store = open_store(url, store_id="default")
    until = time.monotonic() + within
    while not any(holds(fact) for fact in store.read([KEY], timeout=5.0).facts[KEY]):
        assert time.monotonic() < until, "the row is not as it ought to be"
        time.sleep(0.02)
    store.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store/servicegroup.db"


def test_an_agent_drains_and_leaves_within_a_second_though_its_interval_is_a_minute(start: Start, url: str) -> None:
    publish(url, policy=Policy(60.0, 300.0), members={})
    process = start(*agent(url, member=STRANGE))
    process.until("joined as")
    once(url, lambda fact: fact.interval == 60.0, within=SOON)

    process.signal(signal.SIGUSR1)
    once(url, lambda fact: fact.state is State.DRAINING, within=2.0)
    told = process.signal(signal.SIGTERM)
    process.until(": left")
    assert time.monotonic() - told < 1.0
    assert process.ended() == 0

    assert (rows(url)[STRANGE].state, set(rows(url))) == (State.LEFT, {STRANGE})
    assert not [line for line in process.lines if "Traceback" in line or "Error" in line]


def test_an_agent_that_is_told_to_end_many_times_ends_once_and_well(start: Start, url: str) -> None:
    process = start(*agent(url))
    process.until("joined as")
    for _ in range(200):
        process.signal(signal.SIGTERM)
        time.sleep(0.001)  # until it is gone, and a little longer
        if process.program.poll() is not None:
            break

    assert process.ended() == 0
    assert rows(url)["node-1"].state is State.LEFT
    assert not [line for line in process.lines if "Traceback" in line]


def test_the_row_of_an_agent_that_is_killed_stays_as_it_was(start: Start, url: str) -> None:
    process = start(*agent(url))
    process.until("joined as")
    once(url, lambda fact: fact.sequence > 1, within=SOON)
    process.signal(signal.SIGKILL)

    assert process.ended() == -signal.SIGKILL
    assert rows(url)["node-1"].state is State.BEATING


def test_an_agent_loads_neither_kopf_nor_kubernetes_nor_yaml(start: Start, url: str) -> None:
    process = start("-X", "importtime", *agent(url))
    process.until("joined as")
    process.signal(signal.SIGTERM)
    assert process.ended() == 0

    loaded = {line.rsplit("|", 1)[1].strip() for line in process.lines if line.startswith("import time:")}
    assert {"servicegroup.agent.loop", "sqlalchemy"} <= loaded
    assert not {"kopf", "kubernetes", "yaml", "aiohttp", "servicegroup.agent.probes"} & loaded


def test_a_scheduler_that_imports_us_loads_neither_kopf_nor_kubernetes_nor_yaml(start: Start) -> None:
    script = (
        "import sys; from servicegroup import ServiceGroup, Member, Verdict; ServiceGroup('memory:', 'compute');"
        "print('loaded', sorted({'kopf', 'kubernetes', 'yaml', 'sqlalchemy'} & set(sys.modules)))"
    )
    process = start("-c", script)

    assert process.until("loaded") == "loaded []\n"


def test_an_agent_survives_a_store_that_is_away_spoilt_or_replaced_and_beats_again(
    start: Start, url: str, tmp_path: Path
) -> None:
    folder, database = tmp_path / "store", tmp_path / "store" / "servicegroup.db"
    process = start(*agent(url))
    process.until("joined as")
    incarnation = rows(url)["node-1"].incarnation

    folder.rename(tmp_path / "away")
    process.until("beats are lost")
    (tmp_path / "away").rename(folder)
    process.until("the store is back")

    (tmp_path / "rubbish").write_bytes(b"no database " * 1000)
    for log in folder.glob("*.db-*"):
        log.unlink()
    (tmp_path / "rubbish").replace(database)
    assert "not a database" in process.until("beats are lost")
    for file in folder.iterdir():
        file.unlink()
    process.until("joined as")
    once(url, lambda fact: fact.incarnation == incarnation, within=SOON)
    before = rows(url)["node-1"].sequence
    once(url, lambda fact: fact.sequence > before, within=SOON)

    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    assert not [line for line in process.lines if "Traceback" in line]


BAD_IN_A_POD: Mapping[str, tuple[dict[str, str], str]] = {
    "no group": ({"SERVICEGROUP_GROUP": ""}, "--group is missing"),
    "an interval in words": ({"SERVICEGROUP_REPORT_INTERVAL": "soon"}, "SERVICEGROUP_REPORT_INTERVAL is 'soon'"),
    "a Secret that is not mounted": ({"SERVICEGROUP_STORE_URL_FILE": "/nowhere/url"}, "/nowhere/url"),
    "a password with a bracket": ({"SERVICEGROUP_STORE_URL": f"postgresql://n:[{SECRET}@db/n"}, "scheme"),
    "a store in its own memory": ({"SERVICEGROUP_STORE_URL": "memory:"}, "no operator would ever see"),
    "a check that is none": ({"SERVICEGROUP_CHECK": f"ftp://nova:{SECRET}@host"}, "allowed: file:/path?max-age="),
    "an authority that is none": (
        {"SERVICEGROUP_STORE_URL": "https://gateway.example/", "SERVICEGROUP_CA_PEM": "-----BEGIN"},
        "no PEM of a certificate",
    ),
    "a folder that cannot be made": ({"SERVICEGROUP_STORE_URL": "sqlite:////dev/null/a/b.db"}, "cannot be made"),
}


@pytest.mark.parametrize(("bad", "words"), BAD_IN_A_POD.values(), ids=BAD_IN_A_POD.keys())
def test_in_a_pod_a_bad_setting_makes_an_agent_say_so_and_wait_and_a_signal_ends_it_at_once(
    start: Start, bad: dict[str, str], words: str
) -> None:
    environ = {"SERVICEGROUP_GROUP": "compute", "SERVICEGROUP_MEMBER": "node-1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    process = start("-m", "servicegroup", "agent", **(environ | bad))
    line = process.until("not beating")
    assert words in line
    assert SECRET not in line
    assert process.program.poll() is None

    told = process.signal(signal.SIGTERM)
    assert process.ended() == 0
    assert time.monotonic() - told < 1.0


def test_in_a_pod_an_agent_looks_again_and_joins_when_what_it_lacked_was_mounted(
    start: Start, url: str, tmp_path: Path
) -> None:
    script = "import sys; from servicegroup.cli import agent; agent.IDLE_SECONDS = 0.1;"
    script += "from servicegroup.__main__ import main; sys.exit(main())"
    file = tmp_path / "url"
    flags = ("agent", "--group", "compute", "--member", "node-1", "--report-interval", "0.2")
    process = start("-c", script, *flags, "--store-url-file", str(file), KUBERNETES_SERVICE_HOST="10.0.0.1")
    process.until("not beating")
    (tmp_path / "mounted").write_text(f"{url}\n", encoding="utf-8")
    (tmp_path / "mounted").replace(file)
    process.until("joined as")
    process.signal(signal.SIGTERM)

    assert process.ended() == 0
    assert rows(url)["node-1"].state is State.LEFT


def test_an_agent_moves_to_the_store_that_its_file_says_by_now_and_not_to_one_in_its_own_memory(
    start: Start, url: str, tmp_path: Path
) -> None:
    first, second = f"sqlite:///{tmp_path}/first.db", url
    file = mount(tmp_path / "secret", first)
    flags = ("agent", "--group", "compute", "--member", "node-1", "--report-interval", "0.2")
    process = start("-m", "servicegroup", *flags, "--store-url-file", str(file))
    process.until("joined as")
    incarnation = rows(first)["node-1"].incarnation

    mount(tmp_path / "secret", "memory:")
    assert "no operator would ever see" in process.until("the store that is open is kept")
    before = rows(first)["node-1"].sequence
    once(first, lambda fact: fact.sequence > before, within=SOON)

    mount(tmp_path / "secret", second)
    process.until("what it says now serves")
    once(second, lambda fact: fact.incarnation == incarnation, within=SOON)

    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    assert rows(second)["node-1"].state is State.LEFT
    assert not [line for line in process.lines if "beats are lost" in line or "Traceback" in line]


def test_an_agent_tells_of_its_service_and_says_in_its_log_what_is_wrong_with_it(
    start: Start, url: str, tmp_path: Path
) -> None:
    check = ("--check", f"unix:{tmp_path}/x.sock", "--check-period", "0.1", "--check-start", "0")
    process = start(*agent(url, *check))
    process.until(f"check of unix:{tmp_path}/x.sock: unhealthy: No such file or directory")
    once(url, lambda fact: fact.state is State.UNHEALTHY, within=SOON)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/x.sock")
        listening.listen()
        once(url, lambda fact: fact.state is State.HEALTHY, within=SOON)
        process.signal(signal.SIGUSR1)
        once(url, lambda fact: fact.state is State.DRAINING, within=SOON)
    process.signal(signal.SIGTERM)
    assert process.ended() == 0
    assert rows(url)["node-1"].state is State.LEFT


def test_what_changes_at_the_service_is_told_before_the_interval_is_over(
    start: Start, url: str, tmp_path: Path
) -> None:
    publish(url, policy=Policy(3600.0, 9000.0), members={})
    check = ("--check", f"exec:test -e {tmp_path}/alive", "--check-period", "0.1", "--check-start", "0")
    process = start(*agent(url, *check, "--check-failures", "1"))
    once(url, lambda fact: fact.state is State.UNHEALTHY and fact.interval == 3600.0, within=SOON)
    (tmp_path / "alive").touch()
    once(url, lambda fact: fact.state is State.HEALTHY, within=SOON)
    process.signal(signal.SIGTERM)
    assert process.ended() == 0


def test_draining_is_told_to_the_agent_of_the_same_container_and_to_nobody_else(start: Start, url: str) -> None:
    """The group is this test's own: whoever runs the tests may have agents as well."""
    group = f"drained-{os.getpid()}"
    identity = {"SERVICEGROUP_GROUP": group, "SERVICEGROUP_MEMBER": "node-1"}
    told = start("-m", "servicegroup", "draining", **identity)
    assert told.ended() == 1
    assert f"no agent of member node-1 of default/{group} runs" in told.lines[0]

    deaf = start("-c", "import time; print('there', flush=True); time.sleep(60)", "servicegroup", "agent", **identity)
    deaf.until("there")
    quick = ("--store-url", url, "--report-interval", "0.2")
    other = start("-m", "servicegroup", "agent", *quick, "--group", group, "--member", "node-2")
    process = start("-m", "servicegroup", "agent", *quick, **identity)
    other.until("joined as")
    process.until("joined as")
    assert start("-m", "servicegroup", "draining", "--namespace", "default", **identity).ended() == 0
    process.until("draining")
    for told in (process, other):
        told.signal(signal.SIGTERM)
        assert told.ended() == 0
    assert deaf.program.poll() is None  # it takes no such signal, which would have ended it
    assert not [line for line in other.lines if "draining" in line]


GROUPS = {
    "a name alone": ({"SERVICEGROUP_GROUP": "edge"}, "default/edge"),
    "a name and a namespace": ({"SERVICEGROUP_GROUP": "edge", "SERVICEGROUP_NAMESPACE": "nova"}, "nova/edge"),
    "both in one": ({"SERVICEGROUP_GROUP": "other/edge", "SERVICEGROUP_NAMESPACE": "nova"}, "other/edge"),
}


@pytest.mark.parametrize(("environ", "key"), GROUPS.values(), ids=GROUPS)
def test_which_group_an_agent_joins(environ: Mapping[str, str], key: str) -> None:
    assert str(config.group(config.Settings({}, environ))) == key


def test_on_a_command_line_a_bad_setting_ends_an_agent_with_the_error(start: Start) -> None:
    process = start("-m", "servicegroup", "agent", SERVICEGROUP_GROUP="compute", SERVICEGROUP_REPORT_INTERVAL="soon")

    assert process.ended() == 64
    assert "SERVICEGROUP_REPORT_INTERVAL is 'soon'" in "".join(process.lines)


def test_the_programs_that_are_run_by_hand_say_what_they_do(ask: Ask) -> None:
    answer = ask("is-up", "--help")
    assert answer.code == 0
    for code in ("0 up", "1 down", "2 unknown", "3 not a member", "64 wrong usage"):
        assert code in " ".join(answer.out.split())
