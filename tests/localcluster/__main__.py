"""The commands `build` and `up`: arguments come in, paths and an exit code go out. Separate as every entry point is.

Exit codes: 0 done, 1 a LocalClusterError (told on stderr), 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from . import CONTROL_PLANE, ControlPlane, LocalClusterError, ProgressLine, find_or_build

NICE: Final = 10
"""A build takes all cores for minutes: whatever the person does meanwhile goes first."""

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


class _Stopped(BaseException):
    """A request to stop, carried to the place that cleans up."""

    def __init__(self, number: int) -> None:
        self.code = 128 + number


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        with ProgressLine(stream=sys.stderr, file=arguments.progress_file) as progress:
            arguments.command(arguments, progress)
    except LocalClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except _Stopped as stopped:
        return stopped.code
    return 0


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    # Once is enough: a second Ctrl-C must not interrupt the cleaning up.
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)
    raise _Stopped(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.localcluster", description="A real API server, for tests.")
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build", help="find or build the programs, and print where they are")
    build.add_argument("names", nargs="*", metavar="NAME", default=list(CONTROL_PLANE), help="default: %(default)s")
    up = commands.add_parser("up", help="start a control plane, and stop it on Ctrl-C")
    up.add_argument("--folder", type=Path, help="new or empty, removed at the end; default: a temporary one")
    for command, act in ((build, _build), (up, _up)):
        command.add_argument("--progress-file", type=Path, help="holds the latest line of progress while it runs")
        command.set_defaults(command=act)
    return parser


def _build(arguments: argparse.Namespace, progress: ProgressLine) -> None:
    found = find_or_build(arguments.names, progress=progress, nice=NICE)
    progress.close()
    for name, path in found.items():
        print(name, path)


def _up(arguments: argparse.Namespace, progress: ProgressLine) -> None:
    binaries = find_or_build(CONTROL_PLANE, progress=progress, nice=NICE)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="localcluster-"))
    progress("starting etcd and kube-apiserver")
    with ControlPlane.start(binaries, folder=folder) as plane:
        progress(f"{plane.url} answers; Ctrl-C stops it")
        progress.close()
        print(f"export KUBECONFIG={shlex.quote(str(plane.kubeconfig()))}", flush=True)
        while True:
            plane.require_running()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
