"""Keeps the namespaces and cgroups of a test node, and its folder: it is told to end by the end of its standard input.

A process of its own, since what it holds must go however its caller ends, by SIGKILL too: the pipe closes then. The
kernel does most of the work: with the first process of a PID namespace all others die, and with the last of them the
mounts and the network go. What is left then are empty cgroups and the folder.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["FIRST", "hierarchies", "main"]

FIRST: Final = """set -eu
mount --make-rshared /
for place in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$place"; done
ip link set lo up
ip link add node0 type veth peer name node0-peer
ip address add "$2/24" dev node0
ip link set node0 up
ip link set node0-peer up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ready
exec "$1"
"""
"""What becomes the first process of the namespaces. Bidirectional mounts of pods want a shared root. Kubelet,
containerd and runc have paths that no flag moves, all in the three folders. The address stands on a pair of devices
which lead nowhere; the default route exists since the kernel looks one up before it rewrites a service's address."""

DEADLINE: Final = 30.0
"""Seconds; processes that were killed need one to be gone, on a busy machine some more."""


def main(argv: Sequence[str]) -> int:
    """`keeper NAME FOLDER PAUSE ADDRESS`: prints the first process's id once its namespaces are ready."""
    name, folder, pause, address = argv
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a whole terminal or session: the caller decides
        signal.signal(number, signal.SIG_IGN)
    groups = [hierarchy / name for hierarchy in hierarchies()]
    try:
        for group in groups:
            group.mkdir()
        _keep([pause, address])
    finally:
        limit = time.monotonic() + DEADLINE
        while not _removed([*groups, Path(folder)]) and time.monotonic() < limit:
            time.sleep(0.05)
    return 0


def hierarchies() -> list[Path]:
    """Where cgroups are made: one place, or one for each controller."""
    lines = (line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    return [Path(line[1]) for line in lines if line[2] in {"cgroup", "cgroup2"}]


def _keep(arguments: Sequence[str]) -> None:
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with subprocess.Popen([*unshare, "sh", "-c", FIRST, "sh", *arguments], stdout=subprocess.PIPE) as child:
        try:
            if child.stdout is None or child.stdout.readline() != b"ready\n":
                return  # its own words are on stderr
            first = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="ascii"))
            handle = os.pidfd_open(first)
            print(first, flush=True)
            sys.stdin.read()
        finally:
            child.kill()
    gone = select.poll()
    gone.register(handle, select.POLLIN)
    gone.poll(DEADLINE * 1000)  # the first process of a PID namespace is the last to go


def _removed(folders: Sequence[Path]) -> bool:
    for top in folders:
        if "cgroup" not in top.parts:
            shutil.rmtree(top, ignore_errors=True)
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):  # busy for a moment yet; its files are the kernel's and need not go first
                Path(folder).rmdir()
    return not any(top.exists() for top in folders)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
