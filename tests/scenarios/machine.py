"""What of a machine must fail for some scenarios: its disks and its network. They are the run's own, in namespaces that
this thread shares with all that it starts, and that end with them; to make them takes root.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_SLAVE = 0x4000, 0x80000
"""From sched.h and sys/mount.h."""

DISK = "512m"
"""Of which a server's empty database takes a third."""

THERE, BACK = "there", "back"
_FIELDS = {THERE: "dport", BACK: "sport"}


class NoMachine(Exception):
    """Why this user, or this machine, can have none of its own."""


def enter() -> None:
    """From now on this thread is there, with an empty network. Raises NoMachine."""
    if os.geteuid() != 0:
        raise NoMachine("only root may have disks and a network of its own: run it as root")
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            raise NoMachine(f"{program} is not installed: apt-get install --no-install-recommends {package}")
    try:
        _call("unshare", CLONE_NEWNS | CLONE_NEWNET)
        # What others mount appears here too, and what is mounted here nowhere else.
        _call("mount", b"none", b"/", None, MS_REC | MS_SLAVE, None)
    except OSError as error:
        raise NoMachine(f"no namespaces can be made here ({error.strerror}): root must be allowed to") from None
    _run("ip", "link", "set", "lo", "up")


@dataclass(frozen=True, slots=True)
class Disk:
    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """To the last byte, until the end; room that others give back meanwhile is theirs."""
        ballast = self.folder / "ballast"
        try:
            with ballast.open("wb") as file:
                fill(file.fileno(), room=_room(self.folder))
            yield
        finally:
            ballast.unlink()


def fill(file: int, *, room: int) -> None:
    """Others may write at the same time: room is what there was."""
    size = 0
    while room:
        try:
            os.posix_fallocate(file, size, room)
            size += room
        except OSError:
            room //= 2


def _room(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@contextmanager
def disk() -> Iterator[Disk]:
    folder = Path(tempfile.mkdtemp(prefix="servicegroup-"))
    try:
        _call("mount", b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={DISK},mode=755".encode())
        try:
            yield Disk(folder)
        finally:
            _run("umount", "--lazy", str(folder))
    finally:
        folder.rmdir()


@contextmanager
def packets_lost(ports: Sequence[int], ways: Sequence[str]) -> Iterator[None]:
    """Of TCP to these ports, those of THERE, or BACK, or both: the kernel drops them, and nobody is told."""
    table, listed = f"inet lost-{uuid4().hex[:8]}", ", ".join(map(str, ports))
    rules = [f"add rule {table} drops tcp {_FIELDS[way]} {{ {listed} }} drop" for way in ways]
    chain = f"add chain {table} drops {{ type filter hook input priority 0; }}"
    _run("nft", "-f", "-", stdin="\n".join([f"add table {table}", chain, *rules, ""]))
    try:
        yield
    finally:
        _run("nft", "delete", "table", *table.split())


def _run(*command: str, stdin: str = "") -> None:
    subprocess.run(command, input=stdin, text=True, check=True)


def _call(name: str, *arguments: object) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    function: Callable[..., int] = getattr(libc, name)
    if function(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
