"""What becomes of the gateways between agents and a store that is well: no beat passes, and the operator sees that."""

from functools import partial

from tests.scenarios.catalogue.stores import MAX_HOLD, unheard
from tests.scenarios.ledger import UP
from tests.scenarios.pace import INTERVAL, C, T
from tests.scenarios.scenario import Scenario
from tests.scenarios.world import World


def unheard_for_less_than_t(world: World, *, fault: str, seconds: float) -> None:
    with world.unheard(fault):
        world.rest(seconds)
    world.rest(C)
    _nobody_blinked(world)
    world.kill()


def unnoticed(world: World, *, fault: str, seconds: float) -> None:
    """Half of the agents were there, and go to the other; a third of all die meanwhile."""
    with world.unnoticed(fault):
        world.rest(seconds / 2)
        world.kill()
        world.rest(seconds / 2)


def upgraded(world: World) -> None:
    with world.unnoticed("gateways_upgraded"):
        world.rest(C)
    _nobody_blinked(world)
    world.kill()


def beyond_patience(world: World, *, late: float, seconds: float) -> None:
    """No agent is ever answered in time: that it lives is known by what arrives."""
    with world.store("slow_both_ways", late):
        world.rest(seconds)
        _nobody_blinked(world)
        world.kill()
        world.rest(seconds)


def _nobody_blinked(world: World) -> None:
    for place in world.places:
        other = [one for one in world.heard.of(place.name) if one.verdict != UP]
        world.find(f"{place.name}: all were Up throughout, not {other}", true=not other)


SCENARIOS = (
    Scenario(
        "all stand still for 0.4 T (SIGSTOP)",
        partial(unheard_for_less_than_t, fault="gateways_stopped", seconds=0.4 * T),
        needs="gateways_stopped",
    ),
    Scenario(
        "all stand still for 1.5 T",
        partial(unheard, fault="gateways_stopped", seconds=1.5 * T),
        needs="gateways_stopped",
        held=MAX_HOLD,
    ),
    Scenario(
        "all are killed, and back at once",
        partial(unheard_for_less_than_t, fault="gateways_killed", seconds=0.0),
        needs="gateways_killed",
    ),
    Scenario(
        "all are killed, and back after 1.5 T",
        partial(unheard, fault="gateways_killed", seconds=1.5 * T),
        needs="gateways_killed",
        held=MAX_HOLD,
    ),
    Scenario(
        "one of two is killed, and back after 2 T",
        partial(unnoticed, fault="one_gateway_killed", seconds=2 * T),
        needs="one_gateway_killed",
    ),
    Scenario(
        "one of two stands still for 2 T",
        partial(unnoticed, fault="one_gateway_stopped", seconds=2 * T),
        needs="one_gateway_stopped",
    ),
    Scenario(
        "each question and each answer is 1.2 I on its way, for 3 T",
        partial(beyond_patience, late=1.2 * INTERVAL, seconds=1.5 * T),
        needs="slow_both_ways",
    ),
    Scenario("they are upgraded one by one", upgraded, needs="gateways_upgraded"),
)
