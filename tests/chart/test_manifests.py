"""What the chart makes: it passes the linter and the schemas of every supported Kubernetes, and keeps its promises."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from servicegroup.cli import gateway, operator
from servicegroup.cli.parser import Parser
from servicegroup.operator.stores import read_stores

from tests.chart.matrix import SETS
from tests.chart.rendering import CHART, POLICIES, Helm, Manifest, of_kind, pod_templates

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
WITH_POLICIES = VERSIONS[7:]
OTHERS = ("cert-manager.io/v1",)
"""Of which Kubernetes has no schema."""


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> Mapping[str, Sequence[Manifest]]:
    """Where the API server has policies."""
    return {name: helm.render(values, apis=[POLICIES]) for name, values in SETS.items()}


@pytest.fixture(scope="session")
def older(helm: Helm) -> Mapping[str, Sequence[Manifest]]:
    """Where it has none. What is asked for in so many words is rendered all the same."""
    auto = {"injection": {"enabled": "auto"}}
    return {name: helm.render({**values, **auto}, kubernetes="1.29.0") for name, values in SETS.items()}


@pytest.mark.parametrize("name", SETS)
def test_the_linter_finds_nothing(helm: Helm, name: str) -> None:
    helm.run("lint", "--strict", str(CHART), "-f", "-", stdin=yaml.safe_dump(dict(SETS[name])))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_are_valid_in_each_version_of_kubernetes(
    rendered: Mapping[str, Sequence[Manifest]], older: Mapping[str, Sequence[Manifest]], version: str
) -> None:
    found = [one for each in (rendered if version in WITH_POLICIES else older).values() for one in each]
    # Of those that differ by a certificate alone one is enough.
    once = {json.dumps({**one, "data": None}, sort_keys=True): one for one in found}
    for manifest in once.values():
        if manifest["apiVersion"] not in OTHERS:
            kubernetes_validate.validate(manifest, version, strict=True)
    assert bool(of_kind(found, "MutatingAdmissionPolicy")) == (version in WITH_POLICIES)


def test_a_kubernetes_without_native_sidecars_is_refused(helm: Helm) -> None:
    assert "incompatible with Kubernetes v1.28" in helm.refusal({}, "--kube-version", "1.28.9")
    assert helm.render(kubernetes="1.29.0-gke.1")


@pytest.mark.parametrize("name", SETS)
def test_every_container_has_bounds_and_a_version(rendered: Mapping[str, Sequence[Manifest]], name: str) -> None:
    templates = pod_templates(rendered[name])
    assert templates
    for template in templates.values():
        for container in template["spec"]["containers"]:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "@sha256:" in container["image"] or container["image"].rpartition(":")[2] not in ("", "latest")
        assert template["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", SETS)
def test_every_server_is_probed(rendered: Mapping[str, Sequence[Manifest]], name: str) -> None:
    deployments = of_kind(rendered[name], "Deployment")
    gateways = [one for one in deployments.values() if "--tls-cert" in str(one)]
    assert len(gateways) == 1
    for deployment in deployments.values():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert {"livenessProbe", "startupProbe"} <= container.keys()
    assert "readinessProbe" in gateways[0]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("name", SETS)
def test_the_service_finds_the_pods_that_serve(rendered: Mapping[str, Sequence[Manifest]], name: str) -> None:
    (service,) = of_kind(rendered[name], "Service").values()
    selector = service["spec"]["selector"].items()
    found = {
        key: template
        for key, template in pod_templates(rendered[name]).items()
        if selector <= template["metadata"]["labels"].items()
    }
    assert len(found) == 1
    (template,) = found.values()
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports


@pytest.mark.parametrize("name", SETS)
def test_deployments_own_their_pods_alone(rendered: Mapping[str, Sequence[Manifest]], name: str) -> None:
    templates = pod_templates(rendered[name])
    for deployment in of_kind(rendered[name], "Deployment").values():
        wanted = deployment["spec"]["selector"]["matchLabels"].items()
        assert [wanted <= one["metadata"]["labels"].items() for one in templates.values()].count(True) == 1


def test_with_one_file_as_the_store_there_is_one_process(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    deployments = of_kind(rendered["nothing given"], "Deployment")
    assert [(one["spec"]["replicas"], one["spec"]["strategy"]) for one in deployments.values()] == [
        (1, {"type": "Recreate"})
    ]
    assert len(of_kind(rendered["a server and SQLite"], "Deployment")) == 1


def test_with_servers_as_the_stores_gateways_are_pods_of_their_own(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    deployments = of_kind(rendered["a database, its URL in a Secret"], "Deployment")
    assert deployments["servicegroup-gateway"]["spec"]["replicas"] == 3
    assert "--gateway=off" in arguments(deployments["servicegroup"])
    assert "servicegroup-gateway" in of_kind(rendered["a database, its URL in a Secret"], "PodDisruptionBudget")


def test_replicas_are_left_to_an_autoscaler_that_writes_them(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    found = of_kind(rendered["all there is"], "Deployment")["who-is-up-gateway"]
    assert "replicas" not in found["spec"]


def test_a_password_stays_in_its_secret(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    manifests = rendered["all there is"]
    (stores,) = (yaml.safe_load(one["data"]["stores.yaml"]) for one in of_kind(manifests, "ConfigMap").values())
    assert stores["stores"]["default"] == {"driver": "db", "urlFile": "/etc/servicegroup/stores/default/dsn"}
    for deployment in of_kind(manifests, "Deployment").values():
        spec = deployment["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        mounted = volumes[mounts["/etc/servicegroup/stores/default"]]
        assert mounted["secret"] == {"secretName": "beats", "optional": True}


@pytest.mark.parametrize("name", SETS)
def test_the_program_understands_its_arguments_and_its_stores(
    rendered: Mapping[str, Sequence[Manifest]], tmp_path: Path, name: str
) -> None:
    parser = Parser()
    commands = parser.add_subparsers(dest="command", parser_class=Parser)
    for command in (operator, gateway):
        command.add(commands)
    given = [parser.parse_args(arguments(one)) for one in of_kind(rendered[name], "Deployment").values()]
    assert {one.command for one in given} <= {"operator", "gateway"}
    (stores,) = of_kind(rendered[name], "ConfigMap").values()
    (tmp_path / "stores.yaml").write_text(stores["data"]["stores.yaml"])
    asked = SETS[name].get("stores", {"default": {}})
    assert read_stores(tmp_path / "stores.yaml").keys() == asked.keys()


def test_the_image_is_taken_by_tag_or_by_content(helm: Helm) -> None:
    digest = f"sha256:{'0' * 64}"
    for given, image in (
        ({}, "servicegroup:0.1.0"),
        ({"tag": "next"}, "servicegroup:next"),
        ({"digest": digest}, f"servicegroup@{digest}"),
        ({"tag": "next", "digest": digest}, f"servicegroup:next@{digest}"),
    ):
        found = of_kind(helm.render({"image": given}), "Deployment")["servicegroup"]
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_a_changed_store_starts_its_readers_anew(helm: Helm) -> None:
    def checksums(limit: int) -> list[str]:
        stores = {"default": {"driver": "mc", "servers": ["a:1"], "maxBeatsPerSecond": limit}}
        templates = pod_templates(helm.render({"stores": stores}))
        return [
            one["metadata"]["annotations"]["checksum/stores"] for key, one in templates.items() if "Pod/" not in key
        ]

    assert len(checksums(5)) == 2
    assert set(checksums(5)).isdisjoint(checksums(6))
    assert checksums(5) == checksums(5)


def test_the_user_is_left_to_a_cluster_that_gives_them_out(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    name = "users by number given by the cluster, as on OpenShift"
    assert [one["kind"] for one in rendered[name] if "runAsUser" in str(one) or "fsGroup" in str(one)] == []


def test_a_store_that_clusters_share_is_written_by_its_id(rendered: Mapping[str, Sequence[Manifest]]) -> None:
    manifests = rendered["memcached by TLS, and a limit"]
    for deployment in of_kind(manifests, "Deployment").values():
        assert "--store-id=east" in arguments(deployment)
    (policy,) = of_kind(manifests, "MutatingAdmissionPolicy").values()
    (env,) = (one["expression"] for one in policy["spec"]["variables"] if one["name"] == "env")
    assert '"name": dyn("SERVICEGROUP_STORE_ID"), "value": dyn("east")' in env


def arguments(deployment: Mapping[str, Any]) -> Sequence[str]:
    found: Sequence[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found
