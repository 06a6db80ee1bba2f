"""The time that one call to a server has left: set once where the call begins, asked for wherever its thread waits.

A variable of the context and no parameter, since a pool and a database's driver stand between the two.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

OUTSIDE = 1.0
"""Seconds for what happens outside of any call: the farewell to a server when a store is closed."""

_END: ContextVar[float | None] = ContextVar("servicegroup_end_of_call", default=None)


def begin(seconds: float) -> Token[float | None]:
    """The call's time runs from now until `end` is given the token. (`within` would cost a beat several times that.)"""
    return _END.set(time.monotonic() + seconds)


def end(begun: Token[float | None]) -> None:
    _END.reset(begun)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = begin(seconds)
    try:
        yield
    finally:
        end(begun)


def remaining() -> float:
    """Seconds that are left, never 0: to a socket that would mean something else."""
    end = _END.get()
    return OUTSIDE if end is None else max(0.001, end - time.monotonic())


def passed() -> bool:
    end = _END.get()
    return end is not None and time.monotonic() >= end
