"""Members' rows of the `db` driver: what `statements.facts` fetched comes in, facts go out, and why a row is none.

Other programs may write into a table, and SQLite holds anything in any column. A row that is no member's costs that
member alone: it is left out. Ten thousand rows a pass are looked at column by column, and one by one only where a
column is not as it should be.
"""

import math
from collections.abc import Sequence
from itertools import repeat
from operator import truediv
from typing import Any

from servicegroup.model import LONGEST_NAME, Fact, State, check_member

Row = tuple[Any, ...]
"""Of `statements.facts`: member, incarnation, sequence, promised interval, state, age in microseconds."""

MICROSECONDS = 1_000_000

AT_ONCE = 500
"""Rows whose columns are looked at together."""

PLAIN = bytes(range(ord(" "), ord("~") + 1))
"""The characters of ASCII that can be shown."""

LONGEST_AGE = 10**15
"""Microseconds, some 30 years: what SQLite counts from a stamp that is no number, which is 0 to it, is more."""

STATES: dict[Any, State] = {word: state for state in State for word in (str(state), state.encode())}

Text = type[str] | type[bytes]
"""What a database gives for our text: MariaDB and MySQL bytes (`schema.Name`), the others str."""


def facts(rows: Sequence[Row], *, texts: Text) -> tuple[list[Fact], list[str]]:
    """The facts, and for each row that is left out a sentence that says why."""
    if not rows:
        return [], []
    try:
        return _all(rows, texts=texts), []
    except (TypeError, ValueError, LookupError, OverflowError):
        return _each(rows, texts=texts)


def _all(rows: Sequence[Row], *, texts: Text) -> list[Fact]:
    """Raises where some row may be wrong. A join or a sum fails for what is no text or no number."""
    members, incarnations, sequences, intervals, states, ages = zip(*rows, strict=True)
    if texts is bytes:
        members, incarnations = tuple(map(bytes.decode, members)), tuple(map(bytes.decode, incarnations))
    "".join(incarnations)
    lengths, promised = set(map(len, members)), set(intervals)
    if not (
        _printable("".join(members))
        and min(lengths) > 0
        and max(lengths) <= LONGEST_NAME
        and type(sum(sequences)) is int
        and min(promised) > 0
        and math.isfinite(sum(promised))
        and type(sum(ages)) is int
        and max(ages) < LONGEST_AGE
    ):
        raise ValueError("a column is not as it should be")
    known, seconds = map(STATES.__getitem__, states), map(truediv, ages, repeat(MICROSECONDS))
    columns = zip(members, incarnations, sequences, intervals, known, seconds, strict=False)
    # What Fact._make does, without its check of how many values there are, which `zip` has counted.
    return list(map(tuple.__new__, repeat(Fact), columns))


def _printable(text: str) -> bool:
    """As `str.isprintable`, which takes six times as long over ASCII."""
    if text.isascii():
        return not text.encode("ascii").translate(None, PLAIN)
    return text.isprintable()


def _each(rows: Sequence[Row], *, texts: Text) -> tuple[list[Fact], list[str]]:
    found: list[Fact] = []
    wrong: list[str] = []
    for row in rows:
        try:
            found.append(_fact(row, texts=texts))
        except ValueError as error:
            wrong.append(str(error))
    return found, wrong


def _fact(row: Row, *, texts: Text) -> Fact:
    """Raises ValueError, with a sentence."""
    member, incarnation, sequence, interval, state, age = row
    name = text(member, "a member", texts=texts)
    if not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME:
        check_member(name)
    of = f"member {name!a}: its"
    start, word = text(incarnation, f"{of} incarnation", texts=texts), text(state, f"{of} state", texts=texts)
    if type(sequence) is not int:
        raise ValueError(f"{of} sequence is {_shown(sequence)}, no whole number")
    if type(interval) not in (int, float) or not math.isfinite(interval) or interval <= 0:
        raise ValueError(f"{of} promised interval is {_shown(interval)}, no number of seconds above 0")
    if type(age) is not int or age >= LONGEST_AGE:
        raise ValueError(f"{of} stamp is no time in microseconds")
    return Fact(name, start, sequence, interval, State(word), age / MICROSECONDS)


def text(found: Any, what: str, *, texts: Text) -> str:
    """Raises ValueError, with a sentence about `what`."""
    try:
        if type(found) is texts:
            return found.decode() if isinstance(found, bytes) else str(found)
    except UnicodeDecodeError:
        pass
    raise ValueError(f"{what} is {_shown(found)}, no text")


def _shown(found: Any) -> str:
    return ascii(found)[:60]
