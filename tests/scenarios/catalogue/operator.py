"""What becomes of the operator, and of the API server that it writes to."""

from dataclasses import replace
from functools import partial

from tests.scenarios.ledger import DOWN
from tests.scenarios.pace import DIES, STAYS, C, T
from tests.scenarios.places import Place
from tests.scenarios.scenario import Scenario
from tests.scenarios.words import asked
from tests.scenarios.world import World


def stopped(world: World, *, seconds: float) -> None:
    with world.unobserved(), world.operator.stopped():
        world.rest(seconds / 2)
        world.kill()
        world.rest(seconds / 2)


def restarted(world: World, *, seconds: float) -> None:
    with world.operator_gone():
        world.rest(seconds / 2)
        world.kill()
        world.rest(seconds / 2)


def restarted_often(world: World) -> None:
    """Never for long enough to judge silence; nobody blinks."""
    for _ in range(3):
        with world.operator_gone():
            pass
        world.rest(0.5 * C)
    world.kill()


def two_at_once(world: World) -> None:
    other = replace(world.operator)
    other.start()
    try:
        world.rest(T)
        world.kill()
        world.rest(1.5 * T)
    finally:
        other.close()
    world.rest(C)


def starved(world: World) -> None:
    """It gets a tenth of a core, in slices, for 3 T."""
    with world.unobserved(), world.operator.starved(part=0.1):
        world.rest(T)
        world.kill()
        world.rest(2 * T)


def without_api_server(world: World, *, how: str) -> None:
    with world.bench.api_server_away(how):
        world.rest(T)
        world.kill()
        world.rest(1.5 * T)
        world.until(lambda: all(_found(world, place) for place in world.places), why="the dead are found meanwhile")
    world.until(
        lambda: all(world.status(place).get("counts", {}).get("down") == 4 for place in world.places),
        why="the status says so when the API server is back",
    )


def _found(world: World, place: Place) -> bool:
    down = {name for name, verdict in world.verdicts(place).items() if verdict == DOWN}
    return down == set(world.crew(place, DIES).names)


def readers_of_a_dead_operator(world: World) -> None:
    with world.operator_gone():
        world.rest(T)
        for place in world.places:
            said = asked(world, place, f"{STAYS}-0")
            world.find(f"{place.name}: without an operator there is no answer: {said}", true=said == "Unknown")
    world.rest(C)
    world.kill()


SCENARIOS = (
    Scenario("it stands still for 2 T (SIGSTOP)", partial(stopped, seconds=2 * T)),
    Scenario("it stands still for 0.4 T", partial(stopped, seconds=0.4 * T)),
    Scenario("it is killed, and back at once", partial(restarted, seconds=0.0)),
    Scenario("it is killed, and back after 2 T", partial(restarted, seconds=2 * T)),
    Scenario("it is killed three times, with C/2 between", restarted_often),
    Scenario("there are two of it for 2.5 T", two_at_once),
    Scenario("it gets a tenth of a core for 3 T", starved),
    Scenario("who asks while there is none", readers_of_a_dead_operator),
    Scenario("the API server is killed for 2.5 T", partial(without_api_server, how="killed")),
    Scenario("the API server stands still for 2.5 T", partial(without_api_server, how="stopped")),
)
