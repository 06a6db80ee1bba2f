"""Which life of its servers a store speaks from: `stats` come in, an epoch goes out.

A server's word is its pid and its start (its `time` less its `uptime`); a start that differs by a second is the same.
The epoch of several servers stays as long as one of those that answered last answers again with the same word: each
holds all rows, one that restarts comes back with none, and what is written to it afterwards is young by its own clock.
So a restart of one makes nobody's rows a baseline. When no server goes on, all rows may be gone: another epoch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

JITTER = 1
"""Seconds by which the two clocks of a server's `stats` may differ from one read to the next."""


@dataclass(frozen=True, slots=True, order=True)
class Life:
    """One run of a server."""

    pid: int
    start: int

    @classmethod
    def of(cls, stats: Mapping[bytes, object]) -> "Life":
        """Raises LookupError, ValueError for what is no memcached's."""
        return cls(*(_number(stats[b"pid"]), _number(stats[b"time"]) - _number(stats[b"uptime"])))

    def same(self, other: "Life") -> bool:
        return self.pid == other.pid and abs(self.start - other.start) <= JITTER

    def __str__(self) -> str:
        return f"{self.pid}.{self.start}"


def _number(found: object) -> int:
    return int(found) if isinstance(found, int | bytes) else int(str(found))


@dataclass(frozen=True, slots=True)
class Epoch:
    """The name that a store's epoch had when it began, and who carries it on."""

    name: str
    lives: frozenset[Life]


def following(before: Epoch | None, lives: Iterable[Life], *, published: Iterable[str] = ()) -> Epoch:
    """The epoch after one more reading of `stats`; without one before, `published` may name one that goes on."""
    now = frozenset(lives)
    if before is not None and goes_on(before.lives, now):
        return Epoch(before.name, now)
    if before is None:
        for name in published:
            if goes_on(parse(name), now):
                return Epoch(name, now)
    return Epoch(",".join(str(life) for life in sorted(now)), now)


def goes_on(before: Iterable[Life], now: Iterable[Life]) -> bool:
    now = tuple(now)
    return any(one.same(other) for one in before for other in now)


def parse(name: str) -> tuple[Life, ...]:
    """The lives that an epoch began with; none where the word is not ours."""
    try:
        return tuple(Life(*map(int, word.split(".", 1))) for word in name.split(","))
    except (ValueError, TypeError):
        return ()
