"""The core of the suite: nine histories in which each fault of a store meets each of the operator's, of the members and
of the clocks, once each: an orthogonal array of four factors with three levels.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.scenarios.pace import DIES, STAYS, C, T
from tests.scenarios.scenario import Scenario
from tests.scenarios.world import World

Level = Callable[[World], Iterator[None]]

REPLACED = "replaced"
CREWS = {STAYS: 7, DIES: 3, REPLACED: 2}


def store_stands_still(world: World) -> Iterator[None]:
    with world.store("paused"):
        yield
        world.rest(T)


def store_is_killed(world: World) -> Iterator[None]:
    with world.store("down", instead="paused"):
        yield


def rows_are_lost(world: World) -> Iterator[None]:
    with world.store("rows_lost"):
        yield


def operator_works(world: World) -> Iterator[None]:
    del world
    yield


def operator_is_restarted(world: World) -> Iterator[None]:
    with world.operator_gone(wait=False):  # the store is away still
        yield


def api_server_is_killed(world: World) -> Iterator[None]:
    with world.bench.api_server_away("killed"):
        yield


def some_die(world: World) -> Iterator[None]:
    world.kill()
    yield


def some_are_replaced_and_some_leave(world: World) -> Iterator[None]:
    for place in world.places:
        world.crew(place, REPLACED).kill()
        world.crew(place, DIES).leave()
    yield
    for place in world.places:
        world.crew(place, REPLACED).start()


def some_are_suspended(world: World) -> Iterator[None]:
    with world.stopped():
        yield
        world.rest(1.5 * T)


def clocks_are_right(world: World) -> Iterator[None]:
    del world
    yield


def some_agents_clocks_are_wrong(world: World) -> Iterator[None]:
    """Of a file's agents there is but one clock, the machine's."""
    for place in world.places:
        wrong = "+600" if place.ways is not None else ""
        world.join(place, "elsewhen", ["elsewhen-0", "elsewhen-1"], clock=wrong)
    world.rest(C)
    yield


def operators_clock_steps(world: World) -> Iterator[None]:
    yield
    assert world.operator.clock is not None
    world.operator.clock.write_text("-600", encoding="ascii")


STORE: Mapping[str, Level] = {
    "the store stands still": store_stands_still,
    "the store is killed": store_is_killed,
    "all rows are lost": rows_are_lost,
}
OPERATOR: Mapping[str, Level] = {
    "the operator works": operator_works,
    "it is restarted": operator_is_restarted,
    "the API server is killed": api_server_is_killed,
}
MEMBERS: Mapping[str, Level] = {
    "some die": some_die,
    "some are replaced and some leave": some_are_replaced_and_some_leave,
    "some are suspended": some_are_suspended,
}
CLOCKS: Mapping[str, Level] = {
    "the clocks are right": clocks_are_right,
    "some agents' clocks are wrong": some_agents_clocks_are_wrong,
    "the operator's clock steps back": operators_clock_steps,
}


def array() -> Iterator[tuple[str, str, str, str]]:
    """L9: any two of the four columns have each pair of their levels once."""
    stores, operators, members, clocks = map(list, (STORE, OPERATOR, MEMBERS, CLOCKS))
    for a in range(3):
        for b in range(3):
            yield stores[a], operators[b], members[(a + b) % 3], clocks[(a + 2 * b) % 3]


def scenario(row: tuple[str, str, str, str]) -> Scenario:
    store, operator, members, clocks = row

    def play(world: World) -> None:
        with ExitStack() as stack:
            for level in (CLOCKS[clocks], STORE[store], OPERATOR[operator], MEMBERS[members]):
                stack.enter_context(contextmanager(level)(world))
            world.rest(0.4 * T)

    return Scenario("; ".join(row), play, crews=CREWS, clocked=clocks == "the operator's clock steps back")


CORE = tuple(scenario(row) for row in array())
