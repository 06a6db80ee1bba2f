"""The operator's composition root: configuration in, one process of supervised tasks; when one ends, all end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from servicegroup.clock import monotonic
from servicegroup.config import InvalidSetting
from servicegroup.operator import problems
from servicegroup.operator.groups import Groups
from servicegroup.operator.manifest import KIND
from servicegroup.operator.moves import Moves
from servicegroup.operator.outlet import Outlet, StoreOnly
from servicegroup.operator.reconcile import StoreLoop
from servicegroup.operator.roster import Roster
from servicegroup.operator.stores import SharedStore, StoreConfig

Stores = Mapping[str, SharedStore]
Beside = Callable[[Groups, Stores], Coroutine[Any, Any, None]]
"""Work that shares the process: when it ends, all ends."""

LOGGER = logging.getLogger("servicegroup.operator")
STUCK_SECONDS = 120.0
"""A pass has deadlines of 10 s for each of a handful of calls; who does not end one in this time never will."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """`namespaces` empty: all. `liveness` is kopf's URL to serve the probe on; `decisions` a file to append to.
    `defaults` are fields of a spec, for groups of a file that do not give them.
    """

    stores: Mapping[str, StoreConfig]
    store_id: str
    namespaces: tuple[str, ...] = ()
    liveness: str | None = None
    decisions: Path | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)


async def with_kubernetes(configuration: Configuration, *, beside: Sequence[Beside] = ()) -> None:
    """Until SIGTERM or SIGINT. Raises whatever ended a task; the process must end with it. What runs beside it has the
    groups as kopf watches them, and the very stores that the loops read.
    """
    # Both libraries take a second to import and 60 MiB: an operator without Kubernetes needs neither.
    from servicegroup.operator import cluster, handlers, publishing
    from servicegroup.operator.rollcall import Rollcall

    if configuration.defaults:
        LOGGER.warning(
            "report_interval and service_down_time of the config file apply to no group of Kubernetes: each resource "
            "has its own, spec.reportIntervalSeconds and spec.serviceDownTimeSeconds"
        )
    groups = Groups()
    api = await cluster.connect()
    outlet = publishing.ToCluster(api, groups)
    stores = _shared(configuration)
    roster = Roster(groups.policy_of)
    loops = _loops(configuration, groups, outlet, stores, roster=roster)
    rollcall = Rollcall(roster, api, configuration.namespaces)
    work = (outlet.run(), rollcall.run(), *_work(configuration, groups, outlet, loops))
    try:
        async with asyncio.TaskGroup() as tasks:
            # Before kopf: it cancels, on its way out, whatever was started after it.
            ours = [tasks.create_task(one) for one in work]
            ours += [tasks.create_task(start(groups, stores)) for start in beside]
            await asyncio.sleep(0)
            await handlers.watch(
                groups,
                roster,
                namespaces=configuration.namespaces,
                liveness=configuration.liveness,
                stuck=lambda: stuck(loops, now=monotonic()),
            )
            for task in ours:
                task.cancel()
    finally:
        await api.close()
        _close(stores)


async def without_kubernetes(configuration: Configuration, manifests: Path) -> None:
    """The same rules and the same loops over groups from a file, published to the store alone; until SIGTERM or
    SIGINT.
    """
    groups = Groups()
    for body in read_manifests(manifests):
        groups.put(with_defaults(body, configuration.defaults))
    stores = _shared(configuration)
    loops = _loops(configuration, groups, outlet := StoreOnly(), stores)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            ours = [tasks.create_task(work) for work in _work(configuration, groups, outlet, loops)]
            await ended.wait()
            for task in ours:
                task.cancel()
    finally:
        _close(stores)


def _shared(configuration: Configuration) -> dict[str, SharedStore]:
    return {name: SharedStore(store, configuration.store_id) for name, store in configuration.stores.items()}


def _close(stores: Stores) -> None:
    for store in stores.values():
        store.close()


def _loops(
    configuration: Configuration, groups: Groups, outlet: Outlet, stores: Stores, *, roster: Roster | None = None
) -> list[StoreLoop]:
    moves = Moves(tuple(configuration.stores))
    return [
        StoreLoop(store, groups, outlet, configuration.decisions, moves, roster=roster) for store in stores.values()
    ]


def _work(configuration: Configuration, groups: Groups, outlet: Outlet, loops: list[StoreLoop]) -> list[Any]:
    return [*(loop.run() for loop in loops), problems.report(groups, stores=configuration.stores, outlet=outlet)]


def stuck(loops: list[StoreLoop], *, now: float) -> str | None:
    """Which store's loop has not ended a pass for too long: a sign that only a restart helps."""
    late = [loop.config.name for loop in loops if now - loop.finished > STUCK_SECONDS]
    return f"no pass ended for {STUCK_SECONDS:.0f} s: store {', '.join(late)}" if late else None


def read_manifests(path: Path) -> list[dict[str, Any]]:
    """The ComputeServiceGroups of a YAML file. Raises InvalidSetting."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidSetting(f"--groups names {path}, which cannot be read: {error.strerror}; correct it") from None
    with contextlib.suppress(yaml.YAMLError, ValueError):  # ValueError: no UTF-8, or a day that no calendar has
        found = [body for body in yaml.safe_load_all(content.decode()) if body is not None]
        if found and all(isinstance(body, dict) and body.get("kind") == KIND and _name(body) for body in found):
            return found
    raise InvalidSetting(f"--groups names {path}, which holds no YAML of {KIND} resources alone; correct it")


def with_defaults(body: Mapping[str, Any], defaults: Mapping[str, int]) -> dict[str, Any]:
    """The manifest, with the fields that its spec does not give."""
    spec = body.get("spec") or {}
    return {**body, "spec": {**defaults, **spec}} if isinstance(spec, Mapping) else dict(body)


def _name(body: Mapping[str, Any]) -> bool:
    metadata = body.get("metadata")
    return isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str)
