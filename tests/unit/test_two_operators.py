"""Two operators over one group at once, as where a rolling update starts the new one before the old one has ended."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servicegroup import ServiceGroup
from servicegroup.model import Beat, GroupKey
from servicegroup.operator.groups import Groups
from servicegroup.operator.outlet import StoreOnly
from servicegroup.operator.reconcile import StoreLoop
from servicegroup.operator.stores import SharedStore, StoreConfig
from servicegroup.store import open_store

KEY = GroupKey("default", "compute")
BODY: dict[str, Any] = {
    "metadata": {"name": "compute"},
    "spec": {"reportIntervalSeconds": 2, "serviceDownTimeSeconds": 5},
}
AWAITED = 40.0


@contextmanager
def operator(url: str) -> Iterator[StoreLoop]:
    """As a task of the test's; the status goes nowhere, the record into the store."""
    groups = Groups()
    groups.put(BODY)
    shared = SharedStore(StoreConfig("default", "db", url=url), "default")
    loop = StoreLoop(shared, groups, StoreOnly())
    task = asyncio.ensure_future(loop.run())
    try:
        yield loop
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        shared.close()


async def until(condition: Callable[[], bool], *, why: str) -> None:
    limit = time.monotonic() + AWAITED
    while not condition():
        assert time.monotonic() < limit, f"not within {AWAITED:.0f} s: {why}"
        await asyncio.sleep(0.02)


def verdicts(group: ServiceGroup) -> dict[str, str]:
    try:
        return {member.name: str(member.verdict) for member in group.members()}
    except LookupError:
        return {}


@pytest.mark.timeout(120)
def test_what_readers_are_told_does_not_flap_while_two_operators_publish(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'beats.db'}"
    told: list[dict[str, str]] = []

    async def story() -> None:
        with ServiceGroup(url, "compute") as group, group.join("node-1", report_interval=0.5):

            def say() -> dict[str, str]:
                found = verdicts(group)
                if not told or told[-1] != found:
                    told.append(found)
                return found

            dies(url)
            with operator(url):
                await until(lambda: say() == {"node-1": "Up", "node-2": "Up"}, why="both are Up")
                told.clear()
                await until(lambda: silent_for(group, "node-2") > 3.0, why="node-2 is silent")
                with operator(url) as second:
                    await until(lambda: say().get("node-2") == "Down", why="the first one finds the death")
                    await until(lambda: say() != {} and watched(second), why="the second one has watched as well")
                    limit = time.monotonic() + 3.0
                    await until(lambda: say() != {} and time.monotonic() > limit, why="both publish for a while")

                seen = list(told)
                with group.join("node-3", report_interval=0.5):
                    await until(lambda: "node-3" in verdicts(group), why="the first one goes on when the second ends")
                told[:] = seen

    asyncio.run(story())
    assert told == [{"node-1": "Up", "node-2": "Up"}, {"node-1": "Up", "node-2": "Down"}]


def dies(url: str) -> None:
    """One that joins, beats and is never heard again."""
    store = open_store(url, store_id="default")
    store.join(KEY, Beat("node-2", "a" * 32, 1, 2.0), timeout=5.0)
    store.beat(KEY, Beat("node-2", "a" * 32, 2, 2.0), timeout=5.0)
    store.close()


def silent_for(group: ServiceGroup, member: str) -> float:
    return time.time() - group.member(member).since.timestamp()


def watched(loop: StoreLoop) -> bool:
    tended = loop._judging.known(KEY)
    return tended is not None and tended.view.watch.watched(tended.spec.policy, now=loop.finished)
