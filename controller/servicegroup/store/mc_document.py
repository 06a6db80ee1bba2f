"""What the `mc` driver publishes of a group: a head, and chunks that hold the names and verdicts. Pure.

The chunks of one publication never change; one that would is written under a new id, and the head, one item, names the
ids. So a publication is seen at once and whole, a reader keeps the chunks that it knows, and an unchanged group costs
its head alone. A member without a verdict is known to the directory only (it joined and nobody judged it yet).

The head also carries two random words: `inbox`, which of the group's inboxes it goes with, and `lineage`, which is
another whenever names may have been lost with a chunk, a head or an inbox; agents that see another one write their
name into the inbox again.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from servicegroup.liveness import Published
from servicegroup.model import InvalidName, Policy, Reason, Verdict, check_member
from servicegroup.record import Header
from servicegroup.store.mc_wire import Item, age, dump, load, number, span, text, whole

Entries = Mapping[str, Published | None]

CHUNK = 128 * 1024
"""Bytes of a chunk on average; the fullest of hundreds has less than twice that, and memcached takes 1 MB."""

PER_MEMBER = 140
"""Bytes of a verdict, without the name."""

WORD = re.compile(rb"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Head:
    header: Header
    nonce: str
    lineage: str
    inbox: str
    chunks: tuple[str, ...]
    old: tuple[str, ...]


class Terms(NamedTuple):
    """What an agent needs of a head, with each beat."""

    interval: float
    publication: int
    lineage: str
    age: float


def word() -> str:
    return secrets.token_hex(6)


def encode_head(group: str, head: Head) -> bytes:
    return dump({"g": group, **asdict(head)})


def decode_head(item: Item | None, *, group: str) -> Head | None:
    """None for what is absent or not ours."""
    try:
        found = load(item.value) if item is not None else {}
        if found["g"] != group:
            return None
        given = found["header"]
        header = Header(
            publication=whole(given["publication"]),
            policy=Policy(span(given["policy"]["interval"]), span(given["policy"]["down_time"])),
            epoch=text(given["epoch"]),
            store_back_for=number(given["store_back_for"]),
            blind_for=number(given["blind_for"]),
            publisher=text(given["publisher"]),
            promised=number(given.get("promised", 0.0)),
            held_since=number(given.get("held_since", 0.0)),
            held_until=number(given.get("held_until", 0.0)),
            hold_left=number(given.get("hold_left", 0.0)),
        )
        chunks, old = (tuple(text(one) for one in found[field]) for field in ("chunks", "old"))
        return Head(header, text(found["nonce"]), text(found["lineage"]), text(found["inbox"]), chunks, old)
    except (ValueError, TypeError, LookupError):
        return None


def decode_terms(item: Item | None, *, group: str) -> Terms | None:
    """None for what is absent or not ours."""
    if item is None:
        return None
    try:
        found = load(item.value)
        if found["g"] != group:
            return None
        header = found["header"]
        return Terms(
            span(header["policy"]["interval"]), whole(header["publication"]), text(found["lineage"]), age(item)
        )
    except (ValueError, TypeError, LookupError):
        return None


def encode_chunk(group: str, chunk: str, entries: Entries) -> bytes:
    return dump({"g": group, "c": chunk, "m": {name: _said(said) for name, said in entries.items()}})


def decode_chunk(item: Item | None, *, group: str, chunk: str) -> Entries | None:
    """None for what is absent or not ours."""
    try:
        found = load(item.value) if item is not None else {}
        if (found["g"], found["c"]) != (group, chunk):
            return None
        return dict(_entry(name, said) for name, said in found["m"].items() if _is_name(name))
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _is_name(name: str) -> bool:
    try:
        check_member(name)
    except InvalidName:
        return False
    return True


def _entry(name: str, said: Any) -> tuple[str, Published | None]:
    """A verdict that is none leaves the name: its member is judged anew."""
    try:
        return name, _published(said)
    except (ValueError, TypeError, LookupError):
        return name, None


def _said(said: Published | None) -> list[object] | None:
    if said is None:
        return None
    beneath = None if said.beneath is None else str(said.beneath)
    return [str(said.verdict), str(said.reason), said.since, said.disabled, said.draining, beneath]


def _published(said: Any) -> Published | None:
    if said is None:
        return None
    verdict, reason, since, disabled, draining, beneath = said
    under = None if beneath is None else Reason(text(beneath))
    return Published(Verdict(text(verdict)), Reason(text(reason)), number(since), bool(disabled), bool(draining), under)


def pack(entries: Entries, *, chunks: Sequence[str], known: Mapping[str, Entries]) -> dict[str, Entries]:
    """The chunks that hold the entries, by id; those of `chunks` whose content stays keep their id."""
    size = sum(len(name.encode()) + PER_MEMBER for name in entries)
    count = 1
    while count * CHUNK < size:
        count *= 2
    buckets: list[dict[str, Published | None]] = [{} for _ in range(count)]
    for name, said in entries.items():
        digest = hashlib.sha256(name.encode()).digest()
        buckets[int.from_bytes(digest[:4], "big") % count][name] = said
    ids = chunks if len(chunks) == count else [""] * count
    return {
        (chunk if chunk and known.get(chunk) == bucket else word()): bucket
        for chunk, bucket in zip(ids, buckets, strict=True)
    }


def encode_name(name: str) -> bytes:
    """A line of an inbox, apart from whatever another program left before it; a line break in a name is escaped."""
    return b"\n" + dump(name) + b"\n"


def decode_inbox(value: bytes) -> tuple[str, set[str]]:
    """The inbox's word (empty: not ours) and the names in it; lines that are no names are left out."""
    first, _, rest = value.partition(b"\n")
    ours = first.decode("ascii", "replace") if WORD.fullmatch(first) else ""
    names = set()
    for line in rest.split(b"\n"):
        try:
            names.add(check_member(text(json.loads(line))))
        except (ValueError, TypeError, InvalidName, RecursionError):
            continue
    return ours, names
