"""What a long shake does, and when: a seed comes in, acts come out; the same ones for the same seed. Pure.

A target suffers one fault at a time, but several targets may at once. So few members are silent together that no brake
holds the dead: the shake is about telling one silence from another.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OPERATOR, API_SERVER = "the operator", "the API server"
IN_EACH_OTHERS_WAY = dict.fromkeys((OPERATOR, API_SERVER), (OPERATOR, API_SERVER))
"""An operator that starts learns its groups from the API server."""

MOST_SILENT = 0.4
"""The part of a group's crews that is dead or suspended at a time."""

LONG, SHORT = 1.5, 0.05
"""Multiples of T."""


@dataclass(frozen=True, slots=True)
class Act:
    """`fault` happens to `target` (a store, the operator, the API server; of a store's `crew`, if there is one) from
    `at` on and for `lasts`, both in seconds.
    """

    at: float
    lasts: float
    fault: str
    target: str
    crew: str = ""


OF_CREWS = ("killed", "suspended", "leaves")
"""Afterwards it is started anew, goes on, or is started anew."""


def plan(
    *, seed: int, seconds: float, down_time: float, faults: Mapping[str, Sequence[str]], crews: Sequence[str]
) -> list[Act]:
    """`faults` are those that each target can suffer; a target with `crews` is a store. Nothing begins after `seconds`,
    but who dies last may be dead for 2 T yet, so as to be found.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    stores = [target for target in faults if target not in (OPERATOR, API_SERVER)]
    free = dict.fromkeys(faults, 0.0)
    silent: dict[tuple[str, str], float] = {(store, crew): 0.0 for store in stores for crew in crews}
    acts: list[Act] = []
    at = 0.0
    while (at := at + chance.uniform(0.02, 0.3) * down_time) < seconds:
        lasts = min(chance.uniform(SHORT, LONG) * down_time, seconds - at)
        if chance.random() < 0.5:
            store = chance.choice(stores)
            idle = [crew for crew in crews if silent[store, crew] <= at]
            if len(crews) - len(idle) < int(MOST_SILENT * len(crews)):
                crew, fault = chance.choice(idle), chance.choice(OF_CREWS)
                lasts = max(lasts, 2 * down_time) if chance.random() < 0.7 else lasts
                silent[store, crew] = at + lasts + down_time
                acts.append(Act(at, lasts, fault, store, crew))
            continue
        idle_targets = [target for target in faults if free[target] <= at and faults[target]]
        if idle_targets:
            target = chance.choice(idle_targets)
            for other in IN_EACH_OTHERS_WAY.get(target, (target,)):
                free[other] = at + lasts + 0.2 * down_time
            acts.append(Act(at, lasts, chance.choice(list(faults[target])), target))
    return acts
