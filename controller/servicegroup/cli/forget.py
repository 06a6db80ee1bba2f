"""`servicegroup forget`: a dead member disappears now, and not after the group's `forgetAfterSeconds`.

The wish is an annotation that names the member and since when it is Down, so that it forgets this silence and no later
one; the operator acts on it, and the command takes it back.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from servicegroup.cli.administer import add_target, run
from servicegroup.cli.parser import UNAVAILABLE
from servicegroup.model import GroupKey, Reason, Verdict

if TYPE_CHECKING:
    from servicegroup.operator.administration import Administration

REFUSED = 1
LONGEST_WAIT = 60.0
"""Seconds: a pass takes one, and an operator that has just started watches for C, or T, before it removes anything."""

PATIENCE = 1.0
"""Seconds after which a person is told what is waited for."""

POLL = 0.5

ALIVE = "stop its agent first, else it is back with the next beat"
ADVICE = {
    Reason.SERVICE_NOT_RUNNING: ALIVE,
    Reason.SERVICE_UNHEALTHY: ALIVE,
    Reason.FORCED_DOWN: "take the word back first: servicegroup force-down {group} {member} --undo",
    Reason.MISSING: "it is expected and was never seen: take it out of spec.expectedMembers, or delete its pod",
    Reason.MASS_FAILURE: "it is held: servicegroup release {group}, and again when it is Down",
    Reason.HOLD_ANNOUNCED: "a hold was announced: wait for its end, or servicegroup release {group}",
}
"""What to do about a member that is not Down for silence."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "forget",
        help="a member that is Down for silence disappears now, with its row: for a node that was taken away",
        epilog="Exit status: 0 forgotten, 1 refused, 64 wrong usage, 69 not taken by the API server, or not in time.",
    )
    parser.set_defaults(run=run, work=_forget)
    add_target(parser)
    parser.add_argument("member", metavar="MEMBER")
    parser.add_argument(
        "--since", metavar="TIME", type=_time, help="since when it is Down, where the status has no room for its name"
    )


def _time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).isoformat()  # the annotation's is the text before its first space
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is no time: copy the one that servicegroup members shows, such as 2027-01-15T08:00:00Z"
        ) from None


def refusal(group: Mapping[str, Any], key: GroupKey, member: str) -> str | None:
    """Why this member is not forgotten, and what to do; None when the operator may be asked."""
    spec, said = group.get("spec", {}), entry(group, member)
    if any(one["member"] == member and one.get("forcedDown") for one in spec.get("overrides", ())):
        said = {"verdict": Verdict.DOWN, "reason": Reason.FORCED_DOWN}
    elif member in spec.get("expectedMembers", ()):
        return "spec.expectedMembers names it: take it out there first"
    if said is None:
        return None if _hides(group) else "it is no member, or it beats: see servicegroup members"
    if said["reason"] == Reason.SILENT:
        return None
    advice = ALIVE if said["verdict"] == Verdict.UP else ADVICE.get(said["reason"], "wait until it is Down for silence")
    return f"it is {said['verdict']}, {said['reason']}: {advice.format(group=key, member=member)}"


def entry(group: Mapping[str, Any], member: str) -> Mapping[str, Any] | None:
    """What the status says of a member, where it names it."""
    status = group.get("status", {})
    named = [*status.get("members", ()), *status.get("notUp", ())]
    return next((one for one in named if one["member"] == member), None)


def _hides(group: Mapping[str, Any]) -> bool:
    """Whether there are members that are not up and that the status has no room for."""
    return bool(group.get("status", {}).get("notUpTruncated", False))


def _forget(api: "Administration", key: GroupKey, arguments: argparse.Namespace) -> int:
    from servicegroup.operator.manifest import FORGET

    member: str = arguments.member
    group = api.read(key)
    problem, said = refusal(group, key, member), entry(group, member)
    since = said["since"] if said is not None else arguments.since
    if problem is None and since is None:
        problem = (
            "the status names the first who are not up, and not this one: give the time that servicegroup members "
            "shows for it as --since"
        )
    if problem is not None:
        print(f"servicegroup: group {key}: {member} is not forgotten: {problem}", file=sys.stderr)
        return REFUSED
    annotation = FORGET + hashlib.sha256(member.encode()).hexdigest()[:32]
    text = f"{since} {member}"
    api.annotate(key, {annotation: text})
    try:
        gone = _gone(api, key, member, seen=said is not None)
    finally:
        api.take_back(key, annotation=annotation, text=text)
    return _told(key, member, gone=gone)


def _gone(api: "Administration", key: GroupKey, member: str, *, seen: bool) -> bool | None:
    """Whether it went; None when the status could not show it."""
    started, told = time.monotonic(), False
    while (waited := time.monotonic() - started) < (LONGEST_WAIT if seen else LONGEST_WAIT / 3):
        if seen and entry(api.read(key), member) is None:
            return True
        if waited > PATIENCE and not told:
            told = True
            print(f"group {key}: waiting for the operator, {LONGEST_WAIT:.0f} s at most", file=sys.stderr)
        time.sleep(POLL)
    return False if seen else None


def _told(key: GroupKey, member: str, *, gone: bool | None) -> int:
    if gone:
        print(f"group {key}: {member} is forgotten")
        return 0
    if gone is None:
        print(f"group {key}: the operator was asked to forget {member}; servicegroup members shows whether it did")
        return 0
    print(
        f"servicegroup: group {key}: {member} was not forgotten in {LONGEST_WAIT:.0f} s: its pod may run still "
        "(kubectl get pods), or no operator watches; see the group's conditions, then try again",
        file=sys.stderr,
    )
    return UNAVAILABLE
