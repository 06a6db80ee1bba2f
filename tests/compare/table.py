"""The tables of a run as Markdown: figures come in, text goes out; pure."""

from collections.abc import Iterable, Mapping, Sequence

from tests.compare.faults import EXPLAINED, ON_STORES, Fault, spares
from tests.compare.observations import Figures
from tests.compare.systems import System

__all__ = ["render"]

ON_NODES_HEAD = (
    "system",
    "I/T",
    "dead",
    "published after: least",
    "median",
    "greatest",
    "as",
    "false deaths",
    "repeat",
)
ON_STORES_HEAD = ("system", "I/T", "false deaths", "for, in all", "unknown, in all", "no answer for", "repeat")

Results = Mapping[str, Mapping[Fault, Figures]]


def render(
    results: Results,
    *,
    systems: Sequence[System],
    faults: Sequence[Fault],
    absent: Mapping[str, str],
    options: str = "",
) -> str:
    """A table for each fault, a line for each system; `absent` says why a system was not run, `options` what the
    commands have besides.
    """
    parts = []
    for fault in faults:
        head = ON_STORES_HEAD if fault in ON_STORES else ON_NODES_HEAD
        lines = [_line(head), _line("---" for _ in head)]
        for system in systems:
            why = spares(system.kind, fault) or absent.get(system.name, "")
            found = results.get(system.name, {}).get(fault)
            cells = [why or "not run"] if why or found is None else _cells(found, fault)
            blank = [""] * (len(head) - 3 - len(cells))
            times = f"{system.interval}/{system.down_time}"
            lines.append(_line([system.title, times, *cells, *blank, "" if why else _command(fault, system, options)]))
        parts.append("\n".join([f"### {fault}", "", EXPLAINED[fault], "", *lines]))
    return "\n\n".join(parts) + "\n"


def _cells(found: Figures, fault: Fault) -> list[str]:
    wrong = f"{found.false} of {found.living}" if found.living else "nobody was spared"
    if fault in ON_STORES:
        return [wrong, seconds(found.false_seconds), seconds(found.unknown_seconds), seconds(found.unanswered)]
    deaths = found.deaths
    spread = ["never", "", ""] if deaths.spread is None else [seconds(one) for one in deaths.spread]
    if found.living and found.false:
        wrong += f", {seconds(found.false_seconds)}"
    return [f"{len(deaths.seconds)} of {deaths.struck}", *spread, ", ".join(deaths.reasons), wrong]


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value else "0"


def _command(fault: Fault, system: System, options: str) -> str:
    return f'`make compare ARGS="--only {fault} --systems {system.name}{options}"`'


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
