"""The figures of scenarios as lines to read and as the page docs/failure-modes.md. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.scenarios.ledger import Figures
from tests.scenarios.pace import DOWN_TIME, GRAINS, INTERVAL, LONGEST_GAP, C, T
from tests.scenarios.scenario import Played

HEAD = f"""# Failure modes

What was done to real parts, and what was said of the members then: a real API server, operator, agents and stores.
`make test-scenarios` plays all of it and writes this page; the core of it is part of `make test`. I is {INTERVAL:g} s
and T {DOWN_TIME:g} s, the defaults (10 and 60) five times as fast; all else is as it ships. "It" is what the heading
names. In almost all of them a third of the members die meanwhile: those are the deaths.

* **False**: members called `Down` that lived. **Missed**: dead ones that were not called `Down`, or rose again.
* **Unknown**: seconds that a member was `Unknown` while it lived, on average, and in brackets how many of them no rule
  excuses: sight was lost for longer than T (rule 4), or most fell silent at once (rule 6).
* **Death to Down**: as multiples of T, shortest to longest. **Late**: how long after the moment at which it was due by
  the rules (T after the death; T after the store, C after the operator came back), as multiples of C. **Not looked**:
  seconds in which the operator did not look although nothing that was done explains it: the machine was too busy. Gaps
  of up to {LONGEST_GAP + GRAINS["db"]:g} s ({LONGEST_GAP + GRAINS["mc"]:g} s on memcached) are not seen here, and
  those of more than {LONGEST_GAP:g} s put a verdict off (rule 3).
"""

NAMES = ("store", "false", "missed", "Unknown (beyond)", "deaths", "death to Down", "late", "not looked")
COLUMNS = f"| {' | '.join(NAMES)} |\n{'|---' * len(NAMES)}|\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One scenario of the page, the `number`th of the catalogue, with a row of cells for each store."""

    number: int
    section: str
    name: str
    rows: Sequence[Sequence[str]]


def entry(number: int, section: str, played: Played) -> Entry:
    rows = [_cells(store, found) for store, found in played.figures.items()]
    return Entry(number, section, played.scenario.name, rows)


def lines(one: Entry) -> list[str]:
    return ["  ".join([row[0], *(f"{name} {cell}" for name, cell in zip(NAMES[1:], row[1:], strict=True))])
            for row in one.rows]  # fmt: skip


def document(entries: Iterable[Entry], *, how: str) -> str:
    """`how` says which run it was."""
    parts = [HEAD, f"**The run**: {how}.\n"]
    for section, ones in groupby(sorted(entries, key=lambda one: one.number), key=lambda one: one.section):
        parts.append(f"## {section}\n")
        for one in ones:
            rows = "".join(f"| {' | '.join(row)} |\n" for row in one.rows)
            parts.append(f"### {one.name[0].upper()}{one.name[1:]}\n\n{COLUMNS}{rows}")
    return "\n".join(parts)


def _cells(store: str, found: Figures) -> list[str]:
    return [
        store,
        str(len(found.false_downs)),
        str(len(found.missed) + len(found.risen)),
        f"{found.unknown / found.members:.1f} ({found.beyond / found.members:.1f})",
        str(found.deaths),
        _range(found.waits, unit=T, sign="T"),
        _range(found.late, unit=C, sign="C"),
        f"{found.unlooked:.1f}",
    ]


def _range(seconds: Sequence[float], *, unit: float, sign: str) -> str:
    if not seconds:
        return "-"
    least, most = (f"{value / unit:.2f}" for value in (min(seconds), max(seconds)))
    return f"{least} {sign}" if least == most else f"{least} to {most} {sign}"
