"""A disk that is slow for one server: strace holds back each of its calls that wait for the disk."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.localcluster import processes

PROGRAM = shutil.which("strace")
HOW_TO_GET_IT = "strace is not installed: on Debian or Ubuntu `apt-get install --no-install-recommends strace`"
CALLS = "fsync,fdatasync,sync_file_range,msync"
ATTACHES_WITHIN = 15.0


def lacking() -> str:
    """Why it cannot be done; empty where it can."""
    if PROGRAM is None:
        return HOW_TO_GET_IT
    return "" if os.geteuid() == 0 else "only root may hold back another user's server: run it as root"


@contextmanager
def slow_disk(pids: Sequence[int], seconds: float, *, log: Path) -> Iterator[None]:
    """For these processes, their threads, and all that they start meanwhile."""
    assert PROGRAM is not None, HOW_TO_GET_IT
    words = ["-f", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:delay_enter={seconds * 1e6:.0f}"]
    command = [PROGRAM, *words, "-o", "/dev/null", *(f"--attach={pid}" for pid in pids)]
    child = processes.start(command, log=log, environ={"PATH": os.environ["PATH"]}, folder=log.parent)
    try:
        limit = time.monotonic() + ATTACHES_WITHIN
        while not all(_traced(pid) for pid in pids):
            assert not processes.ended(child, within=0.02), log.read_text(encoding="utf-8")
            assert time.monotonic() < limit, f"strace does not attach: {log.read_text(encoding='utf-8')}"
        yield
    finally:
        processes.stop(child)  # it lets go of them, and they go on


def _traced(pid: int) -> bool:
    """One that has ended meanwhile need not be."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "TracerPid:\t0\n" not in status
