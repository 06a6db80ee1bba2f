"""The operator's and the readers' side of group records on memcached: what to publish, and which of several counts.

Each server has a record of its own, and the youngest that is whole counts: the operator writes all of them in each
pass, so an older one is that of a server that was away. What this process published is remembered, so that a server
that lost it is given it again whole.
"""

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from servicegroup.liveness import Published
from servicegroup.record import Header, Record
from servicegroup.store.base import RecordLost, StoreUnavailable
from servicegroup.store.mc_address import Address
from servicegroup.store.mc_document import Entries, Head, pack, word
from servicegroup.store.mc_group import Sight, look, write
from servicegroup.store.mc_servers import Servers
from servicegroup.store.mc_wire import TICK

TRIES = 5
"""How often a publication starts again because another operator's came between."""


@dataclass(slots=True)
class _Memory:
    """What this process knows of one group: names, those without a row at the last read, and its last publication."""

    names: set[str] = field(default_factory=set)
    rowless: frozenset[str] = frozenset()
    cache: dict[str, Entries] = field(default_factory=dict)
    nonce: str = ""
    published: Entries = field(default_factory=dict)
    chunks: Mapping[str, Entries] = field(default_factory=dict)
    at: float = float("-inf")


class Publications:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._lock = threading.Lock()
        self._memories: dict[str, _Memory] = {}

    def look(self, groups: list[str], *, deadline: float) -> dict[Address, dict[str, Sight]]:
        """All groups on all servers; the names found are remembered."""
        caches = {group: self._memory(group).cache for group in groups}
        sights = self._servers.each(
            lambda _address, connection: look(connection, groups, caches=caches), deadline=deadline
        )
        for group in groups:
            here = [one[group] for one in sights.values()]
            memory = self._memory(group)
            memory.names |= names_in(here)
            live = {chunk for one in here if one.head is not None for chunk in one.head.chunks} | set(memory.chunks)
            for chunk in set(memory.cache) - live:
                memory.cache.pop(chunk, None)
        return sights

    def names(self, group: str) -> list[str]:
        return sorted(self._memory(group).names)

    def without_row(self, group: str, names: Iterable[str]) -> None:
        """Names of which no server holds a row; they leave the directory, unless their agents write them again."""
        self._memory(group).rowless = frozenset(names)

    def record(self, group: str, *, deadline: float, only: Collection[str] | None) -> Record | None:
        sights = [one[group] for one in self.look([group], deadline=deadline).values()]
        best = youngest(sights)
        if best is None or best.head is None or best.entries is None:
            if any(one.head is not None for one in sights):
                raise RecordLost(f"store {self._servers.shown}: lost part of a record; the operator renews it")
            return None
        wanted = None if only is None else frozenset(only)
        said = {m: s for m, s in best.entries.items() if s is not None and (wanted is None or m in wanted)}
        return Record(best.head.header, best.age, said)

    def publish(
        self, group: str, header: Header, *, changes: Mapping[str, Published | None], whole: bool, deadline: float
    ) -> None:
        with self._lock:
            for _ in range(TRIES):
                if self._publish(group, header, changes=changes, whole=whole, deadline=deadline):
                    return
        raise StoreUnavailable(f"store {self._servers.shown}: other operators publish the same group without a pause")

    def _publish(
        self, group: str, header: Header, *, changes: Mapping[str, Published | None], whole: bool, deadline: float
    ) -> bool:
        memory = self._memory(group)
        sights = {address: one[group] for address, one in self.look([group], deadline=deadline).items()}
        said = {} if whole else {m: s for m, s in _base(memory, sights.values()).items() if s is not None}
        said |= {member: one for member, one in changes.items() if one is not None}
        for member in [member for member, one in changes.items() if one is None]:
            said.pop(member, None)
        arrived = frozenset(name for one in sights.values() for name in one.arrived)
        memory.names -= memory.rowless - arrived - set(said)
        memory.rowless = frozenset()
        entries: Entries = dict.fromkeys(memory.names) | said
        chunks = memory.chunks
        if entries != memory.published or not chunks:
            known = _heads(sights.values())
            chunks = pack(entries, chunks=known[0].chunks if known else (), known=memory.cache | dict(memory.chunks))
        nonce = word()
        written = self._servers.each(
            lambda address, connection: write(connection, group, sights[address], header, chunks=chunks, nonce=nonce),
            deadline=deadline,
            among=sights,
        )
        memory.nonce, memory.published, memory.chunks, memory.at = nonce, entries, chunks, time.monotonic()
        memory.cache.update(chunks)
        return all(written.values())

    def _memory(self, group: str) -> _Memory:
        return self._memories.setdefault(group, _Memory())


def names_in(sights: Iterable[Sight]) -> set[str]:
    return {name for one in sights for names in (one.entries or (), one.arrived) for name in names}


def youngest(sights: Iterable[Sight]) -> Sight | None:
    """The record that counts: of those that are whole the youngest, and of the same age the later publication."""
    whole = [one for one in sights if one.entries is not None and one.head is not None]
    return min(whole, key=lambda one: (one.age, -_publication(one)), default=None)


def publication_of(sights: Iterable[Sight]) -> tuple[str, int] | None:
    """Whose record counts, and its publication; None when there is none that is whole."""
    best = youngest(sights)
    return None if best is None or best.head is None else (best.head.header.publisher, _publication(best))


def _publication(sight: Sight) -> int:
    return sight.head.header.publication if sight.head is not None else -1


def _heads(sights: Iterable[Sight]) -> list[Head]:
    return [one.head for one in sights if one.head is not None]


def _base(memory: _Memory, sights: Iterable[Sight]) -> Entries:
    """What changes apply to: what another operator published since, else what this one did."""
    best = youngest(sights)
    if best is None or best.head is None or best.head.nonce == memory.nonce:
        return memory.published
    if best.age > time.monotonic() - memory.at + TICK:
        return memory.published  # of a server that was away
    return best.entries or {}
