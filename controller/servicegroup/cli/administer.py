"""`servicegroup hold`, `release` and `force-down`: a person's word on a group, written to its resource."""

import argparse
import hashlib
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from servicegroup.announcement import LONGEST, InvalidAnnouncement, duration, written
from servicegroup.cli.parser import UNAVAILABLE, USAGE
from servicegroup.model import Announced, GroupKey, check_member

if TYPE_CHECKING:
    from servicegroup.operator.administration import Administration

NOTHING_HELD = 1
LONGEST_REASON = 256
"""Characters, as in the resource's schema."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    hold = commands.add_parser(
        "hold",
        help="before planned work on the store: for a while nobody becomes Down for silence, but Unknown",
        epilog="It ends by itself, or by servicegroup release. Said again, the new one counts.",
    )
    hold.set_defaults(run=run, work=_hold)
    hold.add_argument(
        "--for", dest="length", metavar="TIME", required=True, help=f"as 30m or 2h; {LONGEST / 3600:.0f}h at most"
    )
    release = commands.add_parser(
        "release",
        help="end a group's hold, announced or after a mass failure: each is judged by its own silence again",
        epilog="Exit status: 0 released, 1 nothing is held, 64 wrong usage, 69 the API server does not take it.",
    )
    release.set_defaults(run=run, work=_release)
    down = commands.add_parser(
        "force-down",
        help="call a member Down, whatever it beats: for a machine that was fenced",
        epilog="It holds until it is undone. Git and other tools keep what they wrote.",
    )
    down.set_defaults(run=run, work=_force_down)
    for parser in (hold, down):
        parser.add_argument("--reason", metavar="TEXT", default="", help="why, for whoever reads it later")
    for parser in (hold, release, down):
        add_target(parser)
    down.add_argument("member", metavar="MEMBER")
    down.add_argument("--undo", action="store_true", help="take the word back that this command gave")


def add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP", help="[namespace/]name")
    parser.add_argument("--context", metavar="NAME", help="of the kubeconfig; default: its current one")


def run(arguments: argparse.Namespace, _: Mapping[str, str]) -> int:
    """Raises InvalidName."""
    key = GroupKey.parse(arguments.group)
    if "member" in arguments:
        check_member(arguments.member)
    try:
        _check(arguments)
    except InvalidAnnouncement as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return USAGE
    from servicegroup.operator.administration import Administration, NotTaken  # kubernetes takes a second to import

    try:
        code: int = arguments.work(Administration(arguments.context), key, arguments)
    except NotTaken as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return UNAVAILABLE
    return code


def _check(arguments: argparse.Namespace) -> None:
    """Raises InvalidAnnouncement."""
    reason = getattr(arguments, "reason", "")
    if len(reason) > LONGEST_REASON:
        raise InvalidAnnouncement(f"--reason has {len(reason)} characters, {LONGEST_REASON} at most: shorten it")
    if "length" in arguments:
        duration(arguments.length)


def _hold(api: "Administration", key: GroupKey, arguments: argparse.Namespace) -> int:
    from servicegroup.operator.manifest import HOLD

    now = time.time()
    text = written(Announced(now, now + duration(arguments.length), arguments.reason))
    api.annotate(key, {HOLD: text})
    until = text.split()[1]
    print(f"group {key}: until {until} nobody becomes Down for silence; servicegroup release {key} ends it")
    return 0


def _release(api: "Administration", key: GroupKey, _: Any) -> int:
    from servicegroup.operator.manifest import HOLD, RELEASE, annotations_of

    group = api.read(key)
    hold, announced = group.get("status", {}).get("hold"), annotations_of(group).get(HOLD)
    if not hold and announced is None:
        print(f"group {key}: nothing is held")
        return NOTHING_HELD
    api.annotate(key, ({RELEASE: hold["since"]} if hold else {}) | ({} if announced is None else {HOLD: None}))
    if announced is not None:
        print(f"group {key}: what was announced is taken back: {announced}")
    if hold:
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
