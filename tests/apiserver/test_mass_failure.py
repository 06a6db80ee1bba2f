"""A mass failure on the real API server, with real beat loops: held, shown, read back, released."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from servicegroup.model import GroupKey

from tests.apiserver import test_operator
from tests.apiserver.operators import Kubectl, running, until
from tests.apiserver.test_operator import Cluster
from tests.fleet import Fleet, fleet
from tests.localcluster.controlplane import ControlPlane

cluster, rules = test_operator.cluster, test_operator.rules

MEMBERS = [f"node-{number}" for number in range(6)]
LOST = MEMBERS[:4]
ROOMY: dict[str, Any] = {"serviceDownTimeSeconds": 6}
"""The brake has three intervals to trip, as with the defaults, and not one."""


@contextmanager
def beating(cluster: Cluster, **rule: int) -> Iterator[Fleet]:
    """Six members that are Up."""
    cluster.create(massFailure=rule, **ROOMY)
    with running(cluster.site) as site, fleet(site.url) as agents:
        # Who joined before the operator's first look was never seen to beat, and is not held.
        until(lambda: cluster.status().get("checkedTime"), why="the operator looks")
        agents.join(GroupKey(site.namespace, "compute"), MEMBERS, interval=1.0)
        until(lambda: list(cluster.verdicts().values()) == ["Up"] * len(MEMBERS), why="all are Up")
        yield agents


def lose(cluster: Cluster, agents: Fleet) -> None:
    """Four of the six, as a switch does."""
    agents.kill(GroupKey(cluster.site.namespace, "compute"), LOST)
    until(lambda: all(cluster.verdicts()[member] == "Unknown" for member in LOST), why="the lost are held")


def reasons(cluster: Cluster) -> dict[str, str]:
    return {one["member"]: one["reason"] for one in cluster.status()["notUp"]}


@pytest.fixture
def admin_kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.kubeconfig()


def servicegroup(*words: str, kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "servicegroup", *words]
    environ = {"PATH": "", "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=40, check=False)


@pytest.mark.timeout(120)
def test_most_of_a_group_is_held_over_a_restart_and_down_when_a_person_says_so(
    cluster: Cluster, admin_kubeconfig: Path
) -> None:
    with beating(cluster) as agents:
        lose(cluster, agents)
        status = until(lambda: cluster.condition("Held")["status"] == "True" and cluster.status(), why="Held is shown")
        assert reasons(cluster) == dict.fromkeys(LOST, "MassFailure")
        assert (cluster.condition("Available")["status"], cluster.condition("Available")["reason"]) == (
            "Unknown",
            "MassFailure",
        )
        assert status["hold"]["until"] in cluster.condition("Held")["message"]
        cluster.site.end()
        cluster.site.start()
        agents.join(GroupKey(cluster.site.namespace, "compute"), ["newcomer"], interval=1.0)
        until(lambda: cluster.verdicts().get("newcomer") == "Up", why="the new operator judges")
        assert cluster.status()["hold"] == status["hold"]
        assert reasons(cluster) == dict.fromkeys(LOST, "MassFailure")
        told = servicegroup("release", f"{cluster.site.namespace}/compute", kubeconfig=admin_kubeconfig)
        assert told.returncode == 0, told.stderr
        until(lambda: reasons(cluster) == dict.fromkeys(LOST, "Silent"), why="the released are Down")
        assert "hold" not in cluster.status()
        assert cluster.condition("Held")["status"] == "False"
        events = cluster.core.list_namespaced_event(cluster.site.namespace).items
    assert "MembersHeld" in {event.reason for event in events}


@pytest.mark.timeout(150)
def test_an_announced_hold_keeps_the_dead_unknown_over_a_restart_until_it_is_taken_back(
    cluster: Cluster, admin_kubeconfig: Path
) -> None:
    group = f"{cluster.site.namespace}/compute"
    with beating(cluster) as agents:
        told = servicegroup("hold", group, "--for", "30m", "--reason", "new disks", kubeconfig=admin_kubeconfig)
        assert told.returncode == 0, told.stderr
        until(lambda: cluster.condition("Held")["status"] == "True", why="it holds")
        held = cluster.condition("Held")
        assert held["reason"] == "Announced"
        assert "(new disks)" in held["message"]
        agents.kill(GroupKey(cluster.site.namespace, "compute"), LOST[:1])
        until(lambda: reasons(cluster) == {LOST[0]: "HoldAnnounced"}, why="the dead is held")
        cluster.site.end()
        cluster.site.start()
        agents.join(GroupKey(cluster.site.namespace, "compute"), ["newcomer"], interval=1.0)
        until(lambda: cluster.verdicts().get("newcomer") == "Up", why="the new operator judges")
        assert reasons(cluster) == {LOST[0]: "HoldAnnounced"}
        assert cluster.condition("Held")["message"] == held["message"].replace(", 0 are", ", 1 are")
        back = servicegroup("release", group, kubeconfig=admin_kubeconfig)
        assert (back.returncode, "is taken back" in back.stdout) == (0, True)
        until(lambda: reasons(cluster) == {LOST[0]: "Silent"}, why="the dead is Down")
        until(lambda: cluster.condition("Held")["status"] == "False", why="nothing is held")
    assert "servicegroup.dev/hold" not in cluster.read()["metadata"].get("annotations", {})


@pytest.mark.timeout(60)
def test_an_annotation_that_is_no_hold_is_told(cluster: Cluster, kubectl: Kubectl) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        kubectl("annotate", "csg", "compute", "-n", cluster.site.namespace, "servicegroup.dev/hold=tonight")
        until(lambda: cluster.condition("Held").get("reason") == "InvalidHold", why="it is told")
        assert "'tonight' is no hold" in cluster.condition("Held")["message"]
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="the group is judged all the same")


@pytest.mark.timeout(120)
def test_a_hold_ends_by_itself(cluster: Cluster) -> None:
    with beating(cluster, maxHoldSeconds=5) as agents:
        lose(cluster, agents)
        until(lambda: reasons(cluster) == dict.fromkeys(LOST, "Silent"), why="the hold has ended")


@pytest.mark.timeout(120)
def test_two_groups_of_one_store_are_braked_together(cluster: Cluster) -> None:
    """Neither is above its own threshold of 90 %; both together are above the operator's."""
    cluster.create(name="edge", massFailure={"thresholdPercent": 90}, **ROOMY)
    with beating(cluster, thresholdPercent=90) as agents:
        agents.join(GroupKey(cluster.site.namespace, "edge"), MEMBERS, interval=1.0)
        until(lambda: list(cluster.verdicts(name="edge").values()) == ["Up"] * len(MEMBERS), why="edge is Up")
        for group in ("compute", "edge"):
            agents.kill(GroupKey(cluster.site.namespace, group), LOST)
        for group in ("compute", "edge"):
            until(
                lambda group=group: cluster.verdicts(name=group)[LOST[0]] != "Up",  # type: ignore[misc]
                why=f"{group} lost some",
            )
            held = {one["reason"] for one in cluster.status(name=group)["notUp"]}
            assert held == {"MassFailure"}


@pytest.mark.timeout(90)
def test_a_forced_member_is_down_until_the_word_is_taken_back_and_others_words_stay(
    cluster: Cluster, admin_kubeconfig: Path
) -> None:
    cluster.create(overrides=[{"member": "node-9", "disabled": True}])
    group = f"{cluster.site.namespace}/compute"
    with running(cluster.site), cluster.join("node-1", "node-2"):
        until(lambda: cluster.verdicts() == {"node-1": "Up", "node-2": "Up"}, why="both are Up")
        for member in ("node-1", "node-2"):
            told = servicegroup("force-down", group, member, "--reason", "fenced", kubeconfig=admin_kubeconfig)
            assert told.returncode == 0, told.stderr
        until(lambda: set(cluster.verdicts().values()) == {"Down"}, why="both are forced down")
        told = servicegroup("force-down", group, "node-1", "--undo", kubeconfig=admin_kubeconfig)
        assert told.returncode == 0, told.stderr
        until(lambda: cluster.verdicts() == {"node-1": "Up", "node-2": "Down"}, why="one is judged again")
    assert [one["member"] for one in cluster.read()["spec"]["overrides"]] == ["node-9", "node-2"]


@pytest.mark.timeout(120)
def test_the_dead_are_forgotten_as_a_person_asks_and_nobody_else(
    cluster: Cluster, admin_kubeconfig: Path, kubectl: Kubectl
) -> None:
    cluster.create(expectedMembers=["node-3"], overrides=[{"member": "node-9", "forcedDown": True}])
    group = f"{cluster.site.namespace}/compute"
    with running(cluster.site) as site, cluster.join("node-0"), fleet(site.url) as agents:
        agents.join(GroupKey(site.namespace, "compute"), ["node-1", "node-2", "node-3", "node-9"], interval=1.0)
        until(lambda: list(cluster.verdicts().values()).count("Up") == 4, why="all are Up")
        for member in ("node-1", "node-2", "node-3"):
            agents.kill(GroupKey(site.namespace, "compute"), [member])
            until(lambda member=member: reasons(cluster).get(member) == "Silent", why="it is Down")  # type: ignore[misc]
        stale = "2027-01-15T08:00:00Z node-2"
        kubectl("annotate", "csg", "compute", "-n", site.namespace, f"forget.servicegroup.dev/old={stale}")
        told = servicegroup("forget", group, "node-1", kubeconfig=admin_kubeconfig)
        assert (told.returncode, "node-1 is forgotten" in told.stdout) == (0, True), told.stderr
        assert "node-1" not in cluster.verdicts()
        for member in ("node-0", "node-1", "node-3", "node-9"):
            refused = servicegroup("forget", group, member, kubeconfig=admin_kubeconfig)
            assert (refused.returncode, f"{member} is not forgotten: " in refused.stderr) == (1, True)
        assert cluster.verdicts() == {"node-0": "Up", "node-2": "Down", "node-3": "Down", "node-9": "Down"}
        assert cluster.read()["metadata"]["annotations"] == {"forget.servicegroup.dev/old": stale}


@pytest.mark.timeout(60)
def test_what_cannot_be_released_is_said(cluster: Cluster, admin_kubeconfig: Path) -> None:
    cluster.create()
    nothing = servicegroup("release", f"{cluster.site.namespace}/compute", kubeconfig=admin_kubeconfig)
    assert (nothing.returncode, "nothing is held" in nothing.stdout) == (1, True)
    absent = servicegroup("force-down", f"{cluster.site.namespace}/nobody", "a", kubeconfig=admin_kubeconfig)
    assert (absent.returncode, "there is none" in absent.stderr) == (69, True)
    assert cluster.names() == ["compute"]
