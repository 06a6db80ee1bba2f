"""`servicegroup release` and `force-down`: a person's word on a group, written to its resource."""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from servicegroup.cli.parser import UNAVAILABLE, USAGE
from servicegroup.model import GroupKey, check_member

if TYPE_CHECKING:
    from servicegroup.operator.administration import Administration

NOTHING_HELD = 1
LONGEST_REASON = 256
"""Characters, as in the resource's schema."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    release = commands.add_parser(
        "release",
        help="end a group's hold: who was held after a mass failure is judged by its own silence",
        epilog="Exit status: 0 released, 1 nothing is held, 64 wrong usage, 69 the API server does not take it.",
    )
    release.set_defaults(run=run, work=_release)
    down = commands.add_parser(
        "force-down",
        help="call a member Down, whatever it beats: for a machine that was fenced",
        epilog="It holds until it is undone. Git and other tools keep what they wrote.",
    )
    down.set_defaults(run=run, work=_force_down)
    for parser in (release, down):
        parser.add_argument("group", metavar="GROUP", help="[namespace/]name")
        parser.add_argument("--context", metavar="NAME", help="of the kubeconfig; default: its current one")
    down.add_argument("member", metavar="MEMBER")
    down.add_argument("--reason", metavar="TEXT", default="", help="why, for whoever reads it later")
    down.add_argument("--undo", action="store_true", help="take the word back that this command gave")


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> int:
    """Raises InvalidName."""
    key = GroupKey.parse(arguments.group)
    if "member" in arguments:
        check_member(arguments.member)
        if len(arguments.reason) > LONGEST_REASON:
            print(
                f"servicegroup: --reason has {len(arguments.reason)} characters, {LONGEST_REASON} at most: shorten it",
                file=sys.stderr,
            )
            return USAGE
    from servicegroup.operator.administration import Administration, NotTaken  # kubernetes takes a second to import

    try:
        code: int = arguments.work(Administration(arguments.context), key, arguments)
    except NotTaken as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return UNAVAILABLE
    return code


def _release(api: "Administration", key: GroupKey, _: Any) -> int:
    hold = api.read(key).get("status", {}).get("hold")
    if not hold:
        print(f"group {key}: nothing is held")
        return NOTHING_HELD
    api.release(key, since=hold["since"])
    print(f"group {key}: the hold of {hold['since']} is released; members that are silent become Down now")
    return 0


def _force_down(api: "Administration", key: GroupKey, arguments: argparse.Namespace) -> int:
    # A field manager for each member, so that one entry takes no other away; its name has 128 characters at most.
    manager = f"servicegroup-force-down-{hashlib.sha256(arguments.member.encode()).hexdigest()[:16]}"
    entry = {"member": arguments.member, "forcedDown": True, "reason": arguments.reason}
    api.override(key, entries=[] if arguments.undo else [entry], manager=manager)
    word = "is judged by its beats again" if arguments.undo else "is forced down"
    print(f"group {key}: {arguments.member} {word}")
    return 0
