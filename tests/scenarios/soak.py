"""`make soak MINUTES=10 SEED=7`: 500 members on each store, random faults that overlap, the same ones for a seed.

It ends with what was done and how the verdicts were: faults, true deaths, false downs, missed deaths, Unknown seconds
of the living, the worst decision times; and fails when a verdict was wrong.
"""

import argparse
import heapq
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from servicegroup.clock import monotonic

from tests.scenarios.bench import STORES, bench
from tests.scenarios.ledger import Figures, Pace
from tests.scenarios.making import world
from tests.scenarios.plan import API_SERVER, OPERATOR, Act, plan
from tests.scenarios.world import World

CREWS = {f"crew-{number}": 50 for number in range(10)}
PACE = Pace(interval=10.0, down_time=60.0, grace=10.0)
"""The defaults; six stores are 300 beats a second. The grace is what a machine of two cores may add to anything."""

FAULTS = ("paused", "down", "restarted", "rows_lost", "unreachable", "refused", "read_only", "gone_back", "evicting")
OF_THE_OPERATOR = ("stopped", "restarted", "starved")
OF_THE_API_SERVER = ("killed", "stopped")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - no secret
    parser.add_argument("--stores", default=",".join(STORES))
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}, {given.minutes:g} minutes, stores {given.stores}", flush=True)
    with tempfile.TemporaryDirectory(prefix="servicegroup-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with (
            bench(folder, stores=given.stores.split(",")) as site,
            world(site, site.places, crews=CREWS, pace=PACE) as one,
        ):
            faults: dict[str, Sequence[str]] = {
                place.name: [name for name in FAULTS if place.fault(name)] for place in site.places
            }
            faults |= {OPERATOR: OF_THE_OPERATOR, API_SERVER: OF_THE_API_SERVER}
            acts = plan(
                seed=given.seed,
                seconds=given.minutes * 60,
                down_time=PACE.down_time,
                faults=faults,
                crews=list(CREWS),
            )
            perform(one, acts)
            one.settle()
            figures = one.figures()
    return report(acts, figures, findings=one.findings)


def perform(one: World, acts: Sequence[Act]) -> None:
    began, order = monotonic(), count()
    running: list[tuple[float, int, Act, ExitStack]] = []
    with ExitStack() as everything:
        waiting = list(acts)
        while waiting or running:
            ends, begins = running[0][0] if running else float("inf"), waiting[0].at if waiting else float("inf")
            time.sleep(max(0.0, began + min(ends, begins) - monotonic()))
            if ends <= begins:
                _, _, act, stack = heapq.heappop(running)
                stack.close()
                print(f"{monotonic() - began:6.0f} s  over: {_shown(act)}", flush=True)
                continue
            act = waiting.pop(0)
            print(f"{monotonic() - began:6.0f} s  {_shown(act)}, for {act.lasts:.0f} s", flush=True)
            stack = everything.enter_context(ExitStack())
            stack.enter_context(_fault(one, act))
            heapq.heappush(running, (act.at + act.lasts, next(order), act, stack))


def _shown(act: Act) -> str:
    return f"{act.target}{' ' if act.crew else ''}{act.crew}: {act.fault}"


def _fault(one: World, act: Act) -> AbstractContextManager[None]:
    if act.target == API_SERVER:
        return one.bench.api_server_away(act.fault)
    if act.target == OPERATOR:
        return _of_the_operator(one)[act.fault]()
    place = next(place for place in one.places if place.name == act.target)
    if act.crew:
        return _of_a_crew(one, act)
    return one.store(act.fault, at=[place])


def _of_the_operator(one: World) -> Mapping[str, Callable[[], AbstractContextManager[None]]]:
    @contextmanager
    def stopped() -> Iterator[None]:
        with one.unobserved(), one.operator.stopped():
            yield

    @contextmanager
    def starved() -> Iterator[None]:
        with one.unobserved(), one.operator.starved(part=0.2):
            yield

    restarted = partial(one.operator_gone, wait=False)
    return {"stopped": stopped, "restarted": restarted, "starved": starved}


@contextmanager
def _of_a_crew(one: World, act: Act) -> Iterator[None]:
    crew = one.crew(next(place for place in one.places if place.name == act.target), act.crew)
    if act.fault == "suspended":
        with crew.stopped():
            yield
        return
    (crew.kill if act.fault == "killed" else crew.leave)()
    yield
    crew.start()


def report(acts: Sequence[Act], figures: Mapping[str, Figures], *, findings: Sequence[str]) -> int:
    """The exit code; all else is printed."""
    print(f"\n{sum(not act.crew for act in acts)} faults, {sum(bool(act.crew) for act in acts)} crews of 50 silenced")
    for store, one in figures.items():
        waits, late = max(one.waits, default=0.0), max(one.late, default=0.0)
        print(
            f"{store}: {one.members} members, {one.deaths} true deaths, {len(one.false_downs)} false downs, "
            f"{len(one.missed) + len(one.risen)} missed, {one.unknown / one.members:.1f} s Unknown a living member "
            f"({one.beyond / one.members:.1f} beyond the rules), death to Down at most {waits / PACE.down_time:.2f} T, "
            f"late by {late / PACE.sight:.2f} C at most"
        )
        for what, names in (("false down", one.false_downs), ("missed", one.missed), ("risen", one.risen)):
            print("".join(f"  {what}: {name}\n" for name in names[:20]), end="")
    print("".join(f"  {finding}\n" for finding in findings), end="")
    return 0 if all(one.sound for one in figures.values()) and not findings else 1
