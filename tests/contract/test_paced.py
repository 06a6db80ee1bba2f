"""The interval that a store bears: a thousand real beat loops, a real operator, PostgreSQL, `maxBeatsPerSecond` 50."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from servicegroup import ServiceGroup
from servicegroup.model import GroupKey

from tests.contract.conftest import ready
from tests.contract.databases import DATABASE, Server
from tests.fleet import fleet
from tests.localcluster import processes

MOST = 50
MEMBERS = 500
GROUPS = {
    "compute": {"reportIntervalSeconds": 10, "serviceDownTimeSeconds": 60},
    "network": {"reportIntervalSeconds": 10, "serviceDownTimeSeconds": 25},
}
"""Either of them alone could beat every 10 s."""

PACED = 23.0
"""Seconds: 1000 members at 50 a second, as if each wait were shortened by all of the jitter, rounded up."""

AWAITED = 120.0


@contextmanager
def operator(folder: Path, url: str) -> Iterator[Path]:
    """The file of its decisions."""
    groups = [
        {"kind": "ComputeServiceGroup", "metadata": {"name": name}, "spec": spec} for name, spec in GROUPS.items()
    ]
    store = {"driver": "db", "url": url, "maxBeatsPerSecond": MOST}
    (folder / "groups.yaml").write_text(yaml.safe_dump_all(groups), encoding="utf-8")
    (folder / "stores.yaml").write_text(yaml.safe_dump({"stores": {"default": store}}), encoding="utf-8")
    flags = ("--groups", "groups.yaml", "--stores", "stores.yaml", "--decisions", "decisions.jsonl")
    command = [sys.executable, "-m", "servicegroup", "operator", *flags]
    child = processes.start(command, log=folder / "log", environ={"PATH": os.environ["PATH"]}, folder=folder)
    try:
        yield folder / "decisions.jsonl"
        assert not processes.ended(child), (folder / "log").read_text(encoding="utf-8")
    finally:
        processes.stop(child)


def decisions(file: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def until(condition: Callable[[], bool], *, why: str) -> None:
    limit = time.monotonic() + AWAITED
    while not condition():
        assert time.monotonic() < limit, f"not within {AWAITED:.0f} s: {why}"
        time.sleep(0.5)


BEATING = "FROM servicegroup_member WHERE state = 'beating' AND group_key NOT LIKE '%//canary'"


def beats(server: Server) -> int:
    return int(str(server.admin(f"SELECT sum(sequence) {BEATING}", database=DATABASE)[0][0]))


def promises(server: Server) -> set[float]:
    rows = server.admin(f"SELECT DISTINCT promised_interval {BEATING}", database=DATABASE)
    return {float(str(row[0])) for row in rows}


def up(group: ServiceGroup) -> int:
    try:
        return sum(member.is_up for member in group.members())
    except LookupError:
        return 0


@pytest.mark.timeout(400)
def test_a_thousand_members_stay_below_what_their_store_may_take_and_nobody_alive_goes_down(
    postgresql: Server, tmp_path: Path
) -> None:
    url = ready(postgresql).url()
    keys = {name: GroupKey("default", name) for name in GROUPS}
    dead = ["node-1", "node-2"]
    with (
        operator(tmp_path, url) as file,
        fleet(url) as agents,
        ServiceGroup(url, "compute") as compute,
        ServiceGroup(url, "network") as network,
    ):
        for key in keys.values():
            agents.join(key, [f"node-{number}" for number in range(MEMBERS)], interval=10.0)
        until(lambda: up(compute) == up(network) == MEMBERS, why="all are up")
        until(lambda: promises(postgresql) == {PACED}, why="all agents have taken up the longer interval")

        first, started = beats(postgresql), time.monotonic()
        agents.kill(keys["network"], dead)
        until(lambda: len(downs(file)) >= len(dead), why="the dead are found")
        assert beats(postgresql) - first <= MOST * (time.monotonic() - started)
    assert downs(file) == {("default/network", member) for member in dead}
    assert {one["downTimeSeconds"] for one in decisions(file) if one["after"]["verdict"] == "Down"} == {2.5 * PACED}


def downs(file: Path) -> set[tuple[str, str]]:
    """Whoever was anything but Up, ever."""
    return {(one["group"], one["member"]) for one in decisions(file) if (one["after"] or {}).get("verdict") != "Up"}
