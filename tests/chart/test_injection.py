"""The agent is added by the API server's own admission, to pods of every shape, and to none that did not ask for it.

The release is installed by Helm as users do; pods are only proposed (a dry run), which is all that admission sees.
"""

import base64
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes import client

from tests.apiserver.operators import until
from tests.chart.pods import AGENT, GROUP, INJECTED, LEFT_ALONE, RESTRICTED, SECRET_ANNOTATION, pod
from tests.chart.rendering import NAMESPACE, Helm, Manifest
from tests.localcluster import processes
from tests.localcluster.layout import free_ports

Admit = Callable[..., dict[str, Any]]
Kubectl = Callable[..., str]
NOTICED_WITHIN = 90.0
"""Seconds until admission works by a policy, or a Service, that has changed: a few on an idle machine."""

TOKEN, STORE, CHECK = "servicegroup-token", "servicegroup-store", "servicegroup-check"


@pytest.fixture(scope="module")
def admitted(helm_there: Helm, admin: client.ApiClient, kubectl: Kubectl) -> Admit:
    """Propose a pod in a namespace with these labels: what the API server makes of it, as JSON."""
    helm_there.install()
    core: Any = client.CoreV1Api(admin)  # its stubs do not know the raw answer
    made: dict[str, str] = {}

    def admit(manifest: Manifest, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
        key = json.dumps(labels or {})
        if key not in made:
            made[key] = f"compute-{uuid4().hex[:8]}"
            core.create_namespace({"metadata": {"name": made[key], "labels": labels or {}}})
        answer = core.create_namespaced_pod(made[key], manifest, dry_run="All", _preload_content=False)
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def active() -> bool:
        """With the authority of this install, and not of one before."""
        known = [environment(agent)["SERVICEGROUP_CA_PEM"] for agent in agents(admit(pod()))]
        return known == [authority(kubectl)]

    until(active, why="the policy is active", seconds=NOTICED_WITHIN)
    return admit


def authority(kubectl: Kubectl) -> str:
    data = kubectl("get", "secret", "servicegroup-gateway-tls", "-n", NAMESPACE, "-o", r"jsonpath={.data.ca\.crt}")
    return base64.b64decode(data).decode()


def agents(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in found["spec"].get("initContainers", []) if one["name"] == AGENT]


def agent_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The one there must be."""
    (agent,) = agents(found)
    return agent


def environment(agent: Mapping[str, Any]) -> dict[str, str]:
    """By name: the value, or the field it comes from."""
    return {one["name"]: one.get("value") or one["valueFrom"]["fieldRef"]["fieldPath"] for one in agent["env"]}


def volumes(found: Mapping[str, Any]) -> dict[str, Any]:
    names = [volume["name"] for volume in found["spec"].get("volumes", [])]
    assert len(names) == len(set(names))
    return {volume["name"]: volume for volume in found["spec"].get("volumes", [])}


def without_agent(found: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's spec as it would be without our container and our volumes."""
    spec = dict(found["spec"])
    spec["initContainers"] = [one for one in spec.get("initContainers", []) if one["name"] != AGENT]
    spec["volumes"] = [one for one in spec.get("volumes", []) if one["name"] not in (TOKEN, STORE)]
    return {key: value for key, value in spec.items() if value != []}


REFUSES = {"servicegroup.dev/inject": "false"}
"""A label of a namespace."""


@pytest.mark.parametrize("shape", INJECTED)
def test_a_labelled_pod_gets_one_agent_and_nothing_else_changes(admitted: Admit, shape: str) -> None:
    manifest = INJECTED[shape]
    found = admitted(manifest)
    assert len(agents(found)) == 1
    assert found["spec"]["initContainers"][-1]["name"] == AGENT, (
        "it starts with the main container, not before the others"
    )
    assert without_agent(found) == without_agent(admitted(manifest, REFUSES))


@pytest.mark.parametrize("shape", INJECTED)
def test_it_holds_nothing_back(admitted: Admit, shape: str) -> None:
    agent = agent_of(admitted(INJECTED[shape]))
    assert agent["restartPolicy"] == "Always"
    assert not {"startupProbe", "livenessProbe", "readinessProbe", "ports"} & agent.keys()
    assert agent["lifecycle"] == {"preStop": {"exec": {"command": ["servicegroup", "draining"]}}}
    for mount in agent["volumeMounts"]:
        volume = volumes(admitted(INJECTED[shape]))[mount["name"]]
        assert "secret" not in volume or volume["secret"]["optional"] is True


@pytest.mark.parametrize("shape", LEFT_ALONE)
def test_a_pod_that_did_not_ask_is_left_alone(admitted: Admit, shape: str) -> None:
    manifest = LEFT_ALONE[shape]
    found = admitted(manifest)
    assert found["spec"] == admitted(manifest, REFUSES)["spec"]
    assert TOKEN not in volumes(found)


def test_a_namespace_can_refuse(admitted: Admit) -> None:
    assert agents(admitted(pod(), REFUSES)) == []


def test_the_agent_knows_who_it_is_and_where_the_gateway_is(admitted: Admit, kubectl: Callable[..., str]) -> None:
    address = kubectl("get", "service", "servicegroup-gateway", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
    found = environment(agent_of(admitted(pod(hostNetwork=True))))
    assert found == {
        "SERVICEGROUP_GROUP": f"metadata.labels['{GROUP}']",
        "SERVICEGROUP_NAMESPACE": "metadata.namespace",
        "SERVICEGROUP_MEMBER": "spec.nodeName",
        "SERVICEGROUP_CHECK": "metadata.annotations['servicegroup.dev/check']",
        "SERVICEGROUP_STORE_URL": f"https://{address}:443/?server_name=servicegroup-gateway.{NAMESPACE}.svc"
        "&token_file=/var/run/secrets/servicegroup.dev/token",
        "SERVICEGROUP_CA_PEM": authority(kubectl),
    }


def test_what_it_is_told_is_what_an_agent_understands(admitted: Admit, tmp_path: Path) -> None:
    """As a process, with a port that nobody listens on: it gets as far as to the gateway."""
    fields = {
        f"metadata.labels['{GROUP}']": "compute",
        "metadata.namespace": "nova",
        "spec.nodeName": "node-1",
        "metadata.annotations['servicegroup.dev/check']": "",
    }
    told = {name: fields.get(value, value) for name, value in environment(agent_of(admitted(pod()))).items()}
    (tmp_path / "token").write_text("a token")
    (port,) = free_ports(1)
    url = re.sub("//[^/]*/", f"//127.0.0.1:{port}/", told["SERVICEGROUP_STORE_URL"])
    told["SERVICEGROUP_STORE_URL"] = url.replace("/var/run/secrets/servicegroup.dev", str(tmp_path))
    environ = {"PATH": os.environ["PATH"], "KUBERNETES_SERVICE_HOST": "10.96.0.1", "SERVICEGROUP_REPORT_INTERVAL": "1"}
    words = agent_of(admitted(pod()))["command"][1:]
    log = tmp_path / "agent.log"
    command = [sys.executable, "-m", "servicegroup", *words]
    child = processes.start(command, log=log, environ={**environ, **told}, folder=tmp_path)
    try:
        until(lambda: f"127.0.0.1:{port}: Connection refused" in log.read_text(), why="it asks the gateway")
    finally:
        processes.kill(child)
    assert "member node-1 of nova/compute" in log.read_text()


def test_its_token_is_for_the_gateway_alone(admitted: Admit) -> None:
    found = admitted(pod())
    (source,) = volumes(found)[TOKEN]["projected"]["sources"]
    assert source == {
        "serviceAccountToken": {"audience": "servicegroup.dev", "expirationSeconds": 3600, "path": "token"}
    }
    assert [(one["name"], one["mountPath"]) for one in agent_of(found)["volumeMounts"]] == [
        (TOKEN, "/var/run/secrets/servicegroup.dev")
    ]


def test_it_passes_where_the_profile_is_restricted(admitted: Admit) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    assert agents(admitted(pod(containers=[{**pod()["spec"]["containers"][0], "securityContext": RESTRICTED}]), labels))


def test_a_guaranteed_pod_stays_one(admitted: Admit) -> None:
    found = admitted(INJECTED["each container bound"])
    assert agents(found)
    assert found["status"]["qosClass"] == "Guaranteed"


def test_it_takes_nothing_from_what_a_pod_has_as_a_whole(admitted: Admit) -> None:
    assert agent_of(admitted(INJECTED["resources of the pod as a whole"]))["resources"] == {}
    bound = agent_of(admitted(pod()))["resources"]
    assert bound["limits"] == bound["requests"]
    assert bound["limits"].keys() == {"cpu", "memory"}, "a quota may demand both"


def test_it_sees_the_file_that_the_main_container_touches(admitted: Admit) -> None:
    mounts = agent_of(admitted(INJECTED["a file that its probe touches"]))["volumeMounts"]
    assert {"name": CHECK, "mountPath": "/run/servicegroup"} in mounts


@pytest.mark.parametrize(
    ("annotation", "secret", "file"),
    [
        ("beats/dsn", "beats", "dsn"),
        ("beats", "beats", "url"),
        ("a.b-c/x.y_Z", "a.b-c", "x.y_Z"),
        ("Beats", None, "url"),
        ("a..b/url", None, "url"),
        ("a.-b", None, "url"),
        ("a/b/c", None, "b"),
        ("a/..", None, ".."),
        (" ", None, "url"),
    ],
)
def test_an_agent_may_write_to_a_store_itself(admitted: Admit, annotation: str, secret: str | None, file: str) -> None:
    found = admitted(pod(annotations={SECRET_ANNOTATION: annotation}))
    agent = agent_of(found)
    settings = environment(agent)
    assert settings["SERVICEGROUP_STORE_URL_FILE"] == f"/etc/servicegroup/store/{file}"
    assert "SERVICEGROUP_STORE_URL" not in settings
    mounted = STORE in [mount["name"] for mount in agent["volumeMounts"]]
    assert mounted == (secret is not None)
    assert (STORE in volumes(found)) == mounted
    if mounted:
        assert volumes(found)[STORE]["secret"]["secretName"] == secret


def test_a_pod_that_is_copied_with_its_agent_keeps_the_one(admitted: Admit) -> None:
    first = admitted(pod())
    again = admitted({**pod(), "spec": first["spec"]})
    assert again["spec"] == first["spec"]


@pytest.mark.usefixtures("admitted")
def test_a_pod_that_runs_is_not_touched(admin: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(admin)
    created = core.create_namespaced_pod(namespace, LEFT_ALONE["without the label"])
    patched = core.patch_namespaced_pod(created.metadata.name, namespace, {"metadata": {"labels": {GROUP: "compute"}}})
    assert patched.spec.init_containers is None
    created = core.create_namespaced_pod(namespace, pod())
    assert created.spec.init_containers
    change = {"metadata": {"annotations": {SECRET_ANNOTATION: "beats"}}}
    patched = core.patch_namespaced_pod(created.metadata.name, namespace, change)
    assert patched.spec.to_dict() == created.spec.to_dict()


@pytest.mark.parametrize("instead", [None, {"type": "ExternalName", "externalName": "gateway.example"}])
def test_without_the_gateways_address_pods_start_all_the_same(
    admitted: Admit, kubectl: Kubectl, instead: Mapping[str, str] | None
) -> None:
    """Its Service is not there, or is one of which the policy can make nothing."""
    service = json.loads(kubectl("get", "service", "servicegroup-gateway", "-n", NAMESPACE, "-o", "json"))
    for field in ("resourceVersion", "uid", "creationTimestamp"):
        service["metadata"].pop(field)
    replace(kubectl, {**service, "spec": instead} if instead else None)
    try:
        until(lambda: not agents(admitted(pod())), why="a pod is admitted without an agent", seconds=NOTICED_WITHIN)
    finally:
        replace(kubectl, service)
        until(lambda: agents(admitted(pod())), why="the policy is active again", seconds=NOTICED_WITHIN)


def replace(kubectl: Kubectl, service: Manifest | None) -> None:
    kubectl("delete", "service", "servicegroup-gateway", "-n", NAMESPACE, "--ignore-not-found")
    if service is not None:
        kubectl("create", "-f", "-", stdin=json.dumps(service))


def test_an_address_of_ipv6_stands_in_brackets(admitted: Admit, kubectl: Kubectl) -> None:
    """The server here gives out none: the policy is told one."""
    (policy,) = json.loads(kubectl("get", "mutatingadmissionpolicies", "-o", "json"))["items"]
    (number,) = (place for place, one in enumerate(policy["spec"]["variables"]) if one["name"] == "url")
    written = policy["spec"]["variables"][number]["expression"]

    def write(expression: str) -> None:
        change = [{"op": "replace", "path": f"/spec/variables/{number}/expression", "value": expression}]
        name = policy["metadata"]["name"]
        kubectl("patch", "mutatingadmissionpolicy", name, "--type=json", "-p", json.dumps(change))

    def beats_to(start: str) -> bool:
        return environment(agent_of(admitted(pod())))["SERVICEGROUP_STORE_URL"].startswith(start)

    write(written.replace("params.spec.clusterIP", '"fd00::a"'))
    try:
        until(lambda: beats_to("https://[fd00::a]:443/?"), why="the address is the one told", seconds=NOTICED_WITHIN)
    finally:
        write(written)
        until(lambda: beats_to("https://10.96."), why="the address is the Service's again", seconds=NOTICED_WITHIN)
