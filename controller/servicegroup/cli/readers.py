"""`servicegroup members` and `is-up`: what a script, or a person at night, asks of a group."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from servicegroup import config
from servicegroup.answers import Member, NotAMember, NotPublished, as_json, since_of
from servicegroup.cli.parser import USAGE, add_store, settings_of
from servicegroup.client import ServiceGroup
from servicegroup.model import InvalidName, Reason, Verdict
from servicegroup.store import StoreUnavailable, open_client

UP, DOWN, UNKNOWN, NOT_A_MEMBER = 0, 1, 2, 3
EXIT_CODES = {Verdict.UP: UP, Verdict.DOWN: DOWN, Verdict.UNKNOWN: UNKNOWN}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    members = commands.add_parser("members", help="who is in a group, by the operator's last verdicts")
    members.set_defaults(run=list_members)
    is_up = commands.add_parser(
        "is-up",
        help="whether a node is up",
        epilog="Exit status: 0 up, 1 down, 2 unknown, 3 not a member, 64 wrong usage. Evacuate only on 1.",
    )
    is_up.set_defaults(run=ask)
    for parser in (members, is_up):
        parser.add_argument("group", metavar="GROUP", help="[namespace/]name")
        parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
        add_store(parser)
    is_up.add_argument("member", metavar="MEMBER")


def list_members(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        with _group(arguments, environ) as group:
            members = group.members()
    except (NotPublished, StoreUnavailable) as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return UNKNOWN
    if arguments.output == "json":
        print(json.dumps([as_json(member) for member in members], ensure_ascii=False, indent=2))
        return 0
    print("\n".join(table(members)))
    _warn_when_stale(members)
    return 0


def ask(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        with _group(arguments, environ) as group:
            member = group.member(arguments.member)
    except InvalidName as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return USAGE
    except NotAMember as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return NOT_A_MEMBER
    except (NotPublished, StoreUnavailable) as error:
        print(f"servicegroup: {error}", file=sys.stderr)
        return UNKNOWN
    if arguments.output == "json":
        print(json.dumps(as_json(member), ensure_ascii=False))
    else:
        print(f"{member.verdict}: {member.reason} since {_time(member.since)}, checked {member.age:.1f} s ago")
    _warn_when_stale([member])
    return EXIT_CODES[member.verdict]


def _group(arguments: argparse.Namespace, environ: Mapping[str, str]) -> ServiceGroup:
    settings = settings_of(arguments, environ)
    connect = partial(open_client, store_id=config.store_id(settings), ca_pem=config.ca_pem(settings))
    return ServiceGroup(config.opened(config.store_address(settings), connect=connect), arguments.group)


def table(members: Iterable[Member]) -> Iterable[str]:
    rows = [("MEMBER", "VERDICT", "REASON", "SINCE", "MARKS")]
    rows += [(m.name, str(m.verdict), m.reason, _time(m.since), _marks(m)) for m in members]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _marks(member: Member) -> str:
    return ",".join(mark for mark in ("disabled", "draining") if getattr(member, mark))


def _time(moment: datetime) -> str:
    return since_of(moment) or "-"


def _warn_when_stale(members: Iterable[Member]) -> None:
    stale = [member.age for member in members if member.reason == Reason.NO_OPERATOR]
    if stale:
        print(
            f"servicegroup: no operator is running for this group: the last word is {min(stale):.0f} s old, no answer",
            file=sys.stderr,
        )
