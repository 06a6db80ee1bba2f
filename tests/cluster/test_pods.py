"""What befalls compute pods on a real node, and what the group says of it."""

from collections.abc import Mapping
from typing import Any

from tests.cluster.site import AGENT, GROUP, SERVE, Site, daemon_set, injected, members, state
from tests.localcluster.node import Cluster
from tests.localcluster.nodefiles import NODE

CHECKED: Mapping[str, Any] = {
    "annotations": {"servicegroup.dev/check": "file:/run/servicegroup/ok?max-age=5"},
    "volumes": [{"name": "servicegroup-check", "emptyDir": {}}],
    "main": {
        "volumeMounts": [
            {"name": "main", "mountPath": "/run/main"},
            {"name": "servicegroup-check", "mountPath": "/run/servicegroup"},
        ],
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", "test ! -e /run/main/hung && touch /run/servicegroup/ok"]},
            "periodSeconds": 1,
        },
    },
}
"""Compute pods whose own probe touches a file that the agent looks at."""


def test_a_main_container_that_stops_is_not_running_until_it_runs_again(site: Site, cluster: Cluster) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    pod = site.until_ready()
    site.execute(pod, "sh", "-c", "touch /run/main/stopped && kill -INT 1")
    site.until_member("Down", "ServiceNotRunning")
    site.until_alarm(f"1 member down (ServiceNotRunning): {NODE}")
    assert site.alarms() == [f"MembersDown: 1 member down (ServiceNotRunning): {NODE}"]
    cluster.volume(pod["metadata"]["uid"], "main").joinpath("stopped").unlink()
    site.until_member("Up", "Beating")
    assert site.until_ready()["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_main_container_that_hangs_is_unhealthy_until_its_probe_touches_the_file_again(site: Site) -> None:
    site.create_group()
    site.apply(daemon_set(**CHECKED))
    site.until_member("Up", "Beating")
    pod = site.until_ready()
    site.execute(pod, "touch", "/run/main/hung")
    site.until_member("Down", "ServiceUnhealthy")
    assert state(site.until_pod(lambda _: True, what="the pod"), "main")["state"].keys() == {"running"}
    site.execute(pod, "rm", "/run/main/hung")
    site.until_member("Up", "Beating")
    site.until_alarm(f"1 member down (ServiceUnhealthy): {NODE}")
    assert site.alarms() == [f"MembersDown: 1 member down (ServiceUnhealthy): {NODE}"]


def test_a_pod_that_is_deleted_leaves_and_its_successor_joins_without_an_alarm(site: Site) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    before = site.until_ready()["metadata"]["uid"]
    site.kubectl("delete", "pod", "-n", site.namespace, "-l", f"app={GROUP}")
    site.until_ready(but=before)
    site.until_member("Up", "Beating")
    site.kubectl("delete", "daemonset", "-n", site.namespace, GROUP)
    site.until_group(lambda status: status["counts"]["total"] == 0, what="the last pod has left")
    assert site.alarms() == []


def test_an_image_is_rolled_without_an_alarm(site: Site, cluster: Cluster) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    before = site.until_ready()["metadata"]["uid"]
    cluster.tag_image("docker.io/library/servicegroup:0.1.0", "docker.io/library/compute:2")
    site.apply(daemon_set(main={"image": "docker.io/library/compute:2"}))
    after = site.until_ready(but=before)
    assert after["spec"]["containers"][0]["image"] == "docker.io/library/compute:2"
    assert len(injected(after)) == 1
    site.until_member("Up", "Beating")
    assert site.alarms() == []


def test_who_beats_is_up_while_the_kubelet_is_dead(site: Site, cluster: Cluster) -> None:
    """Kubernetes calls the node NotReady then, and its pods unready: no evidence against the service."""
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    site.until_ready()
    cluster.kill_kubelet()
    try:
        site.until_node(ready=False)
        # It takes longer than T until the node is NotReady: whoever did not beat would be Down by now.
        assert members(site.group()) == [(NODE, "Up", "Beating")]
    finally:
        cluster.start_kubelet()
    site.until_node(ready=True)
    site.until_ready()
    assert members(site.group()) == [(NODE, "Up", "Beating")]
    assert site.alarms() == []


def test_an_agent_that_is_killed_for_its_memory_is_back_without_harm_to_the_main_container(
    site: Site, cluster: Cluster
) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    pod = site.until_ready()
    cluster.exhaust_memory(state(pod, AGENT)["containerID"].removeprefix("containerd://"))
    after = site.until_pod(lambda now: state(now, AGENT).get("restartCount", 0) > 0, what="the agent is started again")
    assert state(after, AGENT)["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert state(after, "main")["restartCount"] == 0
    site.until_pod(lambda now: "running" in state(now, AGENT).get("state", {}), what="the agent runs")
    site.until_member("Up", "Beating")


def test_a_privileged_pod_in_the_nodes_own_namespaces_joins_and_leaves(site: Site) -> None:
    """As nova-compute is deployed. The node's network has no way to the cluster's DNS."""
    site.create_group()
    main = {"securityContext": {"privileged": True, "runAsUser": 0}, "command": ["sh", "-c", SERVE]}
    site.apply(daemon_set(main=main, hostNetwork=True, hostPID=True, hostIPC=True))
    site.until_member("Up", "Beating")
    pod = site.until_ready()
    (agent,) = injected(pod)
    assert agent["securityContext"]["privileged"] is False
    assert "kubelet" in site.execute(pod, "sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null || true")
    site.kubectl("delete", "daemonset", "-n", site.namespace, GROUP)
    site.until_group(lambda status: status["counts"]["total"] == 0, what="it has left")
    assert site.alarms() == []
