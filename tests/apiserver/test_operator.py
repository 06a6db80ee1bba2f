"""The operator on a real API server, with the rights that it ships with: what a user sees, what it leaves behind."""

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from servicegroup import ServiceGroup
from servicegroup.client import NotPublished

from tests.apiserver.operators import Kubectl, Site, account, crowd, running, shipped_rules, until
from tests.localcluster import processes
from tests.localcluster.controlplane import ControlPlane

Body = dict[str, Any]
QUICK = {"reportIntervalSeconds": 1, "serviceDownTimeSeconds": 3}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The resources of one namespace as an administrator sees them, and the operator that tends them."""

    api: Any
    core: client.CoreV1Api
    site: Site
    audit: Path

    @property
    def _place(self) -> dict[str, str]:
        return {
            "group": "servicegroup.dev",
            "version": "v1alpha1",
            "namespace": self.site.namespace,
            "plural": "computeservicegroups",
        }

    def create(self, *, name: str = "compute", **spec: Any) -> None:
        body = {
            "apiVersion": "servicegroup.dev/v1alpha1",
            "kind": "ComputeServiceGroup",
            "metadata": {"name": name},
            "spec": {**QUICK, **spec},
        }
        self.api.create_namespaced_custom_object(**self._place, body=body)

    def read(self, *, name: str = "compute") -> Body:
        body: Body = self.api.get_namespaced_custom_object(**self._place, name=name)
        return body

    def names(self) -> list[str]:
        items = self.api.list_namespaced_custom_object(**self._place)["items"]
        return [item["metadata"]["name"] for item in items]

    def delete(self, *, name: str = "compute") -> None:
        self.api.delete_namespaced_custom_object(**self._place, name=name)

    def edit(self, *, name: str = "compute", **spec: Any) -> None:
        self.api.patch_namespaced_custom_object(
            **self._place, name=name, body={"spec": spec}, _content_type="application/merge-patch+json"
        )

    def status(self, *, name: str = "compute") -> Body:
        status: Body = self.read(name=name).get("status", {})
        return status

    def verdicts(self, *, name: str = "compute") -> dict[str, str]:
        return {one["member"]: one["verdict"] for one in self.status(name=name).get("members", ())}

    def condition(self, kind: str, *, name: str = "compute") -> Body:
        found = [one for one in self.status(name=name).get("conditions", ()) if one["type"] == kind]
        return found[0] if found else {}

    def join(self, *members: str, name: str = "compute") -> ExitStack:
        """Members that beat until the stack is closed, and leave then."""
        stack = ExitStack()
        group = stack.enter_context(ServiceGroup(self.site.url, f"{self.site.namespace}/{name}"))
        for member in members:
            stack.enter_context(group.join(member, report_interval=1))
        return stack

    def writes(self, *, since: datetime) -> int:
        """By when they were asked for: a line of the log may come later than the write is seen. The operator tells of
        other namespaces' groups too: those are not counted.
        """
        patches = [request for request in self.requests() if request["verb"] == "patch"]
        ours = (request for request in patches if request["objectRef"]["namespace"] == self.site.namespace)
        return sum(datetime.fromisoformat(request["requestReceivedTimestamp"]) >= since for request in ours)

    def requests(self) -> list[Body]:
        """What the operator asked of the API server, by the server's audit log."""
        lines = [json.loads(line) for line in self.audit.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        return [line for line in lines if line["user"]["username"] == self.site.user]


@pytest.fixture
def rules() -> Sequence[Mapping[str, Any]]:
    return shipped_rules()


@pytest.fixture
def cluster(  # noqa: PLR0917 - fixtures
    admin: client.ApiClient,
    namespace: str,
    kubectl: Kubectl,
    audit_log: Path,
    tmp_path: Path,
    rules: Sequence[Mapping[str, Any]],
) -> Iterator[Cluster]:
    kubeconfig = account(kubectl, namespace=namespace, rules=rules, folder=tmp_path)
    site = Site(namespace, tmp_path, kubeconfig)
    tended = Cluster(client.CustomObjectsApi(admin), client.CoreV1Api(admin), site, audit_log)
    yield tended
    site.close()


def test_who_beats_is_up_who_stops_is_down_and_who_leaves_is_gone(cluster: Cluster) -> None:
    cluster.create(expectedMembers=["never-came"])
    with running(cluster.site) as site, cluster.join("node-1", "rack 2: node-ü \U0001f5a5"):
        until(lambda: cluster.verdicts().get("node-1") == "Up", why="node-1 is Up")
        with cluster.join("node-3"):
            until(lambda: cluster.verdicts().get("node-3") == "Up", why="node-3 is Up")
        until(lambda: "node-3" not in cluster.verdicts(), why="node-3 left")
        doomed = site.agent("node-4")
        until(lambda: cluster.verdicts().get("node-4") == "Up", why="node-4 is Up")
        processes.kill(doomed)
        until(lambda: cluster.verdicts().get("node-4") == "Down", why="node-4 is silent and Down")
        status = cluster.status()
    assert {one["member"]: one["reason"] for one in status["notUp"]} == {
        "node-4": "Silent",
        "never-came": "Missing",
    }
    assert status["counts"] | {"summary": ""} == {
        "total": 4, "up": 2, "down": 1, "unknown": 1,
        "forcedDown": 0, "disabled": 0, "draining": 0, "missing": 1, "summary": "",
    }  # fmt: skip
    assert status["counts"]["summary"] == "2/4"


def test_events_name_who_changed_once_for_each_pass(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.verdicts().get("node-1") == "Up", why="node-1 is Up")
        events = until(lambda: cluster.core.list_namespaced_event(cluster.site.namespace).items, why="an Event")
    assert [(event.reason, event.type, event.message) for event in events] == [
        ("MembersUp", "Normal", "1 member up: node-1")
    ]


def test_forced_down_wins_at_once_for_every_reader_and_its_end_shows_what_was_seen(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1", "node-2"):
        until(lambda: set(cluster.verdicts().values()) == {"Up"}, why="both are Up")
        cluster.edit(overrides=[{"member": "node-1", "forcedDown": True}, {"member": "node-2", "disabled": True}])
        until(lambda: cluster.verdicts() == {"node-1": "Down", "node-2": "Up"}, why="node-1 is forced down")
        with ServiceGroup(cluster.site.url, f"{cluster.site.namespace}/compute") as group:
            assert group.member("node-1").is_down
            assert group.member("node-2").disabled
        assert cluster.status()["counts"]["forcedDown"] == 1
        cluster.edit(overrides=[])
        until(lambda: set(cluster.verdicts().values()) == {"Up"}, why="both are Up again")


def test_a_restart_keeps_verdicts_and_since_and_the_conditions_times(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site) as site, cluster.join("node-1"):
        doomed = site.agent("node-2")
        until(lambda: cluster.verdicts().get("node-2") == "Up", why="node-2 is Up")
        processes.kill(doomed)
        until(lambda: cluster.verdicts() == {"node-1": "Up", "node-2": "Down"}, why="node-2 is Down")
        before = cluster.status()
        site.end(signal.SIGKILL)
        site.start()
        with cluster.join("node-3"):
            until(lambda: cluster.verdicts().get("node-3") == "Up", why="the new operator tells of a newcomer")
            after = cluster.status()
    assert [one for one in after["members"] if one["member"] != "node-3"] == before["members"]
    assert times(after) == times(before)


def times(status: Body) -> dict[str, str]:
    """When the conditions last changed, but for the two that the test changes."""
    changed = ("Available", "Ready")
    return {one["type"]: one["lastTransitionTime"] for one in status["conditions"] if one["type"] not in changed}


def test_a_group_is_gone_at_once_when_it_is_deleted_while_the_operator_is_down(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site) as site, cluster.join("node-1"):
        until(lambda: cluster.verdicts().get("node-1") == "Up", why="node-1 is Up")
        assert site.end() == 0
        metadata = cluster.read()["metadata"]
        cluster.delete()
        assert cluster.names() == []
    assert "finalizers" not in metadata
    assert "annotations" not in metadata


def test_a_group_that_comes_and_goes_while_the_operator_runs_disturbs_no_other(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"), cluster.join("node-1", name="edge"):
        cluster.create(name="edge")
        until(lambda: cluster.verdicts(name="edge") == {"node-1": "Up"}, why="edge is tended")
        cluster.delete(name="edge")
        cluster.create(name="edge")
        until(lambda: cluster.verdicts(name="edge") == {"node-1": "Up"}, why="the new edge is tended")
        assert cluster.verdicts() == {"node-1": "Up"}


def test_a_store_that_nobody_configured_is_named_in_the_conditions_and_stalls(cluster: Cluster) -> None:
    cluster.create(store="nowhere")
    with running(cluster.site):
        until(lambda: cluster.condition("Stalled"), why="the group is told")
    assert cluster.condition("Stalled")["status"] == "True"
    assert cluster.condition("Ready")["reason"] == "UnknownStore"
    assert "'nowhere'" in cluster.condition("Ready")["message"]
    assert "default" in cluster.condition("Ready")["message"]


def test_a_url_file_that_cannot_be_read_is_named_and_heals_when_it_is_mounted(cluster: Cluster) -> None:
    folder = cluster.site.folder
    url_file, stores = folder / "late" / "url", folder / "stores.yaml"
    default = f"default: {{driver: db, url: '{cluster.site.url}'}}"
    stores.write_text(f"stores: {{{default}, late: {{driver: db, urlFile: '{url_file}'}}}}")
    cluster.site.arguments += ("--stores", str(stores))
    cluster.create(name="waits", store="late")
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.condition("Ready", name="waits"), why="the group is told")
        assert cluster.condition("Ready", name="waits")["reason"] == "StoreMisconfigured"
        assert str(url_file) in cluster.condition("Ready", name="waits")["message"]
        assert cluster.condition("Stalled", name="waits")["status"] == "False"
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="the other group is tended meanwhile")
        url_file.parent.mkdir()
        url_file.write_text(f"sqlite:///{folder / 'late.db'}\n")
        until(lambda: cluster.condition("Ready", name="waits")["status"] == "True", why="it heals")


def test_a_store_that_refuses_is_a_condition_and_disturbs_no_other(cluster: Cluster) -> None:
    folder = cluster.site.folder
    (folder / "broken.db").write_text("this is no database " * 1000)
    stores = folder / "stores.yaml"
    default = f"default: {{driver: db, url: '{cluster.site.url}'}}"
    stores.write_text(f"stores: {{{default}, broken: {{driver: db, url: 'sqlite:///{folder / 'broken.db'}'}}}}")
    cluster.site.arguments += ("--stores", str(stores))
    cluster.create(name="blind", store="broken")
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.condition("StoreReachable", name="blind").get("status") == "False", why="it is told")
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="the other group is tended")
    assert "not a database" in cluster.condition("StoreReachable", name="blind")["message"]
    assert cluster.condition("Available", name="blind")["status"] == "Unknown"


def test_a_group_whose_store_is_edited_moves_under_its_agents_and_says_where_they_are(cluster: Cluster) -> None:
    folder = cluster.site.folder
    stores, new = folder / "stores.yaml", f"sqlite:///{folder / 'new.db'}"
    stores.write_text(
        f"stores: {{default: {{driver: db, url: '{cluster.site.url}'}}, new: {{driver: db, url: '{new}'}}}}"
    )
    cluster.site.arguments += ("--stores", str(stores))
    name = f"{cluster.site.namespace}/compute"
    cluster.create(serviceDownTimeSeconds=5)
    with running(cluster.site) as site, ServiceGroup(new, name) as group:
        with cluster.join("node-1", "node-2"):
            until(lambda: cluster.verdicts() == {"node-1": "Up", "node-2": "Up"}, why="both are Up")
            assert cluster.status()["store"] == "default"
            assert cluster.condition("Moving")["status"] == "False"
            cluster.edit(store="new")
            until(lambda: cluster.status().get("movingFrom") == ["default"], why="the edit is taken in")
            until(lambda: cluster.condition("Moving").get("reason") == "MembersElsewhere", why="it says who is there")
            assert "node-1, node-2" in cluster.condition("Moving")["message"]
            site.end(signal.SIGKILL)
            site.start()
            until(lambda: len(shown(group)) == 2, why="readers of the new store have the verdicts")
            assert cluster.verdicts() == {"node-1": "Up", "node-2": "Up"}
            followers = [group.join(member, report_interval=1) for member in ("node-1", "node-2")]
        until(lambda: "movingFrom" not in cluster.status(), why="the move is over")
        assert cluster.condition("Moving")["reason"] == "Settled"
        assert cluster.status()["store"] == "new"
        assert cluster.verdicts() == {"node-1": "Up", "node-2": "Up"}
        assert [event.reason for event in cluster.core.list_namespaced_event(site.namespace).items] == ["MembersUp"]
        for follower in followers:
            follower.leave()


def shown(group: ServiceGroup) -> list[str]:
    try:
        return [member.name for member in group.members() if member.is_up]
    except NotPublished:
        return []


def test_an_api_server_that_is_away_stops_no_verdict_and_is_told_when_it_is_back(
    cluster: Cluster, control_plane: ControlPlane
) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="node-1 is Up")
        group = ServiceGroup(cluster.site.url, f"{cluster.site.namespace}/compute")
        control_plane.pause_apiserver()
        try:
            with cluster.join("node-2"):
                until(lambda: len(group.members()) == 2, why="the store has the newcomer's verdict")
                assert group.member("node-2").is_up
        finally:
            control_plane.resume_apiserver()
        until(lambda: "node-2" not in [one.name for one in group.members()], why="it left")
        group.close()
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="the status is the newest")


@pytest.mark.timeout(150)
def test_a_thousand_idle_members_cost_no_write_but_the_minutes(cluster: Cluster) -> None:
    cluster.create(reportIntervalSeconds=10, serviceDownTimeSeconds=60)
    with running(cluster.site), crowd(cluster.site, [f"node-{number}" for number in range(1000)], interval=10.0):
        status = until(
            lambda: cluster.status().get("counts", {}).get("up") == 1000 and cluster.status(), why="all Up", seconds=60
        )
        settled = datetime.now(UTC)
        later = lambda: cluster.status()["checkedTime"] != status["checkedTime"]  # noqa: E731 - read twice below
        until(later, why="the minute's write", seconds=90)
        assert until(lambda: cluster.writes(since=settled), why="the log has it") == 1
