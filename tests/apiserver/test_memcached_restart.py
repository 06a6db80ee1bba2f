"""memcached restarted under two hundred real beat loops and a running operator: it forgets all, and nothing changes."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from servicegroup import ServiceGroup
from servicegroup.model import GroupKey
from servicegroup.store import StoreUnavailable

from tests.apiserver.conftest import unavailable
from tests.apiserver.operators import Kubectl, Site, account, running, shipped_rules
from tests.contract import memcached
from tests.contract.memcached import Server, serving
from tests.fleet import Fleet, fleet

MEMBERS = [f"node-{number}" for number in range(200)]
DEAD = set(MEMBERS[:5])
INTERVAL, DOWN_TIME = 2, 10
AWAITED = 90.0

Group = Callable[[], dict[str, Any]]


@contextmanager
def settled(server: Server, site: Site, admin: client.ApiClient) -> Iterator[tuple[Fleet, Group, Path]]:
    """200 members, five of them Down."""
    place: dict[str, Any] = {
        "group": "servicegroup.dev", "version": "v1alpha1", "namespace": site.namespace,
        "plural": "computeservicegroups",
    }  # fmt: skip
    api: Any = client.CustomObjectsApi(admin)
    spec = {"reportIntervalSeconds": INTERVAL, "serviceDownTimeSeconds": DOWN_TIME}
    body = {
        "apiVersion": "servicegroup.dev/v1alpha1",
        "kind": "ComputeServiceGroup",
        "metadata": {"name": "compute"},
        "spec": spec,
    }
    api.create_namespaced_custom_object(**place, body=body)

    def status() -> dict[str, Any]:
        found: dict[str, Any] = api.get_namespaced_custom_object(**place, name="compute").get("status", {})
        return found

    key = GroupKey(site.namespace, "compute")
    try:
        with running(site), fleet(memcached.url([server])) as agents:
            agents.join(key, MEMBERS, interval=INTERVAL)
            until(lambda: counts(status()) == (200, 0, 0), why="all are up")
            agents.kill(key, DEAD)
            until(lambda: counts(status()) == (195, 5, 0), why="the dead are Down")
            yield agents, status, site.folder / "decisions.jsonl"
    finally:
        api.delete_namespaced_custom_object(**place, name="compute")


def counts(status: dict[str, Any]) -> tuple[int, int, int]:
    found = status.get("counts", {})
    return found.get("up", 0), found.get("down", 0), found.get("unknown", 0)


def until(condition: Callable[[], bool], *, why: str) -> None:
    limit = time.monotonic() + AWAITED
    while not condition():
        assert time.monotonic() < limit, f"not within {AWAITED:.0f} s: {why}"
        time.sleep(0.2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if memcached.PROGRAM is None:
        raise unavailable(memcached.HOW_TO_GET_IT)
    with serving(tmp_path) as (one,):
        yield one


@pytest.mark.timeout(240)
@pytest.mark.parametrize("who", ["memcached", "memcached and the operator"])
def test_a_restart_makes_no_transition_and_the_down_stay_down(  # noqa: PLR0917 - fixtures
    server: Server, admin: client.ApiClient, namespace: str, kubectl: Kubectl, tmp_path: Path, who: str
) -> None:
    kubeconfig = account(kubectl, namespace=namespace, rules=shipped_rules(), folder=tmp_path)
    decisions = ("--decisions", str(tmp_path / "decisions.jsonl"), "--namespaces", namespace)
    site = Site(namespace, tmp_path, kubeconfig, arguments=decisions, store=memcached.url([server]))
    operator_too = "operator" in who
    with settled(server, site, admin) as (_, status, file):
        before = len(file.read_text(encoding="utf-8").splitlines())
        server.kill()
        if operator_too:
            site.end()
        server.start()
        restarted = time.time()
        if operator_too:
            site.start()
        # The last moment at which a rule could still err: all of T after the store is back, and a healthy pass.
        with ServiceGroup(site.url, f"{namespace}/compute") as group:
            until(
                lambda: unchanged(status()) and judged(group) and time.time() > restarted + 2 * DOWN_TIME,
                why="twice T has passed on sight",
            )

        after = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[before:]]
        # A status names 100 members. Where record and operator are lost together, those who live are met anew.
        assert [one for one in after if one["before"] is not None or one["after"]["verdict"] != "Up"] == []
        assert operator_too or after == []
        assert {one["member"] for one in status()["notUp"]} == DEAD


def unchanged(status: dict[str, Any]) -> bool:
    """At no time it says that anybody is not what he was."""
    assert counts(status) == (195, 5, 0)
    return True


def judged(group: ServiceGroup) -> bool:
    """Whether the operator judges at this time, by its record in the store."""
    try:
        return all(member.age < INTERVAL for member in group.members())
    except (LookupError, StoreUnavailable):
        return False
