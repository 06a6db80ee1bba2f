"""The API server is away for a while: killed, stopped, or behind a black hole. Judging goes on, readers of the store
are answered, nothing piles up; and when it is back it is told once, with what was found meanwhile.

The server is these tests' own, since they take it from everybody. An outage here is longer than T, not two minutes.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from kubernetes import client, config
from servicegroup import ServiceGroup

from tests.apiserver.conftest import define, kubectl_of
from tests.apiserver.operators import Kubectl, Site, account, running, shipped_rules, until
from tests.apiserver.relay import Relay, relay
from tests.apiserver.test_operator import Cluster
from tests.localcluster import processes
from tests.localcluster.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
INTERVAL, DOWN_TIME = 3, 8
"""Long enough that a busy machine's lateness is no news, which would be a write of its own."""

OK = 200
MOST_DESCRIPTORS = 10
"""More files than before an outage that may be open in it: a connection for each watch, and some on their way."""


@dataclass(frozen=True, slots=True)
class Own:
    """A control plane that a test may take away."""

    plane: ControlPlane
    kubectl: Kubectl
    admin: client.ApiClient
    audit: Path


@pytest.fixture(scope="module")
def own(programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with ControlPlane.start(programs, folder=tmp_path_factory.mktemp("own"), audit_log=audit) as plane:
        kubectl = kubectl_of(plane, program=programs["kubectl"], home=tmp_path_factory.mktemp("home"))
        define(kubectl)
        opened: Any = config.new_client_from_config(str(plane.kubeconfig()))
        with opened:
            yield Own(plane, kubectl, opened, audit)


@pytest.fixture
def way(own: Own) -> Iterator[Relay]:
    with relay(urlsplit(own.plane.url).port or 0) as opened:
        yield opened


@pytest.fixture
def cluster(own: Own, tmp_path: Path) -> Iterator[Cluster]:
    namespace = f"test-{uuid4().hex[:12]}"
    own.kubectl("create", "namespace", namespace)
    kubeconfig = account(own.kubectl, namespace=namespace, rules=shipped_rules(), folder=tmp_path)
    site = Site(namespace, tmp_path, kubeconfig, arguments=("--liveness", f"http://127.0.0.1:{free_port()}/healthz"))
    tended = Cluster(client.CustomObjectsApi(own.admin), client.CoreV1Api(own.admin), site, own.audit)
    yield tended
    site.close()
    for name in tended.names():
        tended.delete(name=name)


def through(relay: Relay, kubeconfig: Path) -> None:
    found = json.loads(kubeconfig.read_text(encoding="utf-8"))
    for one in found["clusters"]:
        one["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
    kubeconfig.write_text(json.dumps(found), encoding="utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def killed(own: Own, _way: Relay) -> Iterator[None]:
    own.plane.kill_apiserver()
    try:
        yield
    finally:
        own.plane.start_apiserver()


@contextmanager
def stopped(own: Own, _way: Relay) -> Iterator[None]:
    own.plane.pause_apiserver()
    try:
        yield
    finally:
        own.plane.resume_apiserver()


@contextmanager
def swallowed(_own: Own, way: Relay) -> Iterator[None]:
    way.swallow()
    try:
        yield
    finally:
        way.mend()


AWAY: Mapping[str, Callable[[Own, Relay], AbstractContextManager[None]]] = {
    "killed and started again": killed,
    "stopped and continued": stopped,
    "behind a black hole that forgets its connections": swallowed,
}


@pytest.mark.timeout(150, func_only=True)
@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
def test_an_api_server_that_is(
    own: Own, way: Relay, cluster: Cluster, away: Callable[[Own, Relay], AbstractContextManager[None]]
) -> None:
    site = cluster.site
    if away is swallowed:
        through(way, site.kubeconfig)
    both, dead = {"node-1": "Up", "node-2": "Up"}, {"node-1": "Up", "node-2": "Down"}
    spec: dict[str, Any] = {"reportIntervalSeconds": INTERVAL, "serviceDownTimeSeconds": DOWN_TIME}
    cluster.create(**spec)
    cluster.create(name="edge", **spec)
    with (
        running(site),
        cluster.join("node-1"),
        cluster.join("node-1", "node-2", name="edge"),
        ServiceGroup(site.url, f"{site.namespace}/compute") as group,
    ):
        doomed = site.agent("node-2")
        until(lambda: cluster.verdicts() == both and cluster.verdicts(name="edge") == both, why="all are Up")
        until(lambda: settled(cluster, "compute") and settled(cluster, "edge"), why="nothing else is to be told")
        open_before = descriptors(site)

        with away(own, way):
            processes.kill(doomed)
            until(lambda: group.member("node-2").is_down, why="the store has the death")
            if away is not swallowed:  # there the write that is on its way fails when all is well again
                until(lambda: "compute: its status waits" in site.log, why="a write has failed")
            until(lambda: group.member("node-1").age < INTERVAL, why="the record is fresh")
            assert alive(site)
            assert descriptors(site) <= open_before + MOST_DESCRIPTORS
            back = datetime.now(UTC)

        cluster.create(name="late")
        cluster.edit(name="edge", overrides=[{"member": "node-1", "forcedDown": True}])
        until(lambda: cluster.verdicts() == dead, why="it is told what was found meanwhile")
        if away is not swallowed:  # a watch that nobody told of its end is given up after more than a minute
            until(lambda: cluster.condition("Ready", name="late"), why="the new group is tended")
            until(lambda: cluster.verdicts(name="edge")["node-1"] == "Down", why="the spec's change is taken in")
        assert alive(site)
        # What a stopped server had received it may carry out when it goes on, though nobody waits for the answer.
        left_behind = 1 if away is stopped else 0
        until(lambda: written(cluster, name="compute", since=back) > 0, why="the operator's own write is taken")
        assert written(cluster, name="compute", since=back) <= 1 + left_behind


def test_a_watch_that_is_dead_and_was_told_nothing_is_given_up_and_what_it_missed_is_taken_in(
    way: Relay, cluster: Cluster
) -> None:
    site = cluster.site
    through(way, site.kubeconfig)
    cluster.create()
    log = site.folder / "watching.log"
    watching = processes.start(
        [sys.executable, "-m", "tests.apiserver.watching", site.namespace, "3"],
        log=log,
        environ={"PATH": os.environ["PATH"], "HOME": str(site.folder), "KUBECONFIG": str(site.kubeconfig)},
        folder=ROOT,
    )
    try:
        until(lambda: "groups: compute\n" in log.read_text(encoding="utf-8"), why="the group is watched")
        way.swallow()
        way.mend()
        cluster.create(name="late")
        until(lambda: "groups: compute late\n" in log.read_text(encoding="utf-8"), why="the new one is taken in")
    finally:
        processes.kill(watching)


def settled(cluster: Cluster, name: str) -> bool:
    """Whether the agents have taken up the group's interval, and the pods are known."""
    promised = cluster.status(name=name)["effective"]["promisedIntervalSeconds"]
    return bool(promised == INTERVAL and cluster.condition("RosterKnown", name=name)["status"] == "True")


def written(cluster: Cluster, *, name: str, since: datetime) -> int:
    """How many writes of a group's status the server took; of those before it was ready, or left, it took none."""
    patches = (request for request in cluster.requests() if request["verb"] == "patch")
    ours = [request for request in patches if request["objectRef"]["namespace"] == cluster.site.namespace]
    return sum(
        request["objectRef"]["name"] == name
        and request["responseStatus"]["code"] == OK
        and datetime.fromisoformat(request["stageTimestamp"]) >= since
        for request in ours
    )


def alive(site: Site) -> bool:
    address = urlsplit(site.arguments[-1])
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == OK
    finally:
        connection.close()


def descriptors(site: Site) -> int:
    return len(list(Path(f"/proc/{site.pid}/fd").iterdir()))
