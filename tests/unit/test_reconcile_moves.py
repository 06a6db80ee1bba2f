"""Real loops over real SQLite files: a group that moves from one store to another under its agents, forgetting, and the
interval that a store bears, as agents and readers find it.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servicegroup import ServiceGroup
from servicegroup.client import NotPublished
from servicegroup.model import Beat, GroupKey
from servicegroup.operator import tending
from servicegroup.operator.decisions import Notice
from servicegroup.operator.groups import Groups, Wanted
from servicegroup.operator.moves import Moves
from servicegroup.operator.outlet import StoreOnly
from servicegroup.operator.reconcile import StoreLoop
from servicegroup.operator.stores import SharedStore, StoreConfig
from servicegroup.store import open_store

KEY = GroupKey("default", "compute")
AWAITED = 30.0
WEEK_AGO = "UPDATE servicegroup_member SET stamp = stamp - 604800000000 WHERE member = ?"


class Told(StoreOnly):
    """What the API server would have been told: all of it, in order. A bell rings for each."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[Mapping[str, Any]] = []
        self.events: list[str] = []
        self.bell = asyncio.Event()

    def status(self, wanted: Wanted, status: Mapping[str, Any]) -> None:
        super().status(wanted, status)
        self.statuses.append(status)
        self.bell.set()

    def notices(self, _wanted: Wanted, told: list[Notice]) -> None:
        self.events += [one.message for one in told]

    async def until(self, condition: Callable[[Mapping[str, Any]], bool], *, why: str) -> Mapping[str, Any]:
        """The first status, of those that are still to come or the last, of which it is true."""
        limit = time.monotonic() + AWAITED
        while not (self.statuses and condition(self.statuses[-1])):
            self.bell.clear()
            left = limit - time.monotonic()
            assert left > 0, f"not within {AWAITED:.0f} s: {why}; {self.statuses[-1:]}"
            await asyncio.wait_for(self.bell.wait(), timeout=left)
        return self.statuses[-1]

    def verdicts(self, member: str) -> list[str]:
        """What it was called, each change once; "" where it was not there."""
        story = [members(status).get(member, "") for status in self.statuses]
        return [said for place, said in enumerate(story) if place == 0 or story[place - 1] != said]


def members(status: Mapping[str, Any]) -> dict[str, str]:
    return {one["member"]: one["verdict"] for one in status.get("members", ())}


async def published(group: ServiceGroup, expected: Mapping[str, str]) -> None:
    """Readers of a store find it there: a database offers no way to be told, so this polls."""
    limit = time.monotonic() + AWAITED
    while (found := record(group)) != expected:
        assert time.monotonic() < limit, f"not within {AWAITED:.0f} s: {expected}; {found}"
        await asyncio.sleep(0.05)


def record(group: ServiceGroup) -> dict[str, str]:
    try:
        return {member.name: str(member.verdict) for member in group.members()}
    except NotPublished:
        return {}


@dataclass
class Scene:
    """Two stores, a loop for each, and the group of one resource."""

    folder: Path
    groups: Groups = field(default_factory=Groups)
    told: Told = field(default_factory=Told)
    generation: int = 0
    spec: dict[str, Any] = field(default_factory=lambda: {"reportIntervalSeconds": 1, "serviceDownTimeSeconds": 5})

    def url(self, store: str) -> str:
        return f"sqlite:///{self.folder / store}.db"

    def edit(self, *, status: Mapping[str, Any] | None = None, **spec: Any) -> None:
        self.generation += 1
        self.spec |= spec
        metadata = {"name": "compute", "generation": self.generation}
        self.groups.put({"metadata": metadata, "spec": self.spec, "status": dict(status or {})})

    def group(self, store: str) -> ServiceGroup:
        return ServiceGroup(self.url(store), "compute")


def played(folder: Path, story: Callable[[Scene], Awaitable[None]], *, beats: float | None = None) -> Told:
    async def play() -> Told:
        scene = Scene(folder)
        moves = Moves(("old", "new"))
        stores = [
            SharedStore(StoreConfig(name, "db", url=scene.url(name), beats_per_second=beats), "default")
            for name in moves.stores
        ]
        loops = [StoreLoop(store, scene.groups, scene.told, moves=moves) for store in stores]
        running = [asyncio.create_task(loop.run()) for loop in loops]
        try:
            await story(scene)
            assert not [task for task in running if task.done()], "a loop ended"
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for store in stores:
                store.close()
        return scene.told

    return asyncio.run(play())


def test_a_group_moves_to_another_store_under_its_agents_and_nobody_notices(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.edit(store="old")
        with scene.group("old") as old, scene.group("new") as new:
            with old.join("node-2", report_interval=1), new.join("node-1", report_interval=1):
                first = old.join("node-1", report_interval=1)
                both = {"node-1": "Up", "node-2": "Up"}
                await scene.told.until(lambda status: members(status) == both, why="both are Up")
                scene.edit(store="new")
                status = await scene.told.until(lambda status: status["store"] == "new", why="the edit is taken in")
                assert status["movingFrom"] == ["old"]
                await published(new, both)
                first.leave()
                await scene.told.until(
                    lambda status: "1 member beats in store old still" in str(status["conditions"]), why="one is there"
                )
            # Both left; node-2 comes to the new store.
            with new.join("node-1", report_interval=1), new.join("node-2", report_interval=1):
                await scene.told.until(
                    lambda status: members(status) == both and "movingFrom" not in status, why="the move is over"
                )
                await published(new, both)

    told = played(tmp_path, story)

    assert "Down" not in {*told.verdicts("node-1"), *told.verdicts("node-2")}
    assert "Unknown" not in {*told.verdicts("node-1"), *told.verdicts("node-2")}


def test_who_dies_in_the_old_store_during_a_move_is_down_in_the_new_one(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.edit(store="old")
        store = open_store(scene.url("old"), store_id="default")
        store.join(KEY, Beat("node-2", "b" * 32, 1, 1.0), timeout=5.0)
        with scene.group("old") as old, old.join("node-1", report_interval=1), scene.group("new") as new:
            await scene.told.until(lambda status: members(status).get("node-2") == "Up", why="node-2 is Up")
            scene.edit(store="new")
            await scene.told.until(
                lambda status: members(status) == {"node-1": "Up", "node-2": "Down"}, why="the dead one is found"
            )
            assert scene.told.statuses[-1]["movingFrom"] == ["old"]
            await published(new, {"node-1": "Up", "node-2": "Down"})
        store.close()

    told = played(tmp_path, story)

    assert told.verdicts("node-2")[-2:] == ["Up", "Down"]
    assert set(told.verdicts("node-1")) <= {"", "Up"}


def test_who_was_down_for_the_time_is_forgotten_with_its_row_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "FORGET_EVERY", 0.2)

    async def story(scene: Scene) -> None:
        path = tmp_path / "old.db"
        store = open_store(scene.url("old"), store_id="default")
        for name in ("node-2", "node-3"):
            store.join(KEY, Beat(name, "b" * 32, 1, 1.0), timeout=5.0)
        store.close()
        with sqlite3.connect(path) as database:
            database.executemany(WEEK_AGO, [("node-2",), ("node-3",)])
        since = {"verdict": "Down", "reason": "Silent", "since": "2026-01-31T23:59:59Z"}
        dead = [{"member": "node-2", **since}, {"member": "node-3", **since}]
        scene.edit(
            store="old",
            forgetAfterSeconds=60,
            expectedMembers=["node-3"],
            status={"members": dead, "store": "old", "checkedTime": "2026-01-31T23:59:59Z"},
        )
        with scene.group("old") as group, group.join("node-1", report_interval=1):
            await scene.told.until(
                lambda status: members(status) == {"node-1": "Up", "node-3": "Down"}, why="node-2 is forgotten"
            )
            await published(group, {"node-1": "Up", "node-3": "Down"})
        with sqlite3.connect(path) as database:
            rows = database.execute("SELECT member FROM servicegroup_member").fetchall()
        assert ("node-2",) not in rows
        assert ("node-3",) in rows

    told = played(tmp_path, story)

    assert "1 member forgotten: node-2" in told.events


def test_the_agents_of_a_store_that_bears_little_are_told_a_longer_interval(tmp_path: Path) -> None:
    learnt = threading.Event()

    async def story(scene: Scene) -> None:
        scene.edit(store="old")
        with (
            scene.group("old") as group,
            group.join("node-1", report_interval=1),
            group.join("node-2", report_interval=1),
        ):
            status = await scene.told.until(
                lambda status: status["effective"]["promisedIntervalSeconds"] == 3, why="both have promised it"
            )
            assert status["effective"]["reportIntervalSeconds"] == 3
            assert status["effective"]["serviceDownTimeSeconds"] == 15
            learnt.set()

    told = played(tmp_path, story, beats=1.0)

    assert learnt.is_set()
    assert {*told.verdicts("node-1"), *told.verdicts("node-2")} <= {"", "Up"}
