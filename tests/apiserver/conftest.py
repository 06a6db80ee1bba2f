"""What the tests beside it stand on: one real kube-apiserver for the session, with every file of crds/ applied.

A clean room is a namespace of its own, never a new server. Nothing cleans up: the server and its data go at the end.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from kubernetes import client, config
from servicegroup.operator.manifest import API_GROUP, API_VERSION, PLURAL

from tests.localcluster.binaries import CONTROL_PLANE, find_or_build
from tests.localcluster.controlplane import ControlPlane
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.progress import ProgressLine

HERE = Path(__file__).parent
DEFINITIONS = HERE.parents[1] / "crds"

PUBLISHED_WITHIN = 30.0
"""Seconds; the API server publishes what `kubectl explain` reads about one second after a definition is established."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave fixtures out of each test's time: the first one may have to build Kubernetes, which takes minutes."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Mapping[str, Path]:
    """kube-apiserver, etcd and kubectl; the progress of a build is shown although pytest captures output."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled(), ProgressLine(stream=sys.stderr) as progress:
            return find_or_build(CONTROL_PLANE, progress=progress)
    except LocalClusterError as error:
        raise unavailable(str(error)) from None


def unavailable(reason: str) -> BaseException:
    """Skips, but fails where it was promised that everything can be had."""
    if os.environ.get("REQUIRE_ALL") == "1":
        return pytest.fail.Exception(reason, pytrace=False)
    return pytest.skip.Exception(reason)


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line of JSON for each request that the server answered."""
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="session")
def control_plane(
    programs: Mapping[str, Path], audit_log: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """The running server. Its kubeconfig() is the administrator's; our definitions are established."""
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane.start(programs, folder=folder, audit_log=audit_log) as plane:
        define(kubectl_of(plane, program=programs["kubectl"], home=tmp_path_factory.mktemp("home")))
        yield plane


def kubectl_of(plane: ControlPlane, *, program: Path, home: Path) -> Callable[..., str]:
    """Call it with arguments, and `stdin=` where wanted; it returns stdout. `home` gets kubectl's cache."""

    def run(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [program, "--kubeconfig", plane.kubeconfig(), *arguments],
            input=stdin,
            # Settings and cached schemas of whoever runs the tests would change what is seen here.
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def define(kubectl: Callable[..., str]) -> None:
    """Apply crds/ as its readers are told to, and wait until objects are taken and explained."""
    kubectl("apply", "--server-side", "-f", str(DEFINITIONS))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(DEFINITIONS))
    wanted = {path for file in sorted(DEFINITIONS.glob("*.yaml")) for path in schema_paths(file)}
    limit = time.monotonic() + PUBLISHED_WITHIN
    # Nothing can be watched for this: the schemas appear in the index when they are published.
    while missing := wanted - json.loads(kubectl("get", "--raw", "/openapi/v3"))["paths"].keys():
        assert time.monotonic() < limit, f"/openapi/v3 lists no {missing} after {PUBLISHED_WITHIN:.0f} s"
        time.sleep(0.1)


def schema_paths(file: Path) -> list[str]:
    spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
    return [f"apis/{spec['group']}/{version['name']}" for version in spec["versions"]]


@pytest.fixture(scope="session")
def admin(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    """The administrator's client."""
    # Its stubs do not know that it can be closed.
    opened: Any = config.new_client_from_config(str(control_plane.kubeconfig()))
    with opened:
        yield opened


@pytest.fixture(scope="session")
def kubectl(
    control_plane: ControlPlane, programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """The administrator's kubectl: `kubectl("get", "csg", stdin="")` returns stdout, and fails the test on an error."""
    return kubectl_of(control_plane, program=programs["kubectl"], home=tmp_path_factory.mktemp("home"))


@pytest.fixture
def namespace(admin: client.ApiClient) -> Iterator[str]:
    """The name of a namespace that nobody else uses. No group outlives its test: the operators of later ones watch all
    namespaces, and some groups here have ten thousand members, or a status that nobody would publish.
    """
    name = f"test-{uuid4().hex[:12]}"
    client.CoreV1Api(admin).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield name
    groups: Any = client.CustomObjectsApi(admin)
    groups.delete_collection_namespaced_custom_object(API_GROUP, API_VERSION, name, PLURAL)
