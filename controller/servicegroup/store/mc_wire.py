"""What the `mc` driver writes under which key: rows of members, as JSON. Pure; records are in `mc_document`.

Keys are hashes, since memcached takes 250 bytes without spaces; the full name is in the value, and a value that does
not hold the name that was asked for is not ours. What is not ours, whoever wrote it, is as good as absent.

A row's age is its TTL less what remains of it. memcached's clock ticks in seconds, so the age is whole, and less than a
second too high or too low. It is left so. A change is read within a pass and its time is held between two healthy
reads (rule 2), which takes the error away; rounding down always would make a dead member's last beat up to 2 s younger.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Self

from servicegroup.model import SIGHT_INTERVALS, Beat, Fact, Holder, State

TTL = 8 * 86400
"""Seconds until memcached may drop a row: more than `forgetAfterSeconds` can be (7 days), less than 30 days, from which
on memcached takes the number for a date."""

LONGEST_ROW = 4096
"""Bytes: a name of 253 characters has 1012 at most, twice that where all are escaped."""

TICK = 1.0


KEYS = 65536
"""Keys that are remembered: an operator asks for the same ten thousand in each pass."""

STATES = {str(state): state for state in State}

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder()


class Item(NamedTuple):
    """What a server holds under a key: seconds until it expires (-1: never) and the word for a cas.

    A tuple, as `Row` is: one of each is made for each member in each pass.
    """

    value: bytes
    remaining: int
    cas: int


@lru_cache(KEYS)
def key(kind: str, *names: str) -> str:
    text = json.dumps([kind, *names])
    return f"sg1:{kind}:{hashlib.sha256(text.encode()).hexdigest()}"


class Row(NamedTuple):
    """A member's row on one server: first what makes a fact. `term` counts its owners, so that of two the later is
    known on any server.
    """

    member: str
    incarnation: str
    sequence: int
    interval: float
    state: State
    age: float
    term: int
    cas: int

    @classmethod
    def planned(cls, beat: Beat, *, term: int) -> Self:
        """As it will be when it is written."""
        return cls(beat.member, beat.incarnation, beat.sequence, beat.interval, beat.state, 0.0, term, 0)

    @property
    def holder(self) -> Holder:
        return Holder(self.incarnation, self.sequence, self.state)

    @property
    def rank(self) -> tuple[int, str, bool, int]:
        """Which of two rows was written later; no beat is later than the leave of its incarnation."""
        return self.term, self.incarnation, self.state is State.LEFT, self.sequence

    def fact(self) -> Fact:
        return Fact._make(self[: len(Fact._fields)])


def newest(rows: Iterable[Row]) -> Row | None:
    """The row that counts among those of several servers.

    Where an incarnation has left, its other rows were written before, or late. A server that was away may come back
    with the row of an owner that is gone; it does not hold against one that is written. So those written within C are
    compared by rank, and only where there is none the youngest counts.
    """
    rows = tuple(rows)
    if len(rows) == 1:
        return rows[0]
    left = {row.incarnation for row in rows if row.state is State.LEFT}
    rows = tuple(row for row in rows if row.state is State.LEFT or row.incarnation not in left)
    alive = [row for row in rows if row.age <= SIGHT_INTERVALS * row.interval + TICK]
    if alive:
        return max(alive, key=lambda row: (row.rank, -row.age))
    return min(rows, key=lambda row: row.age, default=None)


def age(item: Item) -> float:
    """Raises ValueError for an item that was not written with our TTL."""
    if not 0 <= item.remaining <= TTL:
        raise ValueError("its time to live is not ours")
    return float(TTL - item.remaining)


def encode_row(group: str, beat: Beat, *, term: int) -> bytes:
    return dump(
        {
            "g": group,
            "m": beat.member,
            "i": beat.incarnation,
            "s": beat.sequence,
            "p": beat.interval,
            "t": str(beat.state),
            "n": term,
        }
    )


def decode_row(item: Item | None, *, group: str, member: str) -> Row | None:
    """None for what is absent or not ours."""
    if item is None or len(item.value) > LONGEST_ROW:
        return None
    try:
        found = load(item.value)
        if found["g"] != group or found["m"] != member:
            return None
        return Row(
            member,
            text(found["i"]),
            count(found["s"]),
            span(found["p"]),
            STATES.get(found["t"]) or State(found["t"]),
            age(item),
            count(found["n"]),
            item.cas,
        )
    except (ValueError, TypeError, LookupError):
        return None


def dump(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


def load(value: bytes) -> Any:
    """Raises ValueError."""
    said = value.decode()
    try:
        found, end = _DECODER.raw_decode(said)
    except RecursionError:  # a value of brackets alone
        raise ValueError("nested too deeply") from None
    if end != len(said):
        raise ValueError("more than one value")
    return found


def text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError("no text")
    if not found.isascii():
        found.encode()  # half a character, which JSON can hold and nobody could show, is a ValueError
    return found


def whole(found: Any) -> int:
    if type(found) is not int or not -(2**63) <= found < 2**63:
        raise TypeError("no whole number")
    return found


def count(found: Any) -> int:
    if type(found) is not int or not 0 <= found < 2**63:
        raise TypeError("no count")
    return found


def number(found: Any) -> float:
    if type(found) not in (int, float) or not math.isfinite(found):
        raise TypeError("no number")
    return float(found)


def span(found: Any) -> float:
    """Seconds that pass: none or less would be beats without a pause."""
    if type(found) not in (int, float) or not 0.0 < found < math.inf:
        raise TypeError("no time at all")
    return float(found)
