"""How the API server answers a write of a status: which answer means that the group is gone, and which does not."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import aio, client
from servicegroup.model import GroupKey
from servicegroup.operator.cluster import Cluster, ClusterUnavailable, Gone

from tests.localcluster.controlplane import ControlPlane

PLACE = ("servicegroup.dev", "v1alpha1")
STATUS = {"driver": "db"}


@pytest.fixture
def write(control_plane: ControlPlane) -> Callable[[GroupKey, str], None]:
    """Write a status by the operator's own writer, as the administrator."""

    def run(key: GroupKey, uid: str) -> None:
        async def call() -> None:
            configuration = aio.client.Configuration()
            load: Any = aio.config.load_kube_config  # the stubs do not know its parameters
            await load(str(control_plane.kubeconfig()), client_configuration=configuration)
            cluster = Cluster(aio.client.ApiClient(configuration))
            try:
                await cluster.write_status((key, uid), STATUS)
            finally:
                await cluster.close()

        asyncio.run(call())

    return run


def created(admin: client.ApiClient, namespace: str) -> str:
    """The uid of a new group."""
    body = {"apiVersion": "/".join(PLACE), "kind": "ComputeServiceGroup", "metadata": {"name": "compute"}}
    api: Any = client.CustomObjectsApi(admin)
    made = api.create_namespaced_custom_object(*PLACE, namespace, "computeservicegroups", body)
    return str(made["metadata"]["uid"])


Write = Callable[[GroupKey, str], None]


def test_a_group_that_is_there_has_the_status(admin: client.ApiClient, namespace: str, write: Write) -> None:
    write(GroupKey(namespace, "compute"), created(admin, namespace))

    api = client.CustomObjectsApi(admin)
    found: Any = api.get_namespaced_custom_object(*PLACE, namespace, "computeservicegroups", "compute")
    assert found["status"] == STATUS


@pytest.mark.parametrize("known", [True, False], ids=["in a namespace that is there", "whose namespace is gone too"])
def test_a_group_that_is_not_there_is_gone(namespace: str, write: Write, *, known: bool) -> None:
    with pytest.raises(Gone):
        write(GroupKey(namespace if known else "nowhere", "compute"), "8a1c1f1e-0000-4000-8000-000000000000")


def test_a_kind_that_the_api_server_does_not_know_yet_may_come(
    namespace: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servicegroup.operator.cluster.PLURAL", "othergroups")

    with pytest.raises(ClusterUnavailable, match="404"):
        write(GroupKey(namespace, "compute"), "8a1c1f1e-0000-4000-8000-000000000000")
