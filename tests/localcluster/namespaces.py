"""A machine within this one: namespaces for processes, mounts and network, and a subtree of cgroups.

Separate because it knows nothing of Kubernetes. `enter_network` moves the calling thread, and all that it starts, into
the network, so that a test talks to pods and servers as if on that machine while nothing listens on the real one.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from . import processes
from .errors import LocalClusterError
from .keeper import hierarchies
from .processes import Child

__all__ = ["ADDRESS", "Machine", "kill", "leftovers"]

ADDRESS: Final = "192.0.2.1"
"""Of the machine, in its own network; from the block that is kept for examples."""

CLONE_NEWNET: Final = 0x40000000
"""From sched.h; `os.setns` needs Python 3.12."""

REPOSITORY: Final = Path(__file__).parents[2]


class Machine:
    """Made by `start`. Leaving the `with` block ends all in it; so does the death of this process."""

    def __init__(self, *, keeper: subprocess.Popen[str], name: str, folder: Path, first: int) -> None:
        self._keeper = keeper
        self.name = name
        """Also that of its cgroups."""
        self.folder = folder
        """Goes with the machine. Its path is short: sockets in it have at most 108 characters."""
        self._first = first

    @classmethod
    def start(cls, *, pause: Path) -> Machine:
        """Raises LocalClusterError where namespaces or cgroups cannot be made."""
        name = f"servicegroup-{secrets.token_hex(4)}"
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        argv = [sys.executable, "-m", "tests.localcluster.keeper", name, str(folder), str(pause), ADDRESS]
        keeper = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        first = keeper.stdout.readline().strip() if keeper.stdout else ""
        if not first:
            _, error = keeper.communicate()
            raise LocalClusterError(f"No namespaces and cgroups can be made here, which needs root: {error.strip()}")
        return cls(keeper=keeper, name=name, folder=folder, first=int(first))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def keeper(self) -> int:
        """The process that removes what was the machine's, and ends then."""
        return self._keeper.pid

    def stop(self) -> None:
        """End all processes in it, and remove what was its; returns when that is done."""
        self._keeper.communicate()

    def within(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs this one in the machine."""
        places = ["--mount", "--net", "--pid"]
        return ["nsenter", f"--target={self._first}", *places, "--", *map(str, argv)]

    def start_program(self, argv: Sequence[str | Path], *, log: Path) -> Child:
        return processes.start(self.within(argv), log=log, environ=os.environ, folder=self.folder)

    def kill_all(self) -> None:
        """SIGKILL to each process in it but the first: kernel and namespaces stay."""
        here = _process_namespace(self._first)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                handle = os.pidfd_open(int(process.name))
                try:
                    # Strictly after opening: the handle stays with the process that is looked at here.
                    if int(process.name) != self._first and _process_namespace(int(process.name)) == here:
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                finally:
                    os.close(handle)

    @contextmanager
    def network(self) -> Iterator[None]:
        """The calling thread, and what it starts meanwhile, is in the machine's network."""
        with Path("/proc/thread-self/ns/net").open("rb") as home, self._network().open("rb") as there:
            _set_network(there.fileno())
            try:
                yield
            finally:
                _set_network(home.fileno())

    def _network(self) -> Path:
        return Path(f"/proc/{self._first}/ns/net")


def leftovers(name: str) -> list[str]:
    """What there is, outside of it, of a machine of this name: to be empty once it has stopped."""
    found = [str(top / name) for top in hierarchies() if (top / name).exists()]
    found += [str(path) for path in Path(tempfile.gettempdir()).glob(f"{name}-*")]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if name in command and process.name != str(os.getpid()):
                found.append(command)
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [*found, *(line for line in mounts if name in line)]


def kill(child: Child) -> None:
    """SIGKILL to what `start_program` started: `nsenter` waits for it, since a PID namespace takes a fork."""
    for pid in Path(f"/proc/{child.popen.pid}/task/{child.popen.pid}/children").read_text(encoding="ascii").split():
        os.kill(int(pid), signal.SIGKILL)
    child.popen.wait()


def _process_namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/pid").readlink())


def _set_network(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
