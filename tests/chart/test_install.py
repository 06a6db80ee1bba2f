"""Helm on a real API server: what is installed, kept, brought up to date and taken away again.

No kubelet runs here: a pod is proposed, or its program is started as a process with the account that the chart makes.
"""

import base64
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tests.apiserver.operators import Site, running, until
from tests.chart.matrix import SETS
from tests.chart.rendering import CHART, NAMESPACE, RELEASE, Helm, of_kind, parsed, pod_templates
from tests.gateway.gateways import LISTENS

Kubectl = Callable[..., str]
NAME = "computeservicegroups.servicegroup.dev"
SECRET = "servicegroup-gateway-tls"  # noqa: S105 - its name


@pytest.fixture
def release(helm_there: Helm) -> Iterator[Helm]:
    """Installed anew without values; gone afterwards."""
    helm_there.run("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found")
    helm_there.install()
    yield helm_there
    helm_there.run("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found")


def certificate(kubectl: Kubectl) -> dict[str, str]:
    data = json.loads(kubectl("get", "secret", SECRET, "-n", NAMESPACE, "-o", "json"))["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def test_the_certificate_is_the_gateways_and_is_kept(release: Helm, kubectl: Kubectl, tmp_path: Path) -> None:
    found = certificate(kubectl)
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert handshake(found["ca.crt"], context, name=f"servicegroup-gateway.{NAMESPACE}.svc") == "trusted"
    assert "Hostname mismatch" in handshake(found["ca.crt"], context, name="elsewhere.svc")
    release.install({"podLabels": {"a": "b"}})
    assert certificate(kubectl) == found
    policy = kubectl("get", "mutatingadmissionpolicies", "-o", "json", "-l", f"app.kubernetes.io/instance={RELEASE}")
    assert json.dumps(found["ca.crt"])[1:-1] in json.dumps(json.loads(policy)).replace("\\\\n", "\\n")


def handshake(authority: str, server: ssl.SSLContext, *, name: str) -> str:
    """Between two ends in memory."""
    near, far = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    trust = ssl.create_default_context(cadata=authority)
    ends = [
        trust.wrap_bio(near[0], far[0], server_hostname=name),
        server.wrap_bio(far[0], near[0], server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return "trusted"


@pytest.mark.usefixtures("release")
def test_after_it_is_gone_the_groups_are_there_still(helm_there: Helm, kubectl: Kubectl, namespace: str) -> None:
    group = {"apiVersion": "servicegroup.dev/v1alpha1", "kind": "ComputeServiceGroup", "metadata": {"name": "compute"}}
    kubectl("wait", "--for=condition=Established", f"crd/{NAME}")
    until(lambda: made(kubectl, group, namespace), why="a group is taken")
    helm_there.run("uninstall", RELEASE, "-n", NAMESPACE)
    assert left_over(kubectl) == []
    assert json.loads(kubectl("get", "csg", "-n", namespace, "-o", "json"))["items"]
    helm_there.install()
    assert json.loads(kubectl("get", "csg", "-n", namespace, "-o", "json"))["items"]


def made(kubectl: Kubectl, manifest: dict[str, Any], namespace: str) -> bool:
    try:
        kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(manifest))
    except AssertionError:
        return False
    return True


def left_over(kubectl: Kubectl) -> list[str]:
    """What the release made, or is named after it, in any namespace; the definition is meant to stay."""
    kinds = "deployments,services,secrets,configmaps,serviceaccounts,persistentvolumeclaims,poddisruptionbudgets"
    kinds += ",roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies"
    kinds += ",mutatingadmissionpolicies,mutatingadmissionpolicybindings"
    return [line for line in kubectl("get", kinds, "-A", "-o", "name").splitlines() if "servicegroup" in line]


def test_an_upgrade_brings_the_definition_up_to_date(release: Helm, kubectl: Kubectl, tmp_path: Path) -> None:
    newer = tmp_path / "servicegroup"
    shutil.copytree(CHART, newer)
    file = newer / "files" / "crds" / "computeservicegroup.yaml"
    definition = yaml.safe_load(file.read_text(encoding="utf-8"))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["later"] = {"type": "string"}
    file.write_text(yaml.safe_dump(definition), encoding="utf-8")
    release.install(chart=newer)
    until(lambda: "later" in kubectl("get", "crd", NAME, "-o", "json"), why="the new field is defined")


@pytest.mark.parametrize("name", SETS)
def test_its_pods_pass_the_restricted_profile(
    helm: Helm, kubectl: Kubectl, admin: client.ApiClient, namespace: str, name: str
) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    core = client.CoreV1Api(admin)
    for template in pod_templates(helm.render(SETS[name])).values():
        metadata = {"generateName": "a-", "labels": template["metadata"]["labels"]}
        spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
        body: Any = {"metadata": metadata, "spec": {"serviceAccountName": "default", **spec}}
        core.create_namespaced_pod(namespace, body, dry_run="All")


@pytest.mark.parametrize("name", ["nothing given", "two namespaces and a server", "all there is"])
def test_the_api_server_takes_all_of_it(helm: Helm, kubectl: Kubectl, name: str) -> None:
    """Field by field: one that it does not know is an error. Pods are proposed above, with an account."""
    known = [one for one in helm.render(SETS[name]) if one["kind"] != "Pod"]
    for where in {one["metadata"].get("namespace") for one in known} - {None}:
        if not kubectl("get", "namespace", where, "--ignore-not-found", "-o", "name"):
            kubectl("create", "namespace", where)
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    kubectl(*words, stdin=yaml.safe_dump_all(known))


def test_operator_and_gateway_work_with_the_chart_s_rights_in_its_namespaces(
    helm: Helm, release: Helm, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    """As a process with the chart's account and certificate; what `helm test` asks is asked of it."""
    release.install({"namespaces": [namespace]})
    token = kubectl("create", "token", "servicegroup", "-n", NAMESPACE).strip()
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    for name, text in certificate(kubectl).items():
        (tmp_path / name).write_text(text)
    words = [f"--namespaces={namespace}", "--gateway=127.0.0.1:0"]
    words += [f"--tls-cert={tmp_path / 'tls.crt'}", f"--tls-key={tmp_path / 'tls.key'}"]
    kubectl("wait", "--for=condition=Established", f"crd/{NAME}")
    spec = {"reportIntervalSeconds": 1, "serviceDownTimeSeconds": 5, "expectedMembers": ["node-1"]}
    group = {"apiVersion": "servicegroup.dev/v1alpha1", "kind": "ComputeServiceGroup", "metadata": {"name": "compute"}}
    until(lambda: made(kubectl, {**group, "spec": spec}, namespace), why="a group is taken")
    with running(Site(namespace, tmp_path, tmp_path / "kubeconfig", tuple(words))) as site:
        until(
            lambda: json.loads(kubectl("get", "csg", "compute", "-n", namespace, "-o", "json")).get("status"),
            why="the operator's status",
        )
        (listens,) = until(lambda: LISTENS.findall(site.log), why="the gateway listens")
        known = kubectl("create", "token", "servicegroup", "-n", NAMESPACE, "--audience=servicegroup.dev").strip()
        for presented, answer in ((known, "knows this pod's token"), ("no-token", "401")):
            (tmp_path / "token").write_text(presented)
            assert answer in ask_as_helm_test_does(helm, kubectl, port=int(listens.rpartition(":")[2]), folder=tmp_path)
        assert "forbidden" not in site.log.lower()


def ask_as_helm_test_does(helm: Helm, kubectl: Kubectl, *, port: int, folder: Path) -> str:
    """Its program, with another way to the gateway and to the token; all that it said."""
    (test,) = of_kind(parsed(helm.template()), "Pod").values()
    (container,) = test["spec"]["containers"]
    told = {one["name"]: one["value"] for one in container["env"]}
    program = container["command"][-1].replace("/var/run/secrets/servicegroup.dev", str(folder))
    way = "import socket; connect = socket.create_connection; "
    way += f"socket.create_connection = lambda _, *more: connect(('127.0.0.1', {port}), *more)"
    environ = {**told, "SERVICEGROUP_CA_PEM": certificate(kubectl)["ca.crt"]}
    done = subprocess.run(
        [sys.executable, "-c", f"{way}\n{program}"], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == ("knows" in done.stdout)
    return done.stdout + done.stderr
