"""What people copy: it is taken as it stands, and the agent by hand is the one that the chart adds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import test_injection
from tests.chart.pods import AGENT, GROUP, pod
from tests.chart.rendering import ROOT, parsed
from tests.chart.test_injection import REFUSES, Admit, agent_of, volumes

EXAMPLES = ROOT / "deploy" / "examples"
WORKLOADS = ("daemonset.yaml", "nova-compute.yaml")
BY_GATEWAY = {"SERVICEGROUP_STORE_URL": "url", "SERVICEGROUP_CA_PEM": "ca.crt"}
"""What the chart knows, and who adds the agent by hand puts into a ConfigMap."""

admitted = test_injection.admitted


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def workload(name: str) -> Mapping[str, Any]:
    (found,) = (one for one in parsed(text_of(name)) if one["kind"] == "DaemonSet")
    return found


def pod_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """As the workload's controller would make it."""
    template = found["spec"]["template"]
    spec = {"serviceAccountName": "default", **template["spec"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-", **template["metadata"]}, "spec": spec}


@pytest.mark.usefixtures("admitted")
@pytest.mark.parametrize("name", WORKLOADS)
def test_it_is_taken_as_it_stands(kubectl: Callable[..., str], name: str) -> None:
    for manifest in parsed(text_of(name)):
        if manifest["kind"] == "Namespace":
            kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(EXAMPLES / name))


@pytest.mark.parametrize("name", WORKLOADS)
def test_its_pods_get_an_agent_that_sees_the_checked_file(admitted: Admit, name: str) -> None:
    found = admitted(pod_of(workload(name)))
    assert found["spec"]["initContainers"][-1]["name"] == AGENT
    (group,) = (one for one in parsed(text_of(name)) if one["kind"] == "ComputeServiceGroup")
    assert found["metadata"]["labels"][GROUP] == group["metadata"]["name"]
    check = found["metadata"]["annotations"]["servicegroup.dev/check"]
    file = Path(check.removeprefix("file:").partition("?")[0])
    seen = {mount["name"]: mount["mountPath"] for mount in agent_of(found)["volumeMounts"]}
    (volume,) = (name for name, path in seen.items() if file.is_relative_to(path))
    (main,) = found["spec"]["containers"]
    touched = {mount["name"]: mount["mountPath"] for mount in main["volumeMounts"]}[volume]
    assert f"touch {touched}/{file.name}" in main["livenessProbe"]["exec"]["command"][-1]


def test_the_agent_by_hand_is_the_agent_that_is_added(
    admitted: Admit, kubectl: Callable[..., str], tmp_path: Path
) -> None:
    plain = {**workload("daemonset.yaml"), "spec": {"selector": {}, "template": {"spec": pod()["spec"]}}}
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(plain))
    words = ("patch", "--local", "-f", str(tmp_path / "plain.yaml"), "-o", "yaml")
    patched = yaml.safe_load(kubectl(*words, "--patch-file", str(EXAMPLES / "sidecar.yaml")))
    by_hand, added = admitted(pod_of(patched), REFUSES), admitted(pod())
    assert by_hand["metadata"]["labels"] == added["metadata"]["labels"]
    assert volumes(by_hand) == volumes(added)
    ours, theirs = agent_of(by_hand), agent_of(added)
    assert [one["name"] for one in ours["env"]] == [one["name"] for one in theirs["env"]]
    for mine, other in zip(ours["env"], theirs["env"], strict=True):
        if mine["name"] in BY_GATEWAY:
            assert mine["valueFrom"]["configMapKeyRef"] == {
                "name": "servicegroup-gateway",
                "key": BY_GATEWAY[mine["name"]],
                "optional": True,
            }
        else:
            assert mine == other
    assert {**ours, "env": []} == {**theirs, "env": []}


def test_the_example_of_nova_has_what_the_overrides_add() -> None:
    overrides = yaml.safe_load(text_of("openstack-helm-overrides.yaml"))
    template = workload("nova-compute.yaml")["spec"]["template"]
    main = template["spec"]["containers"][0]
    assert overrides["pod"]["labels"]["compute"].items() <= template["metadata"]["labels"].items()
    assert overrides["annotations"]["pod"]["nova_compute"] == template["metadata"]["annotations"]
    mounts = overrides["pod"]["mounts"]["nova_compute"]["nova_compute"]
    assert all(volume in template["spec"]["volumes"] for volume in mounts["volumes"])
    assert all(mount in main["volumeMounts"] for mount in mounts["volumeMounts"])
    probe = overrides["pod"]["probes"]["compute"]["default"]["liveness"]["params"]["exec"]["command"][-1]
    assert probe.endswith("&& touch /tmp/servicegroup/alive")
    assert main["livenessProbe"]["exec"]["command"][-1].endswith("&& touch /tmp/servicegroup/alive")
