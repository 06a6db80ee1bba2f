"""One bench for the session: an API server of its own, since these kill it, and a server of each store."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.databases import Absent
from tests.localcluster.errors import LocalClusterError
from tests.scenarios.bench import Bench, bench

HERE = Path(__file__).parent
LIMIT = 300
"""Seconds for one history; it takes a minute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As in tests/apiserver: the first fixture may have to build Kubernetes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(LIMIT, func_only=True))


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Skips where something is not on this machine; with REQUIRE_ALL=1 that is a failure."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with tempfile.TemporaryDirectory(prefix="servicegroup-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # servers that are not root's look into it
        try:
            with capture.global_and_fixture_disabled():
                opening = bench(folder)
                it = opening.__enter__()
        except (Absent, LocalClusterError) as error:
            (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(str(error))
        try:
            yield it
        finally:
            opening.__exit__(None, None, None)
