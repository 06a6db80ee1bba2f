"""The loop of one store, on a real SQLite file: what readers find when others write into the store as well."""

import asyncio
import logging
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servicegroup import ServiceGroup
from servicegroup.liveness import Published
from servicegroup.model import LONGEST_PASS, GroupKey, Policy, Reason, Verdict
from servicegroup.operator.groups import Groups
from servicegroup.operator.outlet import StoreOnly
from servicegroup.operator.reconcile import StoreLoop
from servicegroup.operator.stores import SharedStore, StoreConfig
from servicegroup.record import Header
from servicegroup.store import open_store

KEY = GroupKey("default", "compute")
BODY: dict[str, Any] = {
    "metadata": {"name": "compute"},
    "spec": {"reportIntervalSeconds": 1, "serviceDownTimeSeconds": 5},
}
AWAITED = 20.0


async def until(condition: Callable[[], bool], *, why: str) -> None:
    limit = time.monotonic() + AWAITED
    while not condition():
        assert time.monotonic() < limit, f"not within {AWAITED:.0f} s: {why}"
        await asyncio.sleep(0.05)


def tended(path: Path, *, then: Callable[[ServiceGroup], None], also: Callable[[], bool] = lambda: True) -> None:
    """A member that beats and a loop that judges it; `then` does something to the store, the loop makes up for it, and
    what is `also` awaited comes.
    """

    async def story() -> None:
        url = f"sqlite:///{path}"
        groups = Groups()
        groups.put(BODY)
        shared = SharedStore(StoreConfig("default", "db", url=url), "default")
        loop = StoreLoop(shared, groups, StoreOnly())
        with ServiceGroup(url, "compute") as group, group.join("node-1", report_interval=0.5):
            running = asyncio.create_task(loop.run())
            try:
                await until(lambda: up(group) == ["node-1"], why="the member is published")
                then(group)
                await until(also, why="what is awaited of it")
                await until(lambda: up(group) == ["node-1"], why="the record is whole again")
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                shared.close()

    asyncio.run(story())


def up(group: ServiceGroup) -> list[str]:
    try:
        return [member.name for member in group.members() if member.is_up]
    except LookupError:
        return []


def test_a_store_that_was_lost_is_given_the_whole_record_again(tmp_path: Path) -> None:
    path = tmp_path / "beats.db"

    def lose(_group: ServiceGroup) -> None:
        for file in tmp_path.glob("beats.db*"):
            file.unlink()

    tended(path, then=lose)


def test_what_another_operator_wrote_over_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "beats.db"
    wrong = Published(Verdict.UNKNOWN, Reason.NOT_WATCHING, 0.0)

    def overwrite(_group: ServiceGroup) -> None:
        store = open_store(f"sqlite:///{path}", store_id="default")
        header = Header(99, Policy(1.0, 5.0), "e", 0.0, 0.0, publisher="another")
        store.publish(KEY, header, changes={"node-1": wrong}, whole=True, timeout=5.0)
        store.close()

    tended(path, then=overwrite)


def test_a_pass_that_took_long_is_in_the_log_with_what_took_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "beats.db"
    caplog.set_level(logging.INFO, logger="servicegroup.operator")

    def lock_for_a_while(_group: ServiceGroup) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(2.5 * LONGEST_PASS, other.close)

    tended(path, then=lock_for_a_while, also=lambda: "looking" in caplog.text)
    assert re.search(r"store default: a pass took more than 1 s, at most \d+\.\d s \(late .*looking \d", caplog.text)
