"""The examples that ship run as they stand. Their stand-ins for a service want a shell, which our image has too."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from tests.cluster.image import NAME
from tests.cluster.site import Site, state
from tests.localcluster.node import Cluster

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
MADE_BY_AN_EXAMPLE = Path("/lib/modules")
"""On this very machine where it is missing: a node's files are the machine's."""


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "example",
    [("daemonset.yaml", "app=compute", "compute"), ("nova-compute.yaml", "application=nova", "nova-compute")],
)
def test_an_example_runs_as_it_stands(
    example: tuple[str, str, str], cluster: Cluster, api: client.ApiClient, kubectl: Callable[..., str]
) -> None:
    file, app, main = example
    cluster.tag_image(NAME, "docker.io/library/busybox:1.37")
    manifests = list(yaml.safe_load_all((EXAMPLES / file).read_text(encoding="utf-8")))
    site = Site(manifests[0]["metadata"]["name"], api, kubectl)
    there = MADE_BY_AN_EXAMPLE.exists()
    kubectl("apply", "-f", str(EXAMPLES / file))
    try:
        site.until_member("Up", "Beating")
        site.until_pod(lambda pod: "running" in state(pod, main).get("state", {}), what="the service runs", label=app)
    finally:
        kubectl("delete", "--wait=false", "-f", str(EXAMPLES / file))
        if not there:
            with suppress(FileNotFoundError):
                MADE_BY_AN_EXAMPLE.rmdir()
