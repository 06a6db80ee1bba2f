"""`servicegroup draining`: tell the agent beside this process that its node is draining; a container's preStop hook.

It goes by what runs in the same container: in a pod with the host's process ids, process 1 is the host's own init, and
a file with a process id needs a place that can be written.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

PROCESSES = Path("/proc")
CATCHES_USR1 = 1 << (signal.SIGUSR1 - 1)
NOBODY = 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "draining",
        help="tell the agents of this user in this container that the node is draining",
        epilog=f"Exit code {NOBODY} when none runs. In a pod it is the preStop hook of the agent's container.",
    )
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    told = 0
    for number in _agents():
        try:
            os.kill(number, signal.SIGUSR1)
        except OSError:  # it ended meanwhile
            continue
        told += 1
    if not told:
        print("servicegroup: no agent of this user runs in this container: nothing to tell", file=sys.stderr)
        return NOBODY
    return 0


def _agents() -> Iterator[int]:
    if not PROCESSES.is_dir():  # another system than Linux
        return
    mine = (PROCESSES / "self" / "ns" / "mnt").readlink()
    for place in PROCESSES.iterdir():
        try:
            ours = place.name.isdigit() and int(place.name) != os.getpid() and place.stat().st_uid == os.getuid()
            if ours and (place / "ns" / "mnt").readlink() == mine and _is_agent(place):
                yield int(place.name)
        except OSError:  # it ended meanwhile, or may not be looked at
            continue


def _is_agent(place: Path) -> bool:
    """Of its words one is this program and the next one its command; and it takes the signal, which would else end
    it.
    """
    words = (place / "cmdline").read_bytes().split(b"\0")
    program = any(Path(os.fsdecode(one)).name == "servicegroup" and two == b"agent" for one, two in pairwise(words))
    status = (place / "status").read_text(encoding="utf-8", errors="replace")
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return program and bool(int(caught, 16) & CATCHES_USR1)
