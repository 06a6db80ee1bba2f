"""What a piece of work costs: seconds of CPU of this process and of a server's, round by round, as ratios."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

TICKS = os.sysconf("SC_CLK_TCK")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU."""

    client: float
    server: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of a round's CPU, as medians, and ours to bare's: the median of the rounds, their least and greatest."""

    ours: float
    bare: float
    ratio: float
    least: float
    greatest: float


def rounds(
    prepare: Callable[[], T], ours: Callable[[T], None], bare: Callable[[T], None], *, count: int, server: int | None
) -> Iterator[tuple[Cost, Cost]]:
    """Ours and bare in turn, each on what was prepared for it; the first of both warms up and is no round."""
    for number in range(count + 1):
        pair = _cost(ours, prepare(), server=server), _cost(bare, prepare(), server=server)
        if number:
            yield pair


def _cost(work: Callable[[T], None], prepared: T, *, server: int | None) -> Cost:
    gc.collect()
    served, used = _served(server), time.process_time()
    work(prepared)
    used = time.process_time() - used
    return Cost(used, _served(server) - served)


def _served(server: int | None) -> float:
    """Seconds of CPU that a process, its threads and all its descendants have used, ended ones among them."""
    return 0.0 if server is None else sum(_ticks(pid) for pid in _family(server)) / TICKS


def compared(ours: list[float], bare: list[float]) -> Comparison:
    ratios = [one / other if other else float("nan") for one, other in zip(ours, bare, strict=True)]
    return Comparison(median(ours), median(bare), median(ratios), min(ratios), max(ratios))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from _family(int(child))


def _ticks(pid: int) -> int:
    """utime, stime, cutime and cstime: fields 14 to 17 of /proc/<pid>/stat (man 5 proc)."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return sum(int(field) for field in stat.rpartition(")")[2].split()[14 - 3 : 17 - 3 + 1])
