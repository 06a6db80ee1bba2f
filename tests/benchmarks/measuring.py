"""What a piece of work costs: seconds of CPU of this process and of a server's, round by round, as ratios."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

SCHEDULED = 2
"""Of the clocks that Linux has for a process: what the scheduler counted, in nanoseconds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU."""

    client: float
    server: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.client + other.client, self.server + other.server)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of a round's CPU, as medians, and ours to bare's: the median of the rounds, their least and greatest."""

    ours: float
    bare: float
    ratio: float
    least: float
    greatest: float


def rounds(
    prepare: Callable[[], T],
    ours: Callable[[T], None],
    bare: Callable[[T], None],
    *,
    count: int,
    slices: int,
    server: int | None,
) -> Iterator[tuple[Cost, Cost]]:
    """What ours and bare cost in each round: in thin slices by turns, each on what was prepared for it, so that what
    else a machine does meets both. The first round warms up and is none.
    """
    for number in range(count + 1):
        costs = {ours: Cost(0.0, 0.0), bare: Cost(0.0, 0.0)}
        for turn in range(slices):
            for work in (ours, bare) if turn % 2 else (bare, ours):
                costs[work] += _cost(work, prepare(), server=server)
        if number:
            yield costs[ours], costs[bare]


def _cost(work: Callable[[T], None], prepared: T, *, server: int | None) -> Cost:
    gc.collect()
    before, used = _served(server), time.process_time()
    work(prepared)
    used = time.process_time() - used
    served = sum(seconds - before.get(pid, 0.0) for pid, seconds in _served(server).items())
    return Cost(used, served)


def _served(server: int | None) -> dict[int, float]:
    """Seconds of CPU that a process and each of its descendants have used, with all threads. One that ends in between
    (a database's housekeeping) takes its own along; those that serve stay, as both sides keep their connections.
    """
    found: dict[int, float] = {}
    for pid in () if server is None else _family(server):
        with suppress(OSError):  # it has ended
            found[pid] = _used(pid)
    return found


def compared(ours: list[float], bare: list[float]) -> Comparison:
    ratios = [one / other if other else float("nan") for one, other in zip(ours, bare, strict=True)]
    return Comparison(median(ours), median(bare), median(ratios), min(ratios), max(ratios))


def _family(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += _family(int(child))
    return found


def _used(pid: int) -> float:
    """By the process's own clock (man 3 clock_getcpuclockid), since /proc counts in hundredths of a second alone."""
    return time.clock_gettime((~pid << 3) | SCHEDULED)
