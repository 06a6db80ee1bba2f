"""Starts and stops single processes: a command line comes in, a child that dies with its parent goes out.

Separate because it knows nothing of Kubernetes, and because the one promise it makes is worth a room of its own:
a signal goes to the very process that was started, never to a later one that got the same pid.
`dies_with_parent` means the *thread* that started the child: start it from one that lives long enough.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import LocalClusterError

__all__ = [
    "Child",
    "Identity",
    "die_with_parent",
    "ended",
    "identify",
    "kill",
    "kill_group",
    "read_records",
    "record",
    "release",
    "start",
    "stop",
    "stop_recorded",
]

PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h; other systems have no such call, and a child there outlives a killed parent."""

GRACE: Final = 10.0
"""Seconds between the request to stop and SIGKILL; a kube-apiserver needs 1 to 2."""

# Loaded here since nothing may be imported between fork and exec.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Identity:
    """A pid with the process's start, in clock ticks since boot: field 22 of /proc/<pid>/stat (man 5 proc)."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class Child:
    popen: subprocess.Popen[bytes]
    log: Path


def start(
    argv: Sequence[str | Path],
    *,
    log: Path,
    environ: Mapping[str, str],
    folder: Path,
    dies_with_parent: bool = True,
    nice: int = 0,
    user: str | None = None,
) -> Child:
    """Start it in a session of its own, so that Ctrl-C reaches it only through us; output is appended to `log`.

    With `user`, which only root may give, it runs as that account and without any group but the account's own.

    Raises LocalClusterError when the system cannot run it.
    """
    parent = os.getpid()

    def prepare() -> None:
        # A shell starts background jobs with SIGINT ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.nice(nice)
        if dies_with_parent and _LIBC is not None:
            die_with_parent()
            if os.getppid() != parent:  # it died before it could be watched
                os._exit(1)

    with log.open("ab") as output:
        try:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=folder,
                start_new_session=True,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                preexec_fn=prepare,  # noqa: PLW1509 -- it imports nothing and takes no lock
            )
        except OSError as error:
            raise LocalClusterError(
                f"{argv[0]} cannot be started ({error.strerror}); it must be a program for this machine."
            ) from error
    return Child(popen=popen, log=log)


def die_with_parent() -> None:
    """From now on the calling process is killed when the thread that started it ends."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def ended(child: Child, *, within: float = 0.0) -> bool:
    """Whether it is gone, waiting for that at most so many seconds."""
    try:
        child.popen.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def stop(child: Child, *, grace: float = GRACE) -> None:
    """SIGTERM, and SIGKILL after `grace` seconds; returns when the process is gone."""
    child.popen.terminate()
    child.popen.send_signal(signal.SIGCONT)  # a paused process sees no SIGTERM
    if not ended(child, within=grace):
        kill(child)


def kill(child: Child) -> None:
    """SIGKILL at once, as a crash."""
    child.popen.kill()
    child.popen.wait()


def kill_group(child: Child) -> None:
    """SIGKILL to a child and to all that it started."""
    if not ended(child):
        # Not reaped yet: hence the number of its group cannot belong to anybody else.
        os.killpg(child.popen.pid, signal.SIGKILL)
        child.popen.wait()


def release(child: Child) -> None:
    """Leave a running child to itself: without this, Python warns of it when the handle goes."""
    if child.popen.poll() is None:
        child.popen.returncode = 0


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None when nobody, or where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    # Field 2 is the program's name in parentheses and may itself hold spaces and parentheses: count from its end.
    return Identity(pid=pid, started=int(stat.rpartition(")")[2].split()[22 - 3]))


def record(children: Mapping[str, Child], *, file: Path) -> None:
    """Write down who runs, so that another process can stop exactly these."""
    found = {name: identify(child.popen.pid) for name, child in children.items()}
    file.write_text(json.dumps({name: [who.pid, who.started] for name, who in found.items() if who}), encoding="utf-8")


def read_records(file: Path) -> dict[str, Identity]:
    entries = json.loads(file.read_text(encoding="utf-8"))
    return {name: Identity(pid=pid, started=started) for name, (pid, started) in entries.items()}


def stop_recorded(identity: Identity, *, grace: float = GRACE) -> bool:
    """Stop exactly that process; False when it is gone, also when its pid belongs to another by now."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # Strictly after opening: the handle stays with the process which is compared here, whatever becomes of the pid.
        if identify(identity.pid) != identity:
            return False
        _signal_until_gone(handle, grace=grace)
        return True
    finally:
        os.close(handle)


def _signal_until_gone(handle: int, *, grace: float) -> None:
    gone = select.poll()
    gone.register(handle, select.POLLIN)
    for request in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, request)
            signal.pidfd_send_signal(handle, signal.SIGCONT)
        if gone.poll(grace * 1000):
            return
