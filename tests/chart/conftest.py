"""Helm, as a tool of our go.mod; and for the tests beside it that need one, a real API server with the chart on it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.apiserver.conftest import admin, audit_log, kubectl_of, namespace, programs, unavailable
from tests.chart.rendering import Helm
from tests.localcluster.binaries import find_or_build
from tests.localcluster.controlplane import ControlPlane
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.progress import ProgressLine

__all__ = ["admin", "audit_log", "control_plane", "kubectl", "namespace", "programs"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As in tests/apiserver: the first fixture may have to build Kubernetes. Here a test awaits several things."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(240, func_only=True))


@pytest.fixture(scope="session")
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """It asks no cluster."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled(), ProgressLine(stream=sys.stderr) as progress:
            program = find_or_build(["helm"], progress=progress)["helm"]
    except LocalClusterError as error:
        raise unavailable(str(error)) from None
    return Helm(program, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def control_plane(programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A server on which nothing is defined: the chart does that."""
    with ControlPlane.start(programs, folder=tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def kubectl(
    control_plane: ControlPlane, programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    return kubectl_of(control_plane, program=programs["kubectl"], home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def helm_there(helm: Helm, control_plane: ControlPlane) -> Helm:
    """It works on the server."""
    return Helm(helm.program, helm.home, control_plane.kubeconfig())
