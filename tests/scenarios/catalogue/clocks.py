"""Clocks that are wrong, or step. Only what counts up is believed, and each clock is compared with itself alone."""

from functools import partial
from pathlib import Path

from tests.scenarios.ledger import UP
from tests.scenarios.pace import C, T
from tests.scenarios.scenario import Scenario
from tests.scenarios.world import World

DISTANT = "cut_off"
"""Agents that can be cut off from a store are on machines of their own, with their own clocks."""


def agents_clock(world: World, *, offset: str) -> None:
    for place in world.places:
        names = ["elsewhen-0", "elsewhen-1"]
        world.join(place, "elsewhen", names, clock=offset)
    world.until(lambda: all(set(world.verdicts(p).values()) == {UP} for p in world.places), why="all are Up")
    world.rest(T)
    world.kill()
    world.kill("elsewhen")


def operators_clock(world: World, *, offset: str) -> None:
    _step(world.operator.clock, offset)
    world.rest(T)
    world.kill()


def stores_clock(world: World, *, offset: str, steps: bool) -> None:
    """Its servers restart with another clock; or with the right one, which steps when that is over."""
    file = world.folder / "stores-clock"
    file.write_text("+0" if steps else offset, encoding="ascii")
    with world.store("clocked", file):
        pass
    world.rest(T + C)
    _step(file, offset)
    world.rest(C)
    world.kill()


def _step(file: Path | None, offset: str) -> None:
    assert file is not None
    file.write_text(offset, encoding="ascii")


SCENARIOS = (
    Scenario("the agents' is ahead by 10 minutes", partial(agents_clock, offset="+600"), needs=DISTANT),
    Scenario("the agents' is 70 seconds behind", partial(agents_clock, offset="-70"), needs=DISTANT),
    Scenario("the operator's steps ahead by 10 minutes", partial(operators_clock, offset="+600"), clocked=True),
    Scenario("the operator's steps back by 10 minutes", partial(operators_clock, offset="-600"), clocked=True),
    *(
        Scenario(f"the store's {what}", partial(stores_clock, offset=offset, steps=steps), needs="clocked")
        for what, offset, steps in (
            ("is an hour behind after a restart", "-3600", False),
            ("is an hour ahead after a restart", "+3600", False),
            ("steps ahead by 10 minutes", "+600", True),
            ("steps back by 10 minutes", "-600", True),
        )
    ),
)
