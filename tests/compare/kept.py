"""What a run found, in a file of its folder, so that its page can be written again without it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.compare.faults import Fault
from tests.compare.observations import Deaths, Figures
from tests.compare.plan import Plan
from tests.compare.systems import Kind, System

__all__ = ["Found", "read", "write"]

FILE = "found.json"


@dataclass(frozen=True, slots=True)
class Found:
    """`absent` says why systems were not run."""

    plan: Plan
    results: Mapping[str, Mapping[Fault, Figures]]
    absent: Mapping[str, str]
    versions: Sequence[str]


def write(found: Found) -> None:
    plan = replace(found.plan, folder=str(found.plan.folder))  # type: ignore[arg-type]
    text = json.dumps(asdict(replace(found, plan=plan)), indent=1)
    (found.plan.folder / FILE).write_text(text, encoding="utf-8")


def read(folder: Path) -> Found:
    given: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    plan = given["plan"]
    return Found(
        Plan(
            [System(**{**one, "kind": Kind(one["kind"])}) for one in plan["systems"]],
            [Fault(name) for name in plan["faults"]],
            plan["members"],
            plan["scale"],
            folder,
        ),
        {
            name: {Fault(fault): _figures(one) for fault, one in of_system.items()}
            for name, of_system in given["results"].items()
        },
        given["absent"],
        given["versions"],
    )


def _figures(given: Mapping[str, Any]) -> Figures:
    deaths = given["deaths"]
    return Figures(
        **{
            **given,
            "deaths": Deaths(deaths["struck"], tuple(deaths["seconds"]), tuple(deaths["reasons"]), deaths["early"]),
        }
    )
