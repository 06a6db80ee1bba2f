"""What becomes of a store. In almost all of these some members die meanwhile: they are to be found, and nobody else."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from tests.scenarios.ledger import DOWN, UP
from tests.scenarios.pace import DIES, INTERVAL, C, T
from tests.scenarios.scenario import Scenario
from tests.scenarios.world import World

Play = Callable[[World], None]

MAX_HOLD = 600.0
"""Seconds for which those are held who fall silent with most others: the default."""


def for_a_time(fault: str, seconds: float, *arguments: float | str, dies_after: float | None = 0.5) -> Play:
    """The fault, and a death when that part of it is over; None: after it."""

    def play(world: World) -> None:
        with world.store(fault, *arguments):
            world.rest(seconds * (dies_after if dies_after is not None else 1.0))
            if dies_after is not None:
                world.kill()
                world.rest(seconds * (1 - dies_after))
        if dies_after is None:
            world.rest(C)
            world.kill()

    return play


def unheard(world: World, *, fault: str, seconds: float, arguments: Sequence[str] = ()) -> None:
    """All of a group at once: if for longer than T, the brake is for that."""
    with world.unheard(fault, *arguments):
        world.rest(seconds)
        for place in world.places:
            downs = [one for one in world.heard.of(place.name) if one.verdict == DOWN]
            world.find(f"{place.name}: nobody is Down while all are cut off: {downs}", true=not downs)
    world.settle()
    world.kill()


def contended(world: World, *arguments: str) -> None:
    """Each waits for others' locks, and gives way to them now and then; whoever lives is Up throughout."""
    with world.store("contended", *arguments):
        world.rest(0.5 * T)
        world.kill()
        world.rest(2 * T)
    for place in world.places:
        dead = world.crew(place, DIES).names
        others = [one for one in world.heard.of(place.name) if one.verdict != UP and one.member not in dead]
        world.find(f"{place.name}: the living were Up throughout, not {others}", true=not others)


def fails_over(world: World, *, lag: float, watched: bool) -> None:
    """To a replica in which those who died last, and were found, still live."""
    with ExitStack() as stack:
        stack.enter_context(world.unnoticed("replica_behind"))
        world.kill()
        world.rest(lag)
        if not watched:
            stack.enter_context(world.operator_gone())
        with world.store("primary_lost"):
            world.rest(INTERVAL)
    world.rest(T + C)


def join_before_the_store(world: World) -> None:
    with world.store("down"):
        for place in world.places:
            world.join(place, "newcomers", ["newcomer-0", "newcomer-1"])
        world.rest(2 * INTERVAL)


def comes_and_goes(world: World, *, fault: str) -> None:
    """Each time for less than T, as a server that restarts in a loop."""
    for _ in range(5):
        with world.store(fault):
            world.rest(0.3 * T)
        world.rest(0.3 * T)
    world.kill()


SCENARIOS = (
    Scenario("it stands still for 1.5 T (SIGSTOP)", for_a_time("paused", 1.5 * T), needs="paused"),
    Scenario("it stands still for 0.4 T", for_a_time("paused", 0.4 * T), needs="paused"),
    Scenario("it is killed, and back after 0.4 T", for_a_time("down", 0.4 * T), needs="down"),
    Scenario("it is killed, and back after 5 T", for_a_time("down", 5 * T), needs="down"),
    Scenario("it restarts", for_a_time("restarted", 0.0, dies_after=None), needs="restarted"),
    Scenario("it is killed five times, for 0.3 T each", partial(comes_and_goes, fault="down"), needs="down"),
    Scenario("each question is 0.02 I on its way, for 3 T", for_a_time("slow", 3 * T, 0.02 * INTERVAL), needs="slow"),
    Scenario("each question is 0.2 I on its way, for 3 T", for_a_time("slow", 3 * T, 0.2 * INTERVAL), needs="slow"),
    Scenario("each question is 0.8 I on its way, for 3 T", for_a_time("slow", 3 * T, 0.8 * INTERVAL), needs="slow"),
    Scenario("it takes no writes for 1.5 T", for_a_time("read_only", 1.5 * T), needs="read_only"),
    Scenario("it goes back by 0.7 T", for_a_time("gone_back", 0.7 * T, dies_after=None), needs="gone_back"),
    Scenario("it goes back by 1.5 T", for_a_time("gone_back", 1.5 * T, dies_after=None), needs="gone_back"),
    Scenario("all its rows are lost", for_a_time("rows_lost", 0.0, dies_after=None), needs="rows_lost"),
    Scenario("its rows are locked for 1.5 T", for_a_time("rows_locked", 1.5 * T, dies_after=None), needs="rows_locked"),
    Scenario("others lock its rows in all orders, for 2.5 T", contended, needs="contended"),
    Scenario(
        "the same, and transactions are serializable",
        lambda world: contended(world, "SERIALIZABLE"),
        needs="contended",
    ),
    Scenario(
        "others use up its connections for 1.5 T",
        for_a_time("connections_used_up", 1.5 * T),
        needs="connections_used_up",
    ),
    Scenario("others fill it, and it evicts", for_a_time("evicting", 0.0, dies_after=None), needs="evicting"),
    Scenario("one of its three servers dies", for_a_time("one_down", 2 * T, dies_after=0.2), needs="one_down"),
    Scenario(
        "nobody reaches it for 1.5 T: its packets vanish", for_a_time("unreachable", 1.5 * T), needs="unreachable"
    ),
    Scenario("its port refuses for 1.5 T", for_a_time("refused", 1.5 * T), needs="refused"),
    Scenario(
        "the agents alone cannot reach it for 1.5 T",
        partial(unheard, fault="cut_off", seconds=1.5 * T),
        needs="cut_off",
        held=MAX_HOLD,
    ),
    Scenario(
        "the operator alone cannot reach it for 1.5 T",
        for_a_time("out_of_the_operators_sight", 1.5 * T),
        needs="out_of_the_operators_sight",
    ),
    *(
        Scenario(
            f"it fails over to a replica that is {lag:g} T behind{', while the operator restarts' * (not watched)}",
            partial(fails_over, lag=lag * T, watched=watched),
            needs="primary_lost",
        )
        for lag, watched in ((0.5, True), (2.0, True), (2.0, False))
    ),
    Scenario("agents start before it does", join_before_the_store, needs="down"),
)
