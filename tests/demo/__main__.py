"""`python -m tests.demo [stop]`: KEEP=1 and SABOTAGE=1 come in by the environment, a last line and an exit code go out.

Exit codes: 0 all passed, 1 something failed, 130 after Ctrl-C, 143 after SIGTERM, with everything stopped.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from shutil import disk_usage
from types import FrameType
from typing import NoReturn

from tests.demo import BEGUN, act1, act2, kept
from tests.demo.building import Building
from tests.demo.screen import Screen
from tests.demo.stage import Stage
from tests.demo.steps import DOWN_TIME, INTERVAL, TOTAL, ActEnded, Score, ranges
from tests.localcluster import LocalClusterError

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MIB = 1024**2
NEEDED = 300 * MIB
"""etcd alone takes 128 MiB before anything is in it."""


class _Stopped(BaseException):
    """A request to stop, carried through everything that cleans up."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def main(argv: Sequence[str]) -> int:
    for number in STOPPING:
        signal.signal(number, _stop)
    if argv not in ([], ["stop"]):
        print("usage: python -m tests.demo [stop]", file=sys.stderr)
        return 64
    try:
        return _demo() if not argv else _stop_kept()
    except _Stopped as stopped:
        print("demo: stopped, and all that it started", file=sys.stderr)
        return stopped.code


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: a second Ctrl-C must not interrupt the cleaning up.
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)
    raise _Stopped(number)


def _stop_kept() -> int:
    try:
        print(kept.stop(kept.folder()))
    except (LocalClusterError, OSError) as error:
        print(_sentence(error), file=sys.stderr)
        return 1
    return 0


def _demo() -> int:
    keep, sabotage = _asked("KEEP"), _asked("SABOTAGE")
    score = Score()
    with Screen(sys.stdout) as screen:
        stage = Stage(screen, score)
        with _told(stage, 1, 2):
            home = kept.folder() if keep else None
            with (
                nullcontext() if home is None else kept.claimed(home),
                _scratch() as folder,
                closing(Building(folder)) as building,
            ):
                _greet(screen, sabotage=sabotage)
                _play(stage, building, folder=folder, home=home, sabotage=sabotage)
    failed = score.failed()
    print(f"{time.monotonic() - BEGUN:.0f} s in all")
    if failed:
        print(f"failed: {ranges(failed)} of {TOTAL}")
    print(score.last_line())
    return 1 if failed else 0


def _asked(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def _greet(screen: Screen, *, sabotage: bool) -> None:
    screen.say(f"{TOTAL} steps in two acts. Agents beat every {INTERVAL} s; {DOWN_TIME} s of silence are death.")
    if sabotage:
        screen.say("SABOTAGE=1: the operator is told to ignore silence, so steps must fail.", style="bold red")


def _play(stage: Stage, building: Building, *, folder: Path, home: Path | None, sabotage: bool) -> None:
    stage.screen.background(building.line)
    with _told(stage, 1):
        stage.screen.say("\nAct 1, without Kubernetes: twelve agents, one operator, one SQLite file", style="bold")
        act1.run(folder=_subfolder(folder, "act1"), stage=stage, sabotage=sabotage)
    with _told(stage, 2):
        stage.screen.say("\nAct 2, on a real API server", style="bold")
        where = home or _subfolder(folder, "act2")
        act2.run(folder=where, keep=home is not None, stage=stage, building=building, sabotage=sabotage)


def _subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@contextmanager
def _told(stage: Stage, *acts: int) -> Iterator[None]:
    """What ends an act is told in a sentence; what it left undone has failed."""
    try:
        yield
    except (LocalClusterError, ActEnded, OSError) as error:
        stage.clear()
        stage.screen.say(_sentence(error), style="bold red")
    stage.close(*acts)


def _sentence(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    what = ": ".join(filter(None, (error.filename and str(error.filename), error.strerror or str(error))))
    return f"{what}. Free some space there, or set TMPDIR (and XDG_STATE_HOME, for KEEP=1) to a folder on another disk."


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="servicegroup-demo-") as name:
        free = disk_usage(name).free
        if free < NEEDED:
            raise ActEnded(
                f"The disk of {Path(name).parent} has {free // MIB} MiB free and the demo needs {NEEDED // MIB}: "
                "free some, or set TMPDIR to a folder on another disk."
            )
        yield Path(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
