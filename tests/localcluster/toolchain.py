"""Runs Go commands: arguments come in, lines of output go out, or one error that says what to do.

Separate from `compiling` because an old Go, a failing command, a full disk and Ctrl-C are alike for every Go command.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import processes
from .errors import LocalClusterError

__all__ = ["OTHER_WAYS", "Go", "require_go", "run"]

NEEDED: Final = (1, 26)
"""What Kubernetes 1.37 asks for in its own go.mod."""

TAIL: Final = 20
"""Lines of Go's output in an error: the first mistake of a compiler run fits, the screen does not overflow."""

SECONDS_BETWEEN_LOOKS: Final = 0.5

OTHER_WAYS: Final = (
    'Or use ready binaries: export KUBEBUILDER_ASSETS="$(setup-envtest use -p path)", '
    "or put kube-apiserver and etcd on PATH."
)


@dataclass(frozen=True, slots=True)
class Go:
    """A Go that is new enough, and how it shall run."""

    executable: str
    build_cache: Path
    module: Path
    environ: Mapping[str, str]
    log: Path
    nice: int


def require_go(*, purpose: str, module: Path, scratch: Path, log: Path, environ: Mapping[str, str], nice: int) -> Go:
    """The Go on PATH; raises LocalClusterError when there is none or an old one. `purpose` completes "needed to"."""
    needed = f"Install Go {'.'.join(map(str, NEEDED))} or newer, which is needed to {purpose}. {OTHER_WAYS}"
    executable = shutil.which("go", path=environ.get("PATH", ""))
    if executable is None:
        raise LocalClusterError(f"There is no `go` on PATH. {needed}")
    ours = _environ(environ, scratch=scratch)
    question = [executable, "env", "-json", "GOVERSION", "GOCACHE"]
    asked = subprocess.run(question, cwd=module, env=ours, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise LocalClusterError(f"{executable} does not work here: {asked.stderr.strip()}\n{needed}")
    answer = json.loads(asked.stdout)
    if _version(answer["GOVERSION"]) < NEEDED:
        raise LocalClusterError(f"{executable} is {answer['GOVERSION']}, which is too old. {needed}")
    cache = Path(answer["GOCACHE"])
    return Go(executable=executable, build_cache=cache, module=module, environ=ours, log=log, nice=nice)


def _environ(environ: Mapping[str, str], *, scratch: Path) -> dict[str, str]:
    # A target platform or a workspace of the caller's own projects must not change what is built here.
    kept = {key: value for key, value in environ.items() if key not in {"GOOS", "GOARCH"}}
    return kept | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTMPDIR": str(scratch)}


def _version(text: str) -> tuple[int, int]:
    found = re.search(r"go(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def run(*arguments: str, go: Go, tell: Callable[[Sequence[str]], str], progress: Callable[[str], None]) -> list[str]:
    """Lines of a go command's output; Ctrl-C, or any other exception here, kills it with all its compilers.

    Go's caches stand that. While it runs, `progress` gets what `tell` makes of the lines so far.
    """
    go.log.write_bytes(b"")
    argv = [go.executable, *arguments]
    child = processes.start(argv, log=go.log, environ=go.environ, folder=go.module, nice=go.nice)
    try:
        while not processes.ended(child, within=SECONDS_BETWEEN_LOOKS):
            progress(tell(_lines(go.log)))
    except BaseException:
        processes.kill_group(child)
        raise
    if child.popen.returncode:
        raise _failure(arguments, code=child.popen.returncode, lines=_lines(go.log), go=go)
    return _lines(go.log)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _failure(arguments: Sequence[str], *, code: int, lines: Sequence[str], go: Go) -> LocalClusterError:
    if full := next((line for line in lines if "no space left on device" in line), None):
        return LocalClusterError(
            f"The disk ran full during the build: {full.strip()}. Free some for {go.log.parent} and "
            f"{go.build_cache}, then run again: finished packages are kept."
        )
    tail = "\n".join(lines[-TAIL:])
    return LocalClusterError(f"`go {arguments[0]} {arguments[-1]}` ended with code {code}:\n{tail}\n{OTHER_WAYS}")
