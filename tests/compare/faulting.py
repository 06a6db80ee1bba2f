"""One run: systems and faults come in; when each fault was, and all that was said meanwhile, goes out.

Faults of nodes strike different nodes in the same second; those of stores strike all, one after the other.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from tests.compare import backing, environment, ours, population
from tests.compare.faults import ON_NODES, Fault, bystanders, nodes, spares, struck
from tests.compare.novas import DEAD_RETRY, Novas
from tests.compare.observations import Round, published
from tests.compare.plan import Episode, Plan, Seen, look
from tests.compare.readers import Reader
from tests.compare.systems import Kind, System
from tests.localcluster import CONTROL_PLANE, find_or_build, processes
from tests.localcluster.errors import LocalClusterError

__all__ = ["run"]

EVERY = 1.0
"""Seconds between two questions to each system."""

PAUSE = 90
AFTER_PAUSE = 120
AFTER_RESTART = DEAD_RETRY + 30
"""Seconds: a client of memcached that counts a server as dead may do so for that long."""

STARTING = 330.0
"""Seconds within which all must be up, beside the longest interval; a client of memcached that could not connect in its
second, on a busy machine, is out for five minutes."""


Said = Callable[[], Mapping[str, Sequence[Round]]]


def run(plan: Plan, *, progress: Callable[[str], None]) -> Seen:
    """Of our systems and Nova's. Raises LocalClusterError and Absent."""
    systems = [*plan.of(Kind.OURS), *plan.of(Kind.NOVA)]
    names = nodes(plan.faults, members=plan.members)
    with _started(plan, systems, names, progress=progress) as (people, said):
        absent = _until_up(systems, names, said=said, people=people, progress=progress)
        systems = [one for one in systems if one.name not in absent]
        episodes: dict[Fault, Episode] = {}
        on_nodes = [one for one in plan.faults if one in ON_NODES]
        if on_nodes:
            episodes |= _on_nodes(on_nodes, systems, people=people, said=said, progress=progress)
        for fault in plan.faults:
            if fault not in ON_NODES:
                episodes[fault] = _on_stores(plan, fault, people, progress=progress)
        if lost := people.lost():
            raise LocalClusterError(f"ended by themselves, so that nothing follows from this run: {', '.join(lost)}")
        progress("ending all processes")
        return Seen(dict(said()), {one.name: _concerning(one, episodes) for one in systems}, absent)


def _concerning(system: System, episodes: Mapping[Fault, Episode]) -> Mapping[Fault, Episode]:
    return {fault: one for fault, one in episodes.items() if not spares(system.kind, fault)}


@contextmanager
def _started(
    plan: Plan, systems: Sequence[System], names: Sequence[str], *, progress: Callable[[str], None]
) -> Iterator[tuple[population.Population, Said]]:
    folder = plan.folder
    every = EVERY * min(1.0, 2 * plan.scale)
    with ExitStack() as stack:
        python = environment.find_or_make(progress=progress) if plan.of(Kind.NOVA) else None
        programs = find_or_build(CONTROL_PLANE, progress=progress) if plan.of(Kind.OURS) else {}
        progress("starting MariaDB, PostgreSQL and memcached")
        servers = stack.enter_context(backing.serving(folder))
        novas = None
        if python is not None:
            progress("making Nova's tables by its migrations")
            novas = Novas(python, folder, servers, plan.scale)
            novas.prepare(plan.of(Kind.NOVA))
        progress("starting the API server and the operator")
        ourselves: Mapping[str, list[Round]] = {}
        if programs:
            ourselves = stack.enter_context(
                ours.operating(plan.of(Kind.OURS), programs=programs, backing=servers, folder=folder, every=every)
            )
        people = stack.enter_context(
            population.populated(
                names, systems, backing=servers, novas=novas, folder=folder, scale=plan.scale, progress=progress
            )
        )
        readers: dict[str, Reader] = {}
        for system in plan.of(Kind.NOVA):
            assert novas is not None
            file = folder / f"{system.name}.rounds"
            stack.callback(processes.stop, novas.reader(system, every=every, log=file))
            readers[system.name] = Reader(file)

        def said() -> Mapping[str, Sequence[Round]]:
            return {**ourselves, **{name: reader.rounds() for name, reader in readers.items()}}

        yield people, said


def _until_up(
    systems: Sequence[System],
    names: Sequence[str],
    *,
    said: Said,
    people: population.Population,
    progress: Callable[[str], None],
) -> dict[str, str]:
    """All are up, and have been asked about for longer than any of them waits before it calls somebody dead. Why some
    systems are not.
    """
    longest = max(one.interval for one in systems)
    limit = time.monotonic() + STARTING + longest
    while missing := {one.name: short for one in systems if (short := _not_up(one, names, said()))}:
        words = ", ".join(f"{len(members)} of {name}" for name, members in missing.items())
        progress(f"waiting until all are up: not yet {words}")
        if time.monotonic() > limit:
            break
        time.sleep(1)
    if len(missing) == len(systems):
        raise LocalClusterError(f"not up within {STARTING + longest:.0f} s: {missing}; ended: {people.lost()}")
    # So that what is measured is no first start: our operator finds nobody dead before it has watched for so long.
    ours_wait = max((one.down_time for one in systems if one.kind is Kind.OURS), default=0)
    look(max(ours_wait, longest), what="all are up; watching before the first fault", progress=progress)
    return {
        name: f"{len(short)} of its nodes were not up within {STARTING + longest:.0f} s"
        for name, short in missing.items()
    }


def _not_up(system: System, names: Sequence[str], said: Mapping[str, Sequence[Round]]) -> list[str]:
    rounds = said.get(system.name, ())
    latest = rounds[-1].said if rounds else {}
    wanted = [name for name in names if not (system.kind is Kind.NOVA and name in struck(Fault.AGENT_KILLED, names))]
    return [name for name in wanted if latest.get(name, ("",))[0] != "up"]


def _on_nodes(
    faults: Sequence[Fault],
    systems: Sequence[System],
    *,
    people: population.Population,
    said: Said,
    progress: Callable[[str], None],
) -> dict[Fault, Episode]:
    moments = {fault: people.strike(fault) for fault in faults}
    slowest = max(one.down_time for one in systems)
    limit = time.monotonic() + 1.2 * slowest + 20
    while time.monotonic() < limit:
        seen = said()
        open_ones = [
            f"{name} of {system.name}"
            for system in systems
            for fault in faults
            if not spares(system.kind, fault)
            for name in struck(fault, people.nodes)
            if published(seen[system.name], name, since=moments[fault]) is None
        ]
        progress(f"{', '.join(faults)}: {len(open_ones)} deaths not published, {limit - time.monotonic():.0f} s left")
        if not open_ones:
            break
        time.sleep(1)
    until = time.monotonic()
    people.heal()
    living = bystanders(people.nodes)
    return {fault: Episode(moments[fault], until, struck(fault, people.nodes), living) for fault in faults}


def _on_stores(plan: Plan, fault: Fault, people: population.Population, *, progress: Callable[[str], None]) -> Episode:
    since = time.monotonic()
    if fault is Fault.MEMCACHED_RESTARTED:
        people.backing.restart_memcached()
        look(AFTER_RESTART * plan.scale, what="memcached was restarted; looking", progress=progress)
    else:
        with people.backing.paused():
            look(PAUSE * plan.scale, what="the databases are paused", progress=progress)
        look(AFTER_PAUSE * plan.scale, what="the databases go on; looking", progress=progress)
    return Episode(since, time.monotonic(), (), bystanders(people.nodes))
