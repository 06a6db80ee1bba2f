"""The local control plane's own promises: what it says when it cannot build, where it looks, what it leaves alone."""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.localcluster import ControlPlane, LocalClusterError, ProgressLine, find_or_build, processes, stop_kept
from tests.localcluster.commandlines import User, kubeconfig, token_file
from tests.localcluster.compiling import require_space
from tests.localcluster.progress import compile_line

OLD_GO = """printf '{"GOVERSION": "go1.25.1", "GOCACHE": "/nowhere"}'"""

GO = """
case "$1" in
env) printf '{"GOVERSION": "go1.26.3", "GOCACHE": "%s"}' "$HOME" ;;
list) printf 'fmt\\tfalse\\t\\t7\\n' ;;
build) BUILD ;;
esac
"""
"""A Go that answers as the real one does, and builds in no time."""

BUILD = """while [ "$1" != -o ]; do shift; done; echo whole > "$2"; /bin/chmod +x "$2" """


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is installed and nothing is cached."""
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def install(name: str, *, into: Path, script: str = "exit 0") -> Path:
    into.mkdir(parents=True, exist_ok=True)
    program = into / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def install_go(environ: dict[str, str], *, build: str) -> None:
    install("go", into=Path(environ["PATH"]), script=GO.replace("BUILD", build))


def silent(text: str) -> None:
    """Progress that nobody looks at."""


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(LocalClusterError) as caught:
        act()
    return str(caught.value)


@contextmanager
def sleeping(program: Path | str = "sleep", *, folder: Path) -> Iterator[processes.Child]:
    child = processes.start([program, "600"], log=folder / "log", environ=os.environ, folder=folder)
    try:
        yield child
    finally:
        processes.kill(child)


# Where programs are looked for


def test_kubebuilder_assets_win_over_path(environ: dict[str, str], tmp_path: Path) -> None:
    install("etcd", into=tmp_path / "bin")
    asset = install("etcd", into=tmp_path / "assets")
    environ["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    assert find_or_build(["etcd"], progress=silent, environ=environ) == {"etcd": asset}


def test_what_the_assets_lack_is_found_on_path(environ: dict[str, str], tmp_path: Path) -> None:
    installed = install("kubectl", into=tmp_path / "bin")
    install("etcd", into=tmp_path / "assets")
    environ["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    assert find_or_build(["kubectl"], progress=silent, environ=environ) == {"kubectl": installed}


def test_path_wins_over_the_cache(environ: dict[str, str], tmp_path: Path) -> None:
    install_go(environ, build=BUILD)
    find_or_build(["etcd"], progress=silent, environ=environ)
    installed = install("etcd", into=tmp_path / "bin")
    assert find_or_build(["etcd"], progress=silent, environ=environ) == {"etcd": installed}


def test_the_programs_of_a_node_are_never_those_of_the_machine(environ: dict[str, str]) -> None:
    install("kubelet", into=Path(environ["PATH"]))
    assert "no `go` on PATH" in refusal(lambda: find_or_build(["kubelet"], progress=silent, environ=environ))


def test_what_was_built_once_is_found_without_go(environ: dict[str, str], tmp_path: Path) -> None:
    install_go(environ, build=BUILD)
    built = find_or_build(["etcd"], progress=silent, environ=environ)["etcd"]
    (tmp_path / "bin" / "go").unlink()
    assert built.is_relative_to(tmp_path / "cache")
    assert built.read_text(encoding="utf-8") == "whole\n"
    assert find_or_build(["etcd"], progress=silent, environ=environ) == {"etcd": built}


def test_a_second_run_waits_for_the_first_and_takes_what_it_built(environ: dict[str, str]) -> None:
    install_go(environ, build="exit 1")
    refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    cache = next(Path(environ["XDG_CACHE_HOME"]).rglob("lock")).parent
    said: list[str] = []
    with (cache / "lock").open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)

        def the_first_finishes(text: str) -> None:
            said.append(text)
            install("etcd", into=cache)
            fcntl.flock(first, fcntl.LOCK_UN)

        found = find_or_build(["etcd"], progress=the_first_finishes, environ=environ)
    assert found == {"etcd": cache / "etcd"}
    assert said == [f"waiting for another run which builds into {cache}"]


# What is said when there is nothing to start


def test_without_go_the_error_names_the_other_ways(environ: dict[str, str]) -> None:
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert "no `go` on PATH" in text
    assert "Go 1.26 or newer" in text
    assert "setup-envtest use -p path" in text


def test_an_old_go_is_named_with_its_version(environ: dict[str, str]) -> None:
    install("go", into=Path(environ["PATH"]), script=OLD_GO)
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert "go1.25.1, which is too old" in text
    assert "Go 1.26 or newer" in text


def test_a_go_that_does_not_work_is_quoted(environ: dict[str, str]) -> None:
    install("go", into=Path(environ["PATH"]), script="echo no such toolchain >&2; exit 2")
    assert "no such toolchain" in refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))


def test_a_failed_compilation_shows_the_end_of_what_go_said(environ: dict[str, str]) -> None:
    install_go(environ, build="for n in 1 2 3 4 5 6 7 8 9; do echo a$n; echo b$n; echo c$n; done; exit 7")
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert "go.etcd.io/etcd/server/v3` ended with code 7" in text
    assert text.splitlines()[1] == "b3"
    assert len(text.splitlines()) == 1 + 20 + 1


def test_a_disk_that_runs_full_is_one_sentence_and_no_half_file_is_left(environ: dict[str, str]) -> None:
    install_go(environ, build=BUILD + "; echo 'write go-link: no space left on device'; exit 1")
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert text.startswith("The disk ran full during the build: write go-link: no space left on device.")
    assert [path.name for path in Path(environ["XDG_CACHE_HOME"]).rglob("*etcd*")] == []


def test_too_little_disk_is_told_with_both_figures(tmp_path: Path) -> None:
    text = refusal(lambda: require_space(tmp_path / "not" / "there" / "yet", needed=2**62))
    assert f"The disk of {tmp_path / 'not' / 'there' / 'yet'} has" in text
    assert f"the build needs {2**32:.1f} GiB" in text


def test_a_cache_that_cannot_be_written_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert f"The cache folder {tmp_path / 'cache'}/servicegroup/localcluster/v" in text
    assert "XDG_CACHE_HOME" in text


def test_assets_that_are_no_folder_are_refused_rather_than_passed_over(environ: dict[str, str]) -> None:
    environ["KUBEBUILDER_ASSETS"] = "/no/such/folder"
    text = refusal(lambda: find_or_build(["etcd"], progress=silent, environ=environ))
    assert text.startswith("KUBEBUILDER_ASSETS is /no/such/folder")


def test_a_program_without_a_recipe_is_named(environ: dict[str, str]) -> None:
    assert "no recipe for kubeadm" in refusal(lambda: find_or_build(["kubeadm"], progress=silent, environ=environ))


# How progress is told


PROGRESS: dict[str, tuple[bool, int, float, str]] = {
    "nothing is guessed from next to nothing": (
        False,
        1,
        0.009,
        "compiling etcd, 1 of 100 packages done, time left not known yet",
    ),
    "time left follows the share of the work, not the count": (
        False,
        50,
        0.25,
        "compiling etcd, 50 of 100 packages done, about 5 min left",
    ),
    "less than a minute and a half is told in seconds": (
        False,
        90,
        0.6,
        "compiling etcd, 90 of 100 packages done, about 67 s left",
    ),
    "linking comes after the last package of a program": (True, 100, 1.0, "linking etcd, 100 of 100 packages done"),
}


@pytest.mark.parametrize("case", PROGRESS.values(), ids=PROGRESS.keys())
def test_progress_says_what_is_done_and_what_is_left(case: tuple[bool, int, float, str]) -> None:
    linking, done, share, text = case
    assert compile_line(name="etcd", linking=linking, done=done, total=100, share=share, seconds=100.0) == text


def test_a_log_gets_a_line_every_ten_seconds_and_the_last_one() -> None:
    stream, now = io.StringIO(), 0.0
    with ProgressLine(stream=stream, clock=lambda: now) as progress:
        for text, now in (("a", 0.0), ("b", 5.0), ("c", 10.0), ("d", 12.0)):  # noqa: B007 -- the clock reads it
            progress(text)
    assert stream.getvalue().split() == ["a", "c", "d"]


def test_a_terminal_keeps_one_line_that_is_written_anew() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    with ProgressLine(stream=stream) as progress:
        progress("a")
        progress("b")
    assert stream.getvalue() == "\r\x1b[Ka\r\x1b[Kb\n"


def test_the_progress_file_holds_the_latest_text_alone(tmp_path: Path) -> None:
    with ProgressLine(stream=io.StringIO(), file=tmp_path / "progress") as progress:
        progress("a")
        progress("b")
    assert (tmp_path / "progress").read_text(encoding="utf-8") == "b\n"
    assert [path.name for path in tmp_path.iterdir()] == ["progress"]


# Which processes are stopped


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    with sleeping(folder=tmp_path) as child:
        now = processes.identify(child.popen.pid)
        assert now is not None
        assert not processes.stop_recorded(replace(now, started=now.started - 1))
        assert not processes.ended(child)


def test_a_recorded_process_is_stopped_by_whoever_reads_the_record(tmp_path: Path) -> None:
    with sleeping(folder=tmp_path) as child:
        processes.record({"sleep": child}, file=tmp_path / "record")
        recorded = processes.read_records(tmp_path / "record")["sleep"]
        assert processes.stop_recorded(recorded)
        assert child.popen.wait() == -signal.SIGTERM
        assert not processes.stop_recorded(recorded)


def test_a_name_with_parentheses_does_not_confuse_the_start_time(tmp_path: Path) -> None:
    odd = tmp_path / "a) 1 (b"
    odd.symlink_to("/bin/sleep")
    with sleeping(odd, folder=tmp_path) as odd_one, sleeping(folder=tmp_path) as plain:
        first, second = processes.identify(odd_one.popen.pid), processes.identify(plain.popen.pid)
        assert first is not None
        assert second is not None
        assert 0 <= second.started - first.started < 1000


def test_a_paused_child_is_stopped_without_force(tmp_path: Path) -> None:
    with sleeping(folder=tmp_path) as child:
        child.popen.send_signal(signal.SIGSTOP)
        processes.stop(child)
        assert child.popen.returncode == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tests.localcluster import processes\n"
        "child = processes.start(['sleep', '600'], log=Path(sys.argv[1]), environ=os.environ, folder=Path('/'))\n"
        "print(child.popen.pid, flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "log")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        handle = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    gone = select.poll()
    gone.register(handle, select.POLLIN)
    assert gone.poll(5000)
    os.close(handle)


# What a control plane does before and after its servers


def test_a_folder_with_things_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    assert "is not empty" in refusal(lambda: ControlPlane.start({}, folder=tmp_path))
    assert (tmp_path / "precious").exists()


def test_a_server_that_ends_is_quoted_and_its_folder_removed(tmp_path: Path) -> None:
    binaries = {"etcd": install("etcd", into=tmp_path, script="echo no disk today; exit 3")}
    text = refusal(lambda: ControlPlane.start(binaries, folder=tmp_path / "plane"))
    assert text == "etcd ended with code 3.\nThe end of the log of etcd:\nno disk today"
    assert not (tmp_path / "plane").exists()


def test_a_port_that_was_taken_meanwhile_is_changed_for_another(tmp_path: Path) -> None:
    binaries = {"etcd": install("etcd", into=tmp_path, script="echo bind: address already in use; exit 1")}
    asked: list[int] = []

    def ports() -> list[int]:
        asked.append(1)
        return [1, 2]

    assert "already in use" in refusal(lambda: ControlPlane.start(binaries, folder=tmp_path / "plane", ports=ports))
    assert len(asked) == 5


def test_a_program_for_another_machine_is_named(tmp_path: Path) -> None:
    program = install("etcd", into=tmp_path)
    program.write_bytes(b"\x7fELF of another kind")
    assert f"{program} cannot be started" in refusal(
        lambda: ControlPlane.start({"etcd": program}, folder=tmp_path / "plane")
    )


def test_a_folder_without_a_control_plane_is_not_removed(tmp_path: Path) -> None:
    assert "is not the folder of a control plane" in refusal(lambda: stop_kept(tmp_path))
    assert tmp_path.exists()


def test_a_user_called_admin_is_refused(tmp_path: Path) -> None:
    assert "'admin'" in refusal(lambda: ControlPlane.start({}, folder=tmp_path / "plane", users={"admin": ["dev"]}))


def test_groups_and_tokens_of_a_user_reach_the_server_and_the_client() -> None:
    user = User(name="weak", groups=["dev", "ops"])
    assert token_file([user]) == f'{user.token},weak,weak,"dev,ops"\n'
    config = json.loads(kubeconfig(user, url="https://127.0.0.1:1", authority="UEVN"))
    assert config["users"] == [{"name": "weak", "user": {"token": user.token}}]
    assert user.token not in repr(user)
