"""What a scenario is, and how one is played: on all stores of a bench to which it applies, at the same time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.scenarios.bench import Bench
from tests.scenarios.ledger import Figures
from tests.scenarios.making import world
from tests.scenarios.pace import CREWS, PACE
from tests.scenarios.places import Place
from tests.scenarios.world import World


@dataclass(frozen=True, slots=True)
class Scenario:
    """`name` is a sentence that says what happens; `needs` is a fault that a store must be able to suffer."""

    name: str
    play: Callable[[World], None]
    needs: str = ""
    crews: Mapping[str, int] = field(default_factory=lambda: CREWS)
    spec: Mapping[str, Any] = field(default_factory=dict)
    clocked: bool = False
    held: float = 0.0

    def applies(self, place: Place) -> bool:
        return not self.needs or place.fault(self.needs) is not None


@dataclass(frozen=True, slots=True)
class Played:
    """`folder` has what the operator and the agents logged, and every decision."""

    scenario: Scenario
    figures: Mapping[str, Figures]
    findings: Sequence[str]
    folder: Path

    @property
    def sound(self) -> bool:
        return not self.findings and all(one.sound for one in self.figures.values())

    def told(self) -> str:
        """What went wrong; empty when nothing did."""
        wrong = [f"{store}: {one}" for store, one in self.figures.items() if not one.sound]
        return "\n".join([*self.findings, *wrong])


def play(scenario: Scenario, bench: Bench) -> Played:
    """Raises AssertionError where the world does not come up at all."""
    places = [place for place in bench.places if scenario.applies(place) and scenario.needs not in bench.lacks]
    pace = replace(PACE, held=scenario.held)
    with world(bench, places, crews=scenario.crews, spec=scenario.spec, clocked=scenario.clocked, pace=pace) as one:
        scenario.play(one)
        one.settle()
        return Played(scenario, one.figures(), tuple(one.findings), one.folder)
