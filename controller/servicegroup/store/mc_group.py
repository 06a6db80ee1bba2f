"""One group's head, chunks and inbox on one server: read, written, drained.

How no name is lost. An agent writes its row first and its name into the inbox after that; the operator writes the
directory first and takes names out of the inbox after that, by cas, and only names that the directory holds. Two
operators cannot overwrite each other's directory: the head is written by cas. What memcached itself loses (a chunk, a
head, an inbox: eviction, flush, restart) changes the head's lineage, and agents that see it write their names again
with their next beat. An agent whose name did not fit into the inbox tries again with each beat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pymemcache.exceptions import MemcacheServerError

from servicegroup.record import Header
from servicegroup.store.mc_connection import Connection
from servicegroup.store.mc_document import (
    Entries,
    Head,
    decode_chunk,
    decode_head,
    decode_inbox,
    encode_chunk,
    encode_head,
    encode_name,
    word,
)
from servicegroup.store.mc_wire import TTL, Item, age, key

CUTS = 8
"""How often an inbox is tried to be cut while agents write into it; what is left waits for the next publication."""

RENEW = 86400
"""Seconds after which an inbox that nobody wrote to is written again, so that it does not expire."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A group on one server; `entries` are None where there is no document, or one with a hole in it."""

    head: Head | None
    head_cas: int | None
    age: float
    entries: Entries | None
    inbox: Item | None
    inbox_word: str
    arrived: frozenset[str]


def look(
    connection: Connection, groups: Sequence[str], *, caches: Mapping[str, dict[str, Entries]]
) -> dict[str, Sight]:
    """Heads and inboxes in one round trip, and chunks that are not in the group's cache, which is filled."""
    keys = [key(kind, group) for group in groups for kind in ("head", "inbox")]
    items = connection.fetch(keys)
    return {
        group: _sight(connection, group, items[2 * number], items[2 * number + 1], cache=caches[group])
        for number, group in enumerate(groups)
    }


def _sight(
    connection: Connection, group: str, item: Item | None, inbox: Item | None, *, cache: dict[str, Entries]
) -> Sight:
    while True:
        head = decode_head(item, group=group)
        entries = None if head is None else _entries(connection, group, head, cache=cache)
        if head is None or entries is not None:
            break
        (again,) = connection.fetch([key("head", group)])
        after = decode_head(again, group=group)
        if after is not None and after.nonce == head.nonce:
            break  # a hole, and no publication that overtook us
        item = again
    name, arrived = ("", set()) if inbox is None else decode_inbox(inbox.value)
    return Sight(
        head=head,
        head_cas=None if item is None else item.cas,
        age=0.0 if item is None or head is None else age(item),
        entries=entries,
        inbox=inbox,
        inbox_word=name,
        arrived=frozenset(arrived),
    )


def _entries(connection: Connection, group: str, head: Head, *, cache: dict[str, Entries]) -> Entries | None:
    have = {chunk: cache[chunk] for chunk in head.chunks if chunk in cache}
    missing = [chunk for chunk in head.chunks if chunk not in have]
    items = connection.fetch([key("chunk", group, chunk) for chunk in missing]) if missing else []
    for chunk, item in zip(missing, items, strict=True):
        entries = decode_chunk(item, group=group, chunk=chunk)
        if entries is None:
            return None
        have[chunk] = cache[chunk] = entries
    return {name: said for entries in have.values() for name, said in entries.items()}


def write(
    connection: Connection, group: str, sight: Sight, header: Header, *, chunks: Mapping[str, Entries], nonce: str
) -> bool:
    """Publish and drain; False when another operator published meanwhile, and all has to be looked at again."""
    keys = {chunk: key("chunk", group, chunk) for chunk in chunks}
    there = connection.touch_all(list(keys.values()), expire=TTL)
    for chunk in [chunk for chunk, found in zip(chunks, there, strict=True) if not found]:
        connection.set(keys[chunk], encode_chunk(group, chunk, chunks[chunk]), expire=TTL)
    before = sight.head
    whole = before is not None and sight.entries is not None and sight.inbox_word == before.inbox
    old = () if before is None else tuple(chunk for chunk in before.chunks if chunk not in chunks)
    head = Head(
        header=header,
        nonce=nonce,
        lineage=before.lineage if whole and before is not None else word(),
        inbox=sight.inbox_word or word(),
        chunks=tuple(chunks),
        old=old,
    )
    if sight.inbox is None:
        connection.add(key("inbox", group), head.inbox.encode() + b"\n", expire=TTL)
    if not _write_head(connection, group, sight, head):
        return False
    if before is not None and before.old:
        connection.delete_many([key("chunk", group, chunk) for chunk in before.old if chunk not in chunks])
    _drain(connection, group, sight, word=head.inbox)
    return True


def _write_head(connection: Connection, group: str, sight: Sight, head: Head) -> bool:
    name, value = key("head", group), encode_head(group, head)
    if sight.head_cas is None:
        written = connection.add(name, value, expire=TTL)
    else:
        written = connection.cas(name, value, sight.head_cas, expire=TTL)
    if written:
        return True
    # Two addresses may be one server: then it was us.
    now = decode_head(connection.fetch([name])[0], group=group)
    return now is not None and now.nonce == head.nonce


def _drain(connection: Connection, group: str, sight: Sight, *, word: str) -> None:
    """Take out of the inbox what was read from it, and leave what came after."""
    seen, first = sight.inbox, word.encode() + b"\n"
    if seen is None or (seen.value == first and seen.remaining > TTL - RENEW):
        return
    item: Item | None = seen
    for _ in range(CUTS):
        if item is None or not item.value.startswith(seen.value):
            return  # another inbox, or another operator's cut
        rest = item.value[len(seen.value) :]
        if connection.cas(key("inbox", group), first + rest, item.cas, expire=TTL):
            return
        (item,) = connection.fetch([key("inbox", group)])


def enlist(connection: Connection, group: str, member: str) -> bool:
    """Write a name into the inbox; False when it is full. Must be a call's last command, as an error closes."""
    name, line = key("inbox", group), encode_name(member)
    try:
        for _ in range(2):
            if connection.append(name, line, expire=TTL):
                return True
            if connection.add(name, word().encode() + b"\n" + line, expire=TTL):
                return True
    except MemcacheServerError:
        return False
    return False
