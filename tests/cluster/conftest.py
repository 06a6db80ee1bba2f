"""What the tests beside it stand on: a cluster of one real node with the chart installed, for the session.

A clean room is a namespace of its own. From the first fixture on the tests are in the cluster's network, so pods and
services have the addresses here that they have there.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.apiserver.conftest import kubectl_of, unavailable
from tests.chart.rendering import CHART, Helm
from tests.cluster import image as images
from tests.cluster.site import Site, daemon_set, injected
from tests.localcluster.binaries import CONTROL_PLANE, NODE, cache_home, find_or_build
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.namespaces import leftovers
from tests.localcluster.node import Cluster, lacking, run_cluster
from tests.localcluster.progress import ProgressLine

HERE = Path(__file__).parent
RELEASE = ("servicegroup", "--namespace=servicegroup-system")
"""As Helm's words; the chart comes behind them."""

LIMIT = 400
"""Seconds for a test, each of which waits for several things."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As in tests/apiserver: the first fixtures may build Kubernetes and the image."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT, func_only=True))


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> tuple[Mapping[str, Path], Path]:
    """The programs and the archive of the image."""
    if reason := lacking():
        raise unavailable(reason)
    if absent := sorted(package for name, package in images.NEEDED.items() if shutil.which(name) is None):
        raise unavailable(f"Building the image needs these packages (Debian's names): {', '.join(absent)}.")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled(), ProgressLine(stream=sys.stderr) as progress:
            programs = find_or_build([*CONTROL_PLANE, *NODE], progress=progress)
            return programs, images.build(cache_home(os.environ) / "image", progress=progress)
    except LocalClusterError as error:
        raise unavailable(str(error)) from None


@pytest.fixture(scope="session")
def cluster(parts: tuple[Mapping[str, Path], Path]) -> Iterator[Cluster]:
    programs, image = parts
    with run_cluster(programs) as cluster:
        cluster.load_image(image)
        yield cluster
    assert leftovers(cluster.machine.name) == []


@pytest.fixture(scope="session")
def kubectl(
    cluster: Cluster, parts: tuple[Mapping[str, Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    return kubectl_of(cluster.plane, program=parts[0]["kubectl"], home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def helm(cluster: Cluster, parts: tuple[Mapping[str, Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(parts[0]["helm"], tmp_path_factory.mktemp("helm"), cluster.kubeconfig)


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    opened: Any = config.new_client_from_config(str(cluster.kubeconfig))
    with opened:
        yield opened


@pytest.fixture(scope="session")
def installed(helm: Helm, api: client.ApiClient) -> str:
    """The chart with no values; what Helm said."""
    said = helm.run("install", *RELEASE, str(CHART), "--create-namespace", "--wait", "--timeout=5m").stdout
    wait_for_injection(api)
    return said


def wait_for_injection(api: client.ApiClient) -> None:
    """The API server takes up a new policy after some seconds, and tells nobody when."""
    core: Any = client.CoreV1Api(api)
    template = daemon_set()["spec"]["template"]
    body = {"metadata": {**template["metadata"], "generateName": "probe-"}, "spec": template["spec"]}
    while True:  # the test's limit ends it
        made = core.create_namespaced_pod("default", body, dry_run="All")
        if injected(api.sanitize_for_serialization(made)):
            return


@pytest.fixture
def site(installed: str, api: client.ApiClient, kubectl: Callable[..., str]) -> Iterator[Site]:  # noqa: ARG001
    """A namespace that nobody else uses, in a cluster with the chart."""
    name = f"test-{uuid4().hex[:12]}"
    core: Any = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield Site(name, api, kubectl)
    with suppress(ApiException):  # the test did so
        core.delete_namespace(name)
