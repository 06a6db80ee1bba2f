"""An agent's calls on memcached: rows are read on all servers, judged by `mc_wire.newest`, and written on all.

Writing is by cas on what was read (or by add where nothing was), so a row changes hands only as its reader decided. The
first server that serves gives the terms: agents that join at once are ordered by its cas. Where one server has lost a
row that another still has, the beat writes it again and lists its name there; only when all have lost it is the agent
told that its row is gone.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from servicegroup.model import Beat, Receipt, State
from servicegroup.store.base import claimed
from servicegroup.store.mc_address import Address
from servicegroup.store.mc_connection import Connection
from servicegroup.store.mc_document import Terms, decode_terms
from servicegroup.store.mc_group import enlist
from servicegroup.store.mc_servers import Servers
from servicegroup.store.mc_wire import TTL, Item, Row, decode_row, encode_row, key, newest


class _Found(NamedTuple):
    """What one server holds for a member: its row (None: absent, or not ours) and the terms of the group's head."""

    item: Item | None
    row: Row | None
    terms: Terms | None


class AgentSide:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._listed: dict[tuple[Address, str, str], str] = {}
        """The lineage under which a name was last written into a server's inbox."""

    def join(self, group: str, beat: Beat, *, timeout: float) -> Receipt:
        deadline = time.monotonic() + timeout
        found = self._look(group, beat.member, deadline)
        term = 1 + max((one.row.term for one in found.values() if one.row is not None), default=0)
        before = newest(one.row for one in found.values() if one.row is not None)
        first = True
        late = before is not None and before.holder.is_past(beat)

        def claim(address: Address, connection: Connection) -> None:
            nonlocal term, before, first, late
            item, row = found[address].item, found[address].row
            while not late:
                if row is not None and row.holder.is_past(beat):  # it wrote on, or left, meanwhile
                    if first:
                        before, late = row, True
                    break
                if first:
                    term = max(term, 1 + (0 if row is None else row.term))
                elif row is not None and row.incarnation != beat.incarnation and row.term > term:
                    break  # another joined after us
                if _put(connection, group, beat, term=term, over=item):
                    before = row if first and row is not None else before
                    first = False
                    break
                item, row = _row(connection, group, beat.member)
            # Who joins may have been forgotten since this process listed it last; and a join that comes twice may have
            # written its row and not its name.
            self._listed.pop((address, group, beat.member), None)
            self._enlist(address, connection, group, beat.member, found[address])

        self._servers.each(claim, deadline=deadline, among=found)
        return claimed(beat, None if before is None else before.holder, interval=_interval(found))

    def beat(self, group: str, beat: Beat, *, timeout: float) -> Receipt:
        deadline = time.monotonic() + timeout
        found = self._look(group, beat.member, deadline)
        interval = _interval(found)
        row = newest(one.row for one in found.values() if one.row is not None)
        if row is None:
            return Receipt(False, interval)
        if not _owns(row, beat):
            return Receipt(False, interval, row.holder)
        if beat.sequence <= row.sequence:
            return Receipt(True, interval)
        term = row.term
        stamps = self._servers.each(
            lambda address, connection: self._stamp(
                address, connection, group, beat=beat, term=term, found=found[address]
            ),
            deadline=deadline,
            among=found,
        )
        other = newest(one for one in stamps.values() if one is not None)
        return Receipt(other is None, interval, None if other is None else other.holder)

    def _stamp(
        self, address: Address, connection: Connection, group: str, *, beat: Beat, term: int, found: _Found
    ) -> Row | None:
        """Write the row; the one that came before us, if it is another's or was left."""
        item, row = found.item, found.row
        absent = row is None
        while row is None or not (row.incarnation == beat.incarnation and row.sequence >= beat.sequence):
            if row is not None and not _owns(row, beat) and newest((row, Row.planned(beat, term=term))) is row:
                return row
            if _put(connection, group, beat, term=term, over=item):
                break
            item, row = _row(connection, group, beat.member)
        if row is not None and row.incarnation == beat.incarnation and row.state is State.LEFT:
            return row
        if absent:
            self._listed.pop((address, group, beat.member), None)
        self._enlist(address, connection, group, beat.member, found)
        return None

    def leave(self, group: str, beat: Beat, *, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        found = self._look(group, beat.member, deadline)
        row = newest(one.row for one in found.values() if one.row is not None)
        if row is None or not _owns(row, beat):
            return False
        left = replace(beat, state=State.LEFT)

        def close(address: Address, connection: Connection) -> bool:
            item, mine = found[address].item, found[address].row
            while mine is not None and _owns(mine, beat):
                if _put(connection, group, left, term=mine.term, over=item):
                    return True
                item, mine = _row(connection, group, beat.member)
            return False

        return any(self._servers.each(close, deadline=deadline, among=found).values())

    def _look(self, group: str, member: str, deadline: float) -> Mapping[Address, _Found]:
        keys = [key("row", group, member), key("head", group)]

        def look(_address: Address, connection: Connection) -> _Found:
            item, head = connection.fetch(keys)
            return _Found(item, decode_row(item, group=group, member=member), decode_terms(head, group=group))

        return self._servers.each(look, deadline=deadline)

    def _enlist(self, address: Address, connection: Connection, group: str, member: str, found: _Found) -> None:
        """Write the name into the inbox, unless that was done since names could last be lost."""
        lineage = "" if found.terms is None else found.terms.lineage
        if self._listed.get((address, group, member)) != lineage and enlist(connection, group, member):
            self._listed[address, group, member] = lineage


def _owns(row: Row, beat: Beat) -> bool:
    return row.incarnation == beat.incarnation and row.state is not State.LEFT


def _row(connection: Connection, group: str, member: str) -> tuple[Item | None, Row | None]:
    (item,) = connection.fetch([key("row", group, member)])
    return item, decode_row(item, group=group, member=member)


def _put(connection: Connection, group: str, beat: Beat, *, term: int, over: Item | None) -> bool:
    name, value = key("row", group, beat.member), encode_row(group, beat, term=term)
    if over is None:
        return bool(connection.add(name, value, expire=TTL))
    return bool(connection.cas(name, value, over.cas, expire=TTL))


def _interval(found: Mapping[Address, _Found]) -> float | None:
    """The group's, as the youngest head has it."""
    heads = [one.terms for one in found.values() if one.terms is not None]
    return min(heads, key=lambda terms: (terms.age, -terms.publication)).interval if heads else None
