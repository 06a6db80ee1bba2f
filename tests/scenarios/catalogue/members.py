"""What becomes of members: they die, leave, come back, are two at once, or are called what they are not."""

from functools import partial

from tests.scenarios.ledger import DOWN, UP
from tests.scenarios.pace import DIES, INTERVAL, STAYS, C, T
from tests.scenarios.places import Place
from tests.scenarios.scenario import Scenario
from tests.scenarios.words import override, release, remake
from tests.scenarios.world import World

MOST = {STAYS: 4, DIES: 8}
HOLD = 10 * T
"""Seconds: the default of ten minutes, as much faster as all else."""
QUICK_HOLD = {"massFailure": {"maxHoldSeconds": int(HOLD)}}

ODD = ["a:b", "two words", "Zürich-計算-1", "node-1 ", "node-1", "NODE-1", "x" * 253]


def killed(world: World) -> None:
    world.kill()


def leave(world: World) -> None:
    for place in world.places:
        world.crew(place, DIES).leave()
    world.rest(1.5 * T)


def suspended(world: World, *, seconds: float) -> None:
    with world.stopped():
        world.rest(seconds)


def replaced(world: World) -> None:
    """Each machine's agent is killed and another starts, before anybody misses it."""
    world.kill()
    for place in world.places:
        world.crew(place, DIES).start()
    world.rest(1.5 * T)
    world.kill()


def rolling_upgrade(world: World) -> None:
    for _ in range(4):
        for place in world.places:
            world.crew(place, DIES).leave()
            world.crew(place, DIES).start()
        world.rest(INTERVAL)
    world.rest(T)
    world.kill()


def most_die(world: World) -> None:
    """They are held, and Down when the hold ends; nobody has to do anything."""
    world.kill()
    _held(world)


def most_die_and_are_released(world: World) -> None:
    world.kill()
    _held(world)
    for place in world.places:
        release(world, place)


def _held(world: World) -> None:
    """A machine that is too busy may make it late."""

    def held(place: Place) -> bool:
        found = {one.member for one in world.heard.now(place.name).values() if one.reason == "MassFailure"}
        return found == set(world.crew(place, DIES).names)

    for place in world.places:
        world.until(lambda place=place: held(place), why=f"{place.name}: who is silent is held")  # type: ignore[misc]


def most_are_cut_off(world: World) -> None:
    with world.stopped():
        world.rest(3 * T)
        _held(world)
    world.settle()
    for place in world.places:
        downs = {one.member for one in world.heard.of(place.name) if one.verdict == DOWN}
        world.find(f"{place.name}: nobody was Down: {downs}", true=not downs)


def odd_names(world: World) -> None:
    for place in world.places:
        world.join(place, "odd", ODD)
    world.rest(T)
    for place in world.places:
        up = {name for name, verdict in world.verdicts(place).items() if verdict == UP}
        world.find(f"{place.name}: each has a verdict of its own: {sorted(up)}", true=up >= set(ODD))
    world.kill("odd")


def many_at_once(world: World) -> None:
    for place in world.places:
        world.join(place, "many", [f"many-{number}" for number in range(60)])
    world.rest(T)
    world.kill()


def two_agents(world: World) -> None:
    """Of one node. The last to join owns it; when that dies the other takes over, and nobody is Down."""
    for place in world.places:
        world.join(place, "second", world.crew(place, DIES).names, watched=False)
    world.rest(T)
    world.kill("second")
    world.rest(2 * T)
    world.kill()


def forced_down(world: World) -> None:
    member = f"{STAYS}-0"
    for place in world.places:
        override(world, place, {"member": member, "forcedDown": True})
    world.until(lambda: _all(world, member, DOWN), why="an administrator's word counts at once")
    with world.operator_gone():
        pass
    world.rest(C)
    world.find("it survives a restart", true=_all(world, member, DOWN))
    for place in world.places:
        override(world, place)
    world.until(lambda: _all(world, member, UP), why="the word is taken back")
    world.kill()


def _all(world: World, member: str, verdict: str) -> bool:
    return all(world.verdicts(place).get(member) == verdict for place in world.places)


def group_deleted(world: World) -> None:
    """Its agents beat on and harm nobody; made anew, it knows them again."""
    for place in world.places:
        remake(world, place)
    world.rest(T)
    world.kill()


SCENARIOS = (
    Scenario("a third of them die", killed),
    Scenario("a third of them leave", leave),
    Scenario("a third of them are suspended for 2 T", partial(suspended, seconds=2 * T)),
    Scenario("a third of them are suspended for 0.5 T", partial(suspended, seconds=0.5 * T)),
    Scenario("new agents start in the place of old ones", replaced),
    Scenario("a rolling upgrade, a third each I", rolling_upgrade),
    Scenario("two thirds die at once", most_die, crews=MOST, held=HOLD, spec=QUICK_HOLD),
    Scenario("two thirds die at once, and a person says that they did", most_die_and_are_released, crews=MOST),
    Scenario("two thirds are cut off for 3 T", most_are_cut_off, crews=MOST, held=HOLD),
    Scenario("names of all kinds", odd_names),
    Scenario("60 start in the same second", many_at_once),
    Scenario("two agents for each of a third", two_agents),
    Scenario("one that beats is forced down", forced_down),
    Scenario("the group is deleted and made anew while they beat", group_deleted),
)
