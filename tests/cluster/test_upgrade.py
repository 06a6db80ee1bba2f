"""An upgrade of the release, and its end."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tests.chart.rendering import CHART, Helm
from tests.cluster.conftest import RELEASE, wait_for_injection
from tests.cluster.site import GROUP, Site, daemon_set, injected, members
from tests.cluster.waiting import until_gone
from tests.localcluster.nodefiles import NODE

DEAD = "postgresql+psycopg://servicegroup@192.0.2.1:9/servicegroup"
"""Nobody listens there."""

DEFINITION = "computeservicegroups.servicegroup.dev"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A chart whose definition has one field more."""
    copy = shutil.copytree(CHART, tmp_path / "servicegroup")
    (file,) = (copy / "files" / "crds").glob("*.yaml")
    definition = yaml.safe_load(file.read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["rack"] = {"type": "string", "maxLength": 63}
    file.write_text(yaml.safe_dump(definition), encoding="utf-8")
    return copy


def test_an_upgrade_brings_a_new_field_and_a_store_that_is_down_and_raises_no_alarm(
    site: Site, helm: Helm, changed: Path
) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    stores = ["--set=stores.default.driver=db", f"--set=stores.dead.driver=db,stores.dead.url={DEAD}"]
    helm.run("upgrade", *RELEASE, *stores, "--wait", "--timeout=5m", str(changed))
    site.create_group(rack="r4")
    assert site.kubectl("get", "csg", GROUP, "-n", site.namespace, "-o", "jsonpath={.spec.rack}") == "r4"
    site.until_group(lambda status: members(status) == [(NODE, "Up", "Beating")], what="who was up is up")

    site.create_group("edge", store="dead")
    site.apply(daemon_set("edge", group="edge"))
    pod = site.until_ready(app="edge")
    assert len(injected(pod)) == 1
    assert site.serves(pod)
    site.until_group(lambda now: condition(now, "StoreReachable") == "False", what="it says so", name="edge")
    site.until_member("Unknown", "Missing", name="edge")
    assert not any("MembersDown" in alarm for alarm in site.alarms())


def test_a_release_that_is_removed_leaves_pods_and_groups_alone_and_can_come_back(
    site: Site, helm: Helm, api: client.ApiClient, kubectl: Callable[..., str]
) -> None:
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    before = site.until_ready()
    helm.run("uninstall", *RELEASE, "--wait", "--timeout=5m")
    assert site.serves(before)
    assert members(site.group()) == [(NODE, "Up", "Beating")]  # its last word, with its time
    assert "keep" in kubectl("get", "crd", DEFINITION, "-o", "jsonpath={.metadata.annotations}")
    kubectl("delete", "pod", "-n", site.namespace, "-l", f"app={GROUP}")
    assert site.serves(site.until_ready(but=before["metadata"]["uid"]))

    helm.run("install", *RELEASE, str(CHART), "--wait", "--timeout=5m")
    wait_for_injection(api)
    kubectl("rollout", "restart", "daemonset", GROUP, "-n", site.namespace)
    site.until_member("Up", "Beating")


def test_a_namespace_with_a_group_and_its_pods_can_be_deleted_at_once(site: Site, kubectl: Callable[..., str]) -> None:
    """Nothing of ours holds anything up: no finalizer, no pod that does not end."""
    site.create_group()
    site.apply(daemon_set())
    site.until_member("Up", "Beating")
    kubectl("delete", "namespace", site.namespace, "--wait=false")
    until_gone(site.core.list_namespace, what=site.namespace, field_selector=f"metadata.name={site.namespace}")


def condition(status: Any, kind: str) -> str:
    return next((str(one["status"]) for one in status.get("conditions", ()) if one["type"] == kind), "")
