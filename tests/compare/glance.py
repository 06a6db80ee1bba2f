"""All of a run in one table, before the long ones: a line for each system, a column for each fault; pure."""

from collections.abc import Sequence

from tests.compare.faults import ON_STORES, Fault
from tests.compare.observations import Figures
from tests.compare.systems import System
from tests.compare.table import FIRST, Results, line

__all__ = ["glance"]


def glance(results: Results, *, systems: Sequence[System], faults: Sequence[Fault]) -> str:
    """Empty is what does not concern a system, or was not run."""
    head = (*FIRST, *faults)
    lines = [line(head), line("---" for _ in head)]
    for system in systems:
        found = results.get(system.name, {})
        cells = (_cell(fault, found[fault]) if fault in found else "" for fault in faults)
        lines.append(line([system.title, f"{system.interval}/{system.down_time}", *cells]))
    return "\n".join(lines)


def _cell(fault: Fault, found: Figures) -> str:
    wrong = f"**{found.false} of {found.living} false**" if found.false else ""
    if fault in ON_STORES:
        return wrong or "none false"
    deaths = found.deaths
    said = "never" if deaths.spread is None else f"{deaths.spread[1]:.0f} s"
    if deaths.spread is not None and len(deaths.seconds) + deaths.early < deaths.struck:
        said += f", {len(deaths.seconds)} of {deaths.struck}"
    return f"{said}; {wrong}" if wrong else said
