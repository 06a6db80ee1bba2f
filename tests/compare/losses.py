"""Where others did better than we, found in the figures of a run and not in anybody's memory; pure."""

from collections.abc import Iterator, Mapping, Sequence

from tests.compare.faults import ON_STORES, Fault
from tests.compare.observations import Figures
from tests.compare.systems import Kind, System

__all__ = ["losses"]

NOTEWORTHY = 1.0
"""Seconds: as often as each is asked."""


def losses(
    results: Mapping[str, Mapping[Fault, Figures]], *, systems: Sequence[System], faults: Sequence[Fault]
) -> list[str]:
    """A sentence for each fault in which ours of the default times were slower, or wrong, or did not know."""
    return [line for fault in faults for line in (_unsure if fault in ON_STORES else _slower)(fault, results, systems)]


def _slower(fault: Fault, results: Mapping[str, Mapping[Fault, Figures]], systems: Sequence[System]) -> Iterator[str]:
    medians = {
        system: figures.deaths.spread[1]
        for system in systems
        if (figures := results.get(system.name, {}).get(fault)) is not None and figures.deaths.spread is not None
    }
    ours = [
        value for system, value in medians.items() if system.kind is Kind.OURS and system.interval >= _usual(systems)
    ]
    if not ours:
        return
    better = {
        one: value for one, value in medians.items() if one.kind is not Kind.OURS and value < min(ours) - NOTEWORTHY
    }
    if better:
        words = ", ".join(
            f"{one.title} ({one.interval}/{one.down_time}) {value:.0f} s" for one, value in better.items()
        )
        yield f"{fault}: our best median with the default times is {min(ours):.0f} s; sooner were {words}."


def _usual(systems: Sequence[System]) -> int:
    """The default interval, as it was scaled."""
    return max(one.interval for one in systems if one.kind is Kind.OURS)


def _unsure(fault: Fault, results: Mapping[str, Mapping[Fault, Figures]], systems: Sequence[System]) -> Iterator[str]:
    for system in (one for one in systems if one.kind is Kind.OURS):
        found = results.get(system.name, {}).get(fault)
        if found is not None and (found.false or found.unknown_seconds):
            yield (
                f"{fault}: {system.title} ({system.interval}/{system.down_time}) published {found.false} of "
                f"{found.living} living nodes as Down, and living nodes as Unknown for {found.unknown_seconds:.0f} s "
                "in all."
            )
