"""The `mc` driver on memcached servers: every row on every server, judged by what all of them say.

What is promised, with several servers: a call is served as long as one server answers. An agent is seen while it
reaches one server that the operator reaches too. A server that is away, restarted, flushed or that evicts takes no
member with it while another has the row; what it comes back with does not hold against what was written meanwhile.
When no server answers it is StoreUnavailable, never "no members". A name reaches the operator by the inbox of one
server; `mc_group` says how it is kept.
"""

import secrets
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, Health, Old, Reading, Receipt
from servicegroup.record import Header, Record
from servicegroup.store.base import CANARY_SECONDS
from servicegroup.store.batch import Asked, one_by_one
from servicegroup.store.garbage import uncollected
from servicegroup.store.mc_address import Address, parse
from servicegroup.store.mc_agent import AgentSide
from servicegroup.store.mc_connection import Connection
from servicegroup.store.mc_epoch import Epoch, Life, following
from servicegroup.store.mc_publishing import Publications, publication_of
from servicegroup.store.mc_servers import Servers
from servicegroup.store.mc_wire import Item, decode_row, newest
from servicegroup.store.mc_wire import key as hashed

AT_ONCE = 8
"""Beats of a batch that are on their way at a time, each on a connection of its own."""


class MemcachedStore:
    driver = "mc"

    def __init__(self, url: str, *, store_id: str) -> None:
        """Raises ValueError for a URL that names no servers."""
        self._servers = Servers(parse(url))
        self._store_id = store_id
        self._agent = AgentSide(self._servers)
        self._publications = Publications(self._servers)
        self._lock = threading.Lock()
        self._epoch: Epoch | None = None
        self._read_before = False
        self._canary = hashed("canary", store_id, secrets.token_hex(16))

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._agent.join(self._name(key), beat, timeout=timeout)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._agent.beat(self._name(key), beat, timeout=timeout)

    def beat_many(self, beats: Sequence[Asked], *, timeout: float) -> list[Receipt | None]:
        """Each is a read and a conditional write on every server; several are under way at once, since nearly all of
        a beat's time is spent on its way.
        """
        return one_by_one(
            lambda key, beat, left: self.beat(key, beat, timeout=left), beats, timeout=timeout, at_once=AT_ONCE
        )

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        return self._agent.leave(self._name(key), beat, timeout=timeout)

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:
        """Names first, on all servers, then the rows of all names and the epoch, on one connection to each."""
        deadline = time.monotonic() + timeout
        groups = list(dict.fromkeys(self._name(key) for key in keys))
        sights = self._publications.look(groups, deadline=deadline)
        asked = {group: self._publications.names(group) for group in groups}
        pairs = [(group, name) for group, names in asked.items() for name in names]
        wanted = [hashed("row", group, name) for group, name in pairs]
        read = self._servers.each(
            lambda _address, connection: (Life.of(connection.stats()), connection.fetch(wanted)),
            deadline=deadline,
            among=sights,
        )
        facts = _facts(pairs, [items for _, items in read.values()])
        if self._servers.all_serve(read):
            for group, names in asked.items():
                self._publications.without_row(group, set(names) - {fact.member for fact in facts.get(group, ())})
        published = (one.head.header.epoch for sight in sights.values() for one in sight.values() if one.head)
        epoch = self._continued((life for life, _ in read.values()), published=published)
        said = {key: publication_of(one[self._name(key)] for one in sights.values()) for key in keys}
        return Reading(
            epoch=epoch,
            facts={key: tuple(facts.get(self._name(key), ())) for key in keys},
            published={key: one for key, one in said.items() if one is not None},
        )

    def health(self, *, timeout: float) -> Health:
        """Healthy while one server serves: agents write to all of them, so that one holds the rows of all."""
        started = time.monotonic()
        value = secrets.token_hex(8).encode()

        def look(_address: Address, connection: Connection) -> tuple[Life, int]:
            connection.set(self._canary, value, expire=int(CANARY_SECONDS))
            (item,) = connection.fetch([self._canary])
            if item is None or item.value != value:
                raise ValueError("it took a write and does not give it back")
            stats = connection.stats()
            return Life.of(stats), int(stats.get(b"evictions", 0))

        found = self._servers.each(look, deadline=started + timeout, fresh=True)
        epoch = self._continued(life for life, _ in found.values())
        evictions = sum(evicted for _, evicted in found.values())
        return Health(epoch=epoch, latency=time.monotonic() - started, evictions=evictions)

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,
    ) -> None:
        deadline = time.monotonic() + timeout
        self._publications.publish(self._name(key), header, changes=changes, whole=whole, deadline=deadline)

    def forget(self, key: GroupKey, rows: Collection[Old], *, timeout: float) -> None:
        """By cas on each server that holds the row as it was read; names without a row leave the directory later."""
        group, wanted = self._name(key), list(rows)
        keys = [hashed("row", group, old.member) for old in wanted]

        def remove(_address: Address, connection: Connection) -> None:
            found = zip(wanted, keys, connection.fetch(keys), strict=True)
            rows = [(old, name, decode_row(item, group=group, member=old.member)) for old, name, item in found]
            connection.delete_as_read(
                [
                    (name, row.cas)
                    for old, name, row in rows
                    if row is not None and (row.incarnation, row.sequence) == (old.incarnation, old.sequence)
                ]
            )

        self._servers.each(remove, deadline=time.monotonic() + timeout)

    def sweep(self, *, timeout: float) -> None:
        """memcached does it: nothing here is written without a time to live."""

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        """The youngest that a server has; None when those that answer have none."""
        return self._publications.record(self._name(key), deadline=time.monotonic() + timeout, only=only)

    def close(self) -> None:
        self._servers.close()

    def _name(self, key: GroupKey) -> str:
        return f"{self._store_id}/{key}"

    def _continued(self, lives: Iterable[Life], *, published: Iterable[str] | None = None) -> str:
        with self._lock:
            # An operator before this one may have named the epoch that still lasts: the first read tells.
            before = self._epoch if self._read_before or published is None else None
            self._read_before = self._read_before or published is not None
            self._epoch = following(before, lives, published=published or ())
            return self._epoch.name


def _facts(pairs: list[tuple[str, str]], servers: list[list[Item | None]]) -> dict[str, list[Fact]]:
    facts: dict[str, list[Fact]] = {}
    with uncollected():
        for (group, member), items in zip(pairs, zip(*servers, strict=True), strict=True):
            rows = [decode_row(item, group=group, member=member) for item in items]
            row = newest(row for row in rows if row is not None)
            if row is not None:
                facts.setdefault(group, []).append(row.fact())
    return facts
