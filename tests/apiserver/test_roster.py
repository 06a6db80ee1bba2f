"""The roster and the containers' states (rule 8) on a real API server: pods are created there, and their status written
as a kubelet would.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from servicegroup import ServiceGroup
from servicegroup.model import Beat, GroupKey, State
from servicegroup.store import open_store

from tests.apiserver import test_operator
from tests.apiserver.operators import running, shipped_rules, until
from tests.apiserver.pods import CRASHED, RUNNING, Pods
from tests.apiserver.test_operator import Cluster
from tests.localcluster import processes
from tests.localcluster.controlplane import ControlPlane

rules = test_operator.rules
cluster = test_operator.cluster


@pytest.fixture
def pods(cluster: Cluster) -> Pods:
    return Pods(cluster.core, cluster.site.namespace)


def reasons(cluster: Cluster, *, name: str = "compute") -> dict[str, str]:
    return {one["member"]: one["reason"] for one in cluster.status(name=name).get("members", ())}


def awaited(cluster: Cluster, **said: str) -> None:
    """Until these are the reasons, by member."""
    wanted = {member.replace("_", "-"): reason for member, reason in said.items()}
    until(lambda: reasons(cluster) == wanted, why=f"{wanted}")


def warnings(cluster: Cluster) -> list[str]:
    events = cluster.core.list_namespaced_event(cluster.site.namespace).items
    return [str(event.message) for event in events if event.type == "Warning"]


def test_whose_pod_runs_and_never_beats_is_missing_and_no_other(cluster: Cluster, pods: Pods) -> None:
    """The one that is found is made last: by then each of the others was seen for longer."""
    cluster.create()
    pods.create("unscheduled", node=None)
    pods.create("pulling", node="node-2")
    pods.report("pulling", phase="Pending", main={"waiting": {"reason": "ContainerCreating"}})
    pods.run("finished", node="node-3")
    pods.report("finished", phase="Succeeded", main={"terminated": {"exitCode": 0}})
    pods.run("leaving", node="node-4")
    pods.terminate("leaving")
    pods.run("stranger", node="node-5", group="edge")
    pods.run("beating", node="node-6")
    with running(cluster.site), cluster.join("node-6"):
        awaited(cluster, node_6="Beating")
        pods.run("silent", node="node-1")
        awaited(cluster, node_1="Missing", node_6="Beating")
        status = cluster.status()
        assert (status["counts"]["missing"], status["counts"]["unknown"]) == (1, 1)
        assert cluster.condition("RosterKnown")["status"] == "True"
        with cluster.join("node-1"):
            awaited(cluster, node_1="Beating", node_6="Beating")
        awaited(cluster, node_1="Missing", node_6="Beating")
        pods.delete("silent")
        awaited(cluster, node_6="Beating")


def test_a_container_that_does_not_run_is_down_apart_from_silence_until_it_runs(cluster: Cluster, pods: Pods) -> None:
    cluster.create()
    pods.run("main", node="node-1", containers=("main", "logs"))
    with running(cluster.site), cluster.join("node-1"):
        awaited(cluster, node_1="Beating")
        pods.report("main", main=CRASHED, logs=RUNNING)
        awaited(cluster, node_1="ServiceNotRunning")
        assert cluster.verdicts() == {"node-1": "Down"}
        assert warnings(cluster) == ["1 member down (ServiceNotRunning): node-1"]
        pods.report("main", main=RUNNING, logs=CRASHED)
        awaited(cluster, node_1="Beating")


@pytest.mark.timeout(180)
def test_what_the_api_server_cannot_confirm_kills_nobody(
    cluster: Cluster, pods: Pods, control_plane: ControlPlane
) -> None:
    """The last word before an outage was that a container had stopped; for all that is known it runs again. Members of
    two groups show how far the operator has come: one whose pod was reported later, one that dies later.
    """
    cluster.create(reportIntervalSeconds=4, serviceDownTimeSeconds=15)  # a busy machine is no gap for such a group
    cluster.create(name="quick")
    pods.run("main", node="node-1")
    name = f"{cluster.site.namespace}/compute"
    with running(cluster.site) as site, cluster.join("node-1"), ServiceGroup(site.url, name) as group:
        doomed = site.agent("node-2")
        awaited(cluster, node_1="Beating", node_2="Beating")
        pods.report("main", main=CRASHED)
        pods.run("other", node="node-3", group="quick")
        until(lambda: reasons(cluster, name="quick") == {"node-3": "Missing"}, why="the pods were told")
        control_plane.pause_apiserver()
        try:
            processes.kill(doomed)
            until(lambda: group.member("node-2").reason == "Silent", why="T has passed since", seconds=100)
            assert group.member("node-1").is_up
        finally:
            control_plane.resume_apiserver()
        awaited(cluster, node_1="ServiceNotRunning", node_2="Silent")


def test_an_unhealthy_beat_is_down_at_once_and_its_silence_is_silence(cluster: Cluster) -> None:
    cluster.create()
    key = GroupKey(cluster.site.namespace, "compute")
    with running(cluster.site), cluster.join("node-1"):
        awaited(cluster, node_1="Beating")
        store = open_store(cluster.site.url, store_id="default")

        def beat(sequence: int, state: State) -> Callable[[], Any]:
            one = Beat("node-2", "a" * 32, sequence, 1.0, state)
            return lambda: (store.join if sequence == 1 else store.beat)(key, one, timeout=5.0)

        beat(1, State.HEALTHY)()
        awaited(cluster, node_1="Beating", node_2="Beating")
        beat(2, State.UNHEALTHY)()
        awaited(cluster, node_1="Beating", node_2="ServiceUnhealthy")
        beat(3, State.HEALTHY)()
        awaited(cluster, node_1="Beating", node_2="Beating")
        beat(4, State.UNHEALTHY)()
        awaited(cluster, node_1="Beating", node_2="ServiceUnhealthy")
        awaited(cluster, node_1="Beating", node_2="Silent")
        store.close()


def test_a_rolling_update_raises_no_alarm(cluster: Cluster, pods: Pods) -> None:
    """The old pod ends with its containers, its agent leaves; the new one starts on the same node."""
    cluster.create()
    pods.run("old", node="node-1")
    pods.run("other", node="node-2")
    with running(cluster.site), cluster.join("node-2"):
        with cluster.join("node-1"):
            awaited(cluster, node_1="Beating", node_2="Beating")
            pods.terminate("old")
            pods.report("old", main={"terminated": {"exitCode": 143}})
        awaited(cluster, node_2="Beating")
        pods.delete("old")
        pods.create("new", node="node-1")
        pods.report("new", phase="Pending", main={"waiting": {"reason": "ContainerCreating"}})
        with cluster.join("node-1"):
            awaited(cluster, node_1="Beating", node_2="Beating")
            pods.report("new", main=RUNNING)
            # A pod that is found Missing is one that was seen after all of this.
            pods.run("late", node="node-3")
            awaited(cluster, node_1="Beating", node_2="Beating", node_3="Missing")
    assert [message for message in warnings(cluster) if "node-3" not in message] == []


def test_a_pod_that_is_gone_without_leaving_stays_down(cluster: Cluster, pods: Pods) -> None:
    cluster.create()
    pods.run("main", node="node-1")
    with running(cluster.site) as site, cluster.join("node-2"):
        doomed = site.agent("node-1")
        awaited(cluster, node_1="Beating", node_2="Beating")
        processes.kill(doomed)
        pods.delete("main")
        awaited(cluster, node_1="Silent", node_2="Beating")
        pods.run("other", node="node-3")
        awaited(cluster, node_1="Silent", node_2="Beating", node_3="Missing")


def test_a_new_operator_keeps_what_was_said_of_pods(cluster: Cluster, pods: Pods) -> None:
    """It has seen no pod for T itself, and is told of a newcomer before it could have."""
    cluster.create(serviceDownTimeSeconds=6)
    pods.run("silent", node="node-1")
    pods.run("crashing", node="node-2")
    pods.report("crashing", main=CRASHED)
    with running(cluster.site) as site, cluster.join("node-2"):
        awaited(cluster, node_1="Missing", node_2="ServiceNotRunning")
        before = cluster.status()["members"]
        site.end(signal.SIGKILL)
        site.start()
        with cluster.join("node-3"):
            until(lambda: reasons(cluster).get("node-3") == "Beating", why="the new operator tells of a newcomer")
            assert [one for one in cluster.status()["members"] if one["member"] != "node-3"] == before
        assert "MembersLeft" not in [
            event.reason for event in cluster.core.list_namespaced_event(cluster.site.namespace).items
            if "node-1" in str(event.message) or "node-2" in str(event.message)
        ]  # fmt: skip


OLDER: Sequence[Mapping[str, Any]] = [rule for rule in shipped_rules() if "pods" not in rule["resources"]]


@pytest.mark.parametrize("rules", [OLDER], ids=["an older role"])
@pytest.mark.usefixtures("rules")
def test_without_the_right_to_see_pods_it_judges_on_and_says_so(cluster: Cluster, pods: Pods) -> None:
    cluster.create()
    pods.run("silent", node="node-1")
    pods.run("beating", node="node-2")
    with running(cluster.site) as site, cluster.join("node-2"):
        doomed = site.agent("node-3")
        awaited(cluster, node_2="Beating", node_3="Beating")
        condition = until(lambda: cluster.condition("RosterKnown"), why="the condition is there")
        assert (condition["status"], condition["reason"]) == ("False", "PodsForbidden")
        assert "get, list and watch pods" in condition["message"]
        processes.kill(doomed)
        awaited(cluster, node_2="Beating", node_3="Silent")
        assert cluster.condition("Ready")["status"] == "True"
        assert site.end() == 0
