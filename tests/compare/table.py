"""The tables of a run as Markdown: figures come in, text goes out; pure."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

from tests.compare.faults import EXPLAINED, ON_STORES, Fault, spares
from tests.compare.observations import Figures
from tests.compare.systems import System

__all__ = ["FIRST", "WIDTH", "Results", "line", "render"]

WIDTH = 120
"""Of the page's lines, but for those of tables."""

FIRST = ("system", "I/T")
REPEAT = 'to repeat: `make compare ARGS="..."`'
ON_NODES_HEAD = ("deaths published", "after: least", "median", "greatest", "reason", "false deaths")
ON_STORES_HEAD = ("false deaths", "for, added up", "Unknown, added up", "longest without an answer")

Results = Mapping[str, Mapping[Fault, Figures]]


def render(
    results: Results, *, systems: Sequence[System], faults: Sequence[Fault], absent: Mapping[str, str], options: str
) -> str:
    """A table for each fault, a line for each system; `absent` says why one was not run, `options` are of the command
    that repeats a line.
    """
    return "\n\n".join(_part(fault, results, systems, absent, options) for fault in faults) + "\n"


def _part(fault: Fault, results: Results, systems: Sequence[System], absent: Mapping[str, str], options: str) -> str:
    head = (*FIRST, *(ON_STORES_HEAD if fault in ON_STORES else ON_NODES_HEAD), REPEAT)
    lines = [line(head), line("---" for _ in head)]
    for system in systems:
        first = [system.title, f"{system.interval}/{system.down_time}"]
        repeat = "" if spares(system.kind, fault) else f"`--only {fault} --systems {system.name}{options}`"
        lines.append(line([*first, *_cells(system, fault, results, absent), repeat]))
    return "\n".join([f"### {fault}", "", fill(EXPLAINED[fault], WIDTH, break_on_hyphens=False), "", *lines])


def _cells(system: System, fault: Fault, results: Results, absent: Mapping[str, str]) -> list[str]:
    found = results.get(system.name, {}).get(fault)
    blank = [""] * (len(ON_STORES_HEAD if fault in ON_STORES else ON_NODES_HEAD) - 1)
    if why := spares(system.kind, fault):
        return [f"not concerned: {why}", *blank]
    if found is None:
        return [f"not run: {absent[system.name]}", *blank]
    return (_of_store if fault in ON_STORES else _of_nodes)(found)


def _of_store(found: Figures) -> list[str]:
    times = (found.false_seconds, found.unknown_seconds, found.unanswered)
    return [f"{found.false} of {found.living}", *map(_seconds, times)]


def _of_nodes(found: Figures) -> list[str]:
    deaths = found.deaths
    spread = ["never", "", ""] if deaths.spread is None else [_seconds(one) for one in deaths.spread]
    wrong = f"{found.false} of {found.living}" if found.living else ""
    if found.false:
        wrong += f", for {_seconds(found.false_seconds)}"
    many = f"{len(deaths.seconds)} of {deaths.struck}" + (f"; {deaths.early} before it died" if deaths.early else "")
    return [many, *spread, ", ".join(deaths.reasons), wrong]


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value else "0"


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
