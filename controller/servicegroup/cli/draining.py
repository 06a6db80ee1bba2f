"""`servicegroup draining`: tell the agent of this member, in this container, that its node is draining; a preStop hook.

It goes by what runs in the same container, with the same settings: in a pod with the host's process ids, process 1 is
the host's own init, and a file with a process id needs a place that can be written.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from servicegroup import config
from servicegroup.cli.agent import add_identity, add_settings
from servicegroup.cli.parser import Parser, add_config_file, settings_of
from servicegroup.model import GroupKey

PROCESSES = Path("/proc")
CATCHES_USR1 = 1 << (signal.SIGUSR1 - 1)
NOBODY = 1


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "draining",
        help="tell the agent of this group and member, which runs in the same container, that its node is draining",
        epilog=f"Exit code {NOBODY} when none runs. In a pod it is the preStop hook of the agent's container.",
    )
    add_identity(parser)
    add_config_file(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Raises InvalidSetting."""
    wanted, told = _identity(settings_of(arguments, environ)), 0
    for number in _agents(wanted):
        try:
            os.kill(number, signal.SIGUSR1)
        except OSError:  # it ended meanwhile
            continue
        told += 1
    if not told:
        print(f"servicegroup: no agent of member {wanted[1]} of {wanted[0]} runs in this container", file=sys.stderr)
        return NOBODY
    return 0


def _identity(settings: config.Settings) -> tuple[GroupKey, str]:
    return config.group(settings), config.member(settings)


def _agents(wanted: tuple[GroupKey, str]) -> Iterator[int]:
    if not PROCESSES.is_dir():  # another system than Linux
        return
    mine = (PROCESSES / "self" / "ns" / "mnt").readlink()
    for place in PROCESSES.iterdir():
        try:
            ours = place.name.isdigit() and int(place.name) != os.getpid() and place.stat().st_uid == os.getuid()
            if ours and (place / "ns" / "mnt").readlink() == mine and _is(place, wanted):
                yield int(place.name)
        except (OSError, ValueError):  # it ended meanwhile, may not be looked at, or has settings that are none
            continue


def _is(place: Path, wanted: tuple[GroupKey, str]) -> bool:
    """Whether it is that agent; and it takes the signal, which would else end it."""
    words = [os.fsdecode(word) for word in (place / "cmdline").read_bytes().split(b"\0")[:-1]]
    found = (n for n, (one, two) in enumerate(pairwise(words)) if Path(one).name == "servicegroup" and two == "agent")
    begin = next(found, None)
    if begin is None or not _caught(place) & CATCHES_USR1:
        return False
    parser = Parser(add_help=False, exit_on_error=False)
    add_settings(parser)
    try:
        flags, _ = parser.parse_known_args(words[begin + 2 :])
    except (argparse.ArgumentError, SystemExit):
        return False
    pairs = (os.fsdecode(one).partition("=") for one in (place / "environ").read_bytes().split(b"\0"))
    return _identity(settings_of(flags, {name: value for name, _, value in pairs})) == wanted


def _caught(place: Path) -> int:
    status = (place / "status").read_text(encoding="utf-8", errors="replace")
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
