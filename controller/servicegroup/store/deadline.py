"""The time that one call to a server has left: set once where the call begins, asked for wherever its thread waits.

A variable of the context and no parameter, since a pool and a database's driver stand between the two.
"""

import time
from contextvars import ContextVar, Token

OUTSIDE = 1.0
"""Seconds for what happens outside of any call: the farewell to a server when a store is closed."""

_END: ContextVar[float | None] = ContextVar("servicegroup_end_of_call", default=None)


class within:  # noqa: N801 - read as `with within(seconds):`; a generator would cost each beat more
    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token: Token[float | None] = _END.set(time.monotonic() + self._seconds)

    def __exit__(self, *_: object) -> None:
        _END.reset(self._token)


def remaining() -> float:
    """Seconds that are left, never 0: to a socket that would mean something else."""
    end = _END.get()
    return OUTSIDE if end is None else max(0.001, end - time.monotonic())


def passed() -> bool:
    end = _END.get()
    return end is not None and time.monotonic() >= end
