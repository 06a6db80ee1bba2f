"""`make test`: lint and all tests in one run, while the control plane that the last of them need compiles beside them.

`python -m tests.all lint` stops after the lint. The exit code is 0 when nothing failed; REQUIRE_ALL=1 is the tests' own
affair (what is absent is a failure then, and not skipped).
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.localcluster import CONTROL_PLANE, NODE, lacking

BIN = Path(sys.executable).parent
PROGRAMS = (*CONTROL_PLANE, "helm") if lacking() else (*CONTROL_PLANE, *NODE)
LINT = (
    ("ruff check", [BIN / "ruff", "check", "--quiet", "."]),
    ("ruff format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
    ("mypy --strict", [BIN / "mypy"]),
    ("import contracts", [BIN / "lint-imports"]),
)
MEANWHILE = ("tests/unit", "tests/contract")
TWO_AT_ONCE = ("--numprocesses=2", "--dist=worksteal")
"""Each of the two processes starts the servers that its tests need for itself."""

ON_THE_CONTROL_PLANE = (
    ("tests/apiserver",),
    ("tests/gateway",),
    ("tests/chart",),
    ("tests/scenarios",),
    ("tests/cluster",),
)
LOOK_EVERY = 15.0
"""Seconds between two lines about a compilation that is waited for."""


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["lint"]:
        return _failed(_lint())
    with tempfile.TemporaryDirectory() as scratch, _compiling(Path(scratch)) as (build, progress):
        failed = [*_lint(), *_pytest(MEANWHILE, options=TWO_AT_ONCE)]
        _wait(build, progress)
        failed += [name for folders in ON_THE_CONTROL_PLANE for name in _pytest(folders)]
    return _failed(failed)


def _failed(names: Sequence[str]) -> int:
    print(f"failed: {', '.join(names)}" if names else "everything passed", flush=True)
    return 1 if names else 0


def _lint() -> list[str]:
    return [name for name, command in LINT if not _passes(name, [str(word) for word in command])]


def _pytest(folders: Sequence[str], *, options: Sequence[str] = ()) -> list[str]:
    command = [str(BIN / "python"), "-m", "pytest", "--quiet", *options, *folders]
    name = " ".join(folders)
    return [] if _passes(name, command) else [name]


def _passes(name: str, command: Sequence[str]) -> bool:
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    passed = subprocess.run(command, check=False).returncode == 0
    print(f"--- {name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return passed


@contextmanager
def _compiling(scratch: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The compilation in the background; it ends with this run, and the next one goes on where it was."""
    progress = scratch / "progress"
    command = [sys.executable, "-m", "tests.localcluster", "build", *PROGRAMS, "--progress-file", str(progress)]
    with (scratch / "build.log").open("wb") as log:
        build = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield build, progress
        finally:
            if build.poll() is None:
                build.terminate()
            build.wait()


def _wait(build: subprocess.Popen[bytes], progress: Path) -> None:
    """Until the compilation ended; when it failed, the tests on the control plane say why."""
    if build.poll() is None:
        print("--- waiting for the control plane to compile (once; it is cached then)", flush=True)
    while True:
        try:
            build.wait(timeout=LOOK_EVERY)
        except subprocess.TimeoutExpired:
            print(f"    {progress.read_text() if progress.exists() else 'starting'}", flush=True)
        else:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
