"""Turns: so many at once, so many of those for one subject, and so many that wait. One who asks much waits behind
itself and nobody else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from servicegroup.gateway.refusals import overloaded


@dataclass(slots=True)
class _Line:
    gate: asyncio.Semaphore
    length: int = 0


@dataclass(slots=True)
class Turns:
    """`what` is said to whom there is no room for."""

    what: str
    at_once: int
    of_one: int
    waiting_of_one: int
    _gate: asyncio.Semaphore = field(init=False)
    _lines: dict[str, _Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._gate = asyncio.Semaphore(self.at_once)

    @asynccontextmanager
    async def of(self, subject: str) -> AsyncIterator[None]:
        """Raises Refused: 429."""
        line = self._lines.setdefault(subject, _Line(asyncio.Semaphore(self.of_one)))
        if line.length >= self.waiting_of_one:
            raise overloaded(f"too many {self.what} are under way; try again")
        line.length += 1
        try:
            async with line.gate, self._gate:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[subject]
