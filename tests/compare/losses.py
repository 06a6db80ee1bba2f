"""Where others did better than we, found in the figures of a run and not in anybody's memory; pure."""

from collections.abc import Iterator, Mapping, Sequence

from tests.compare.faults import ON_STORES, Fault
from tests.compare.observations import Figures
from tests.compare.systems import Kind, System

__all__ = ["losses"]

NOTEWORTHY = 1.0
"""Seconds: as often as each is asked."""

Results = Mapping[str, Mapping[Fault, Figures]]
Times = tuple[int, int]


def losses(results: Results, *, systems: Sequence[System], faults: Sequence[Fault]) -> list[str]:
    """A sentence for each fault in which ours were slower than others of the same times, or wrong, or did not know."""
    return [line for fault in faults for line in (_unsure if fault in ON_STORES else _slower)(fault, results, systems)]


def _slower(fault: Fault, results: Results, systems: Sequence[System]) -> Iterator[str]:
    medians = {
        system: figures.deaths.spread[1]
        for system in systems
        if (figures := results.get(system.name, {}).get(fault)) is not None and figures.deaths.spread is not None
    }
    ours = [one for one in medians if one.kind is Kind.OURS]
    for times in dict.fromkeys((one.interval, one.down_time) for one in ours):
        best = min(medians[one] for one in ours if (one.interval, one.down_time) == times)
        better = {one: value for one, value in medians.items() if _alike(one, times) and value < best - NOTEWORTHY}
        if better:
            words = ", ".join(f"{one.title} {value:.0f} s" for one, value in better.items())
            yield f"{fault}, {times[0]}/{times[1]}: our best median is {best:.0f} s; sooner were {words}."


def _alike(system: System, times: Times) -> bool:
    """Whether it has these times; Kubernetes has its own, beside whatever ours are."""
    return system.kind is Kind.KUBERNETES or (system.kind is Kind.NOVA and (system.interval, system.down_time) == times)


def _unsure(fault: Fault, results: Results, systems: Sequence[System]) -> Iterator[str]:
    for system in (one for one in systems if one.kind is Kind.OURS):
        found = results.get(system.name, {}).get(fault)
        if found is not None and (found.false or found.unknown_seconds):
            wrong = f"{found.false} of {found.living} living nodes were Down at some time"
            unknown = f"{found.unknown_seconds / found.living:.0f} s of each were Unknown"
            yield f"{fault}: {system.title} {system.interval}/{system.down_time}: {wrong}, {unknown}."
