"""Which of a member's rows on several memcached servers counts."""

import pytest
from servicegroup.model import State
from servicegroup.store.mc_wire import Row, newest

YOUNG, OLD = 1.0, 100.0
"""Seconds; C is 25."""


def row(incarnation: str, sequence: int, state: State = State.BEATING, *, age: float = YOUNG, term: int = 1) -> Row:
    return Row("node-1", incarnation, sequence, 10.0, state, age, term, 0)


LEFT = row("one", 5, State.LEFT)
LEFT_LONG_AGO = row("one", 5, State.LEFT, age=OLD)
CASES = {
    "the higher sequence": ((row("one", 5), row("one", 6)), 1),
    "who joined later, whatever its sequence": ((row("one", 5), row("two", 1, term=2)), 1),
    "not what came back with a server that was away": ((row("one", 9, age=OLD, term=3), row("two", 1)), 1),
    "the youngest, where all are silent": ((row("one", 9, age=OLD), row("two", 1, age=OLD - 1)), 1),
    "the leave": ((LEFT, row("one", 5)), 0),
    "the leave, whatever of its incarnation was written later": ((LEFT, row("one", 9, term=2)), 0),
    "the leave of long ago, though a late beat is young": ((LEFT_LONG_AGO, row("one", 4)), 0),
    "who took the place of the one that left": ((LEFT, row("one", 9, term=2), row("two", 1, term=3)), 2),
}


@pytest.mark.parametrize(("rows", "counts"), CASES.values(), ids=CASES.keys())
def test_of_several_rows_counts(rows: tuple[Row, ...], counts: int) -> None:
    assert newest(rows) is rows[counts]
    assert newest(rows[::-1]) is rows[counts]


def test_no_rows_are_none() -> None:
    assert newest(()) is None
