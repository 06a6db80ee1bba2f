"""What all scenarios of a run share: the API server, the stores' servers, and an account for the operator."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from kubernetes import client, config
from servicegroup.model import GroupKey
from servicegroup.operator.manifest import API_GROUP, API_VERSION, KIND, PLURAL
from servicegroup.store import StoreUnavailable, open_client

from tests.apiserver.conftest import define, kubectl_of
from tests.apiserver.operators import account, shipped_rules
from tests.contract import memcached
from tests.contract.databases import KINDS, Absent
from tests.gateway import gateways as gateway
from tests.localcluster.binaries import CONTROL_PLANE, find_or_build
from tests.localcluster.controlplane import ControlPlane
from tests.localcluster.progress import ProgressLine
from tests.scenarios import crews, strace
from tests.scenarios.machine import Disk, NoMachine, disk, enter
from tests.scenarios.places import Place, databases, gateways, memcacheds, sqlites

STORES = ("sqlite", "postgresql", "mariadb", "memcached", "memcached-3", "gateway")

NEED_A_MACHINE = ("disk_full", "packets_lost", "agents_packets_lost")
"""Faults of what other programs stand on too, unless it is the run's own."""


@dataclass
class Bench:
    plane: ControlPlane
    admin: client.ApiClient
    kubeconfig: Path
    places: Sequence[Place]
    folder: Path
    lacks: Mapping[str, str]
    """Faults that nobody can do to this machine, and why."""

    @property
    def groups(self) -> Any:
        return client.CustomObjectsApi(self.admin)

    def namespace(self) -> str:
        name = f"scenario-{uuid4().hex[:8]}"
        client.CoreV1Api(self.admin).create_namespace({"metadata": {"name": name}})  # type: ignore[arg-type]
        return name

    def create(self, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
        body = {"apiVersion": f"{API_GROUP}/{API_VERSION}", "kind": KIND, "metadata": {"name": name}, "spec": spec}
        self.groups.create_namespaced_custom_object(API_GROUP, API_VERSION, namespace, PLURAL, body)

    def group(self, namespace: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.groups.get_namespaced_custom_object(
            API_GROUP, API_VERSION, namespace, PLURAL, name
        )
        return found

    def edit(self, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        self.groups.patch_namespaced_custom_object(
            API_GROUP, API_VERSION, namespace, PLURAL, name, body, _content_type="application/merge-patch+json"
        )

    def delete(self, namespace: str, name: str) -> None:
        self.groups.delete_namespaced_custom_object(API_GROUP, API_VERSION, namespace, PLURAL, name)

    @contextmanager
    def api_server_away(self, how: str) -> Iterator[None]:
        """`killed`: connections are refused; `stopped`: they hang."""
        stopped = how == "stopped"
        (self.plane.pause_apiserver if stopped else self.plane.kill_apiserver)()
        try:
            yield
        finally:
            (self.plane.resume_apiserver if stopped else self.plane.start_apiserver)()

    def clean(self, namespace: str) -> None:
        self.groups.delete_collection_namespaced_custom_object(API_GROUP, API_VERSION, namespace, PLURAL)

    def publisher(self, place: Place, namespace: str) -> str:
        """Which run of an operator published the place's group last; empty: none did, or the store is away."""
        with closing(open_client(place.operator_url, store_id="default")) as store:
            try:
                record = store.record(GroupKey(namespace, place.name), timeout=5.0)
            except StoreUnavailable:
                return ""
        return "" if record is None else record.header.publisher


@contextmanager
def bench(folder: Path, *, stores: Sequence[str] = STORES, alone: bool = False) -> Iterator[Bench]:
    """With `alone` this thread goes to a machine of its own, if it can be had, for good. Raises Absent and
    LocalClusterError where this machine lacks something.
    """
    _need_programs()
    with ExitStack() as stack:
        with ProgressLine(stream=sys.stderr) as progress:
            programs = find_or_build(CONTROL_PLANE, progress=progress)
        lacks = _machine(alone=alone)
        plane = stack.enter_context(ControlPlane.start(programs, folder=folder / "control-plane"))
        home = folder / "home"
        home.mkdir()
        kubectl = kubectl_of(plane, program=programs["kubectl"], home=home)
        define(kubectl)
        opened: Any = config.new_client_from_config(str(plane.kubeconfig()))
        admin = stack.enter_context(opened)
        kubectl("create", "namespace", "operator")
        kubeconfig = account(kubectl, namespace="operator", rules=shipped_rules(), folder=home)

        def place(name: str) -> AbstractContextManager[Place]:
            own = None if "disk_full" in lacks else stack.enter_context(disk())
            if name != "gateway":
                return _place(name, folder, own)
            kubectl("create", "namespace", name)
            its = folder / "gateway-home"
            its.mkdir()
            role = account(kubectl, namespace=name, rules=gateway.shipped_rules(), folder=its)
            return gateways(folder / name, admin=admin, kubeconfig=role, disk=own)

        places = [stack.enter_context(place(name)) for name in stores]
        yield Bench(plane, admin, kubeconfig, places, folder, lacks)


def _need_programs() -> None:
    """Raises Absent."""
    if memcached.PROGRAM is None:
        raise Absent(memcached.HOW_TO_GET_IT)
    if not crews.LIBRARY:
        raise Absent(crews.HOW_TO_GET_IT)


def _machine(*, alone: bool) -> Mapping[str, str]:
    """What is to be had of it, for each fault that needs it."""
    lacks = {"disk_slow": reason} if (reason := strace.lacking()) else {}
    reason = "it is played by make test-scenarios alone" if not alone else ""
    try:
        if alone:
            enter()
    except NoMachine as error:
        reason = str(error)
    return {**lacks, **dict.fromkeys(NEED_A_MACHINE if reason else (), reason)}


def _place(name: str, folder: Path, own: Disk | None) -> AbstractContextManager[Place]:
    if name in KINDS:
        return databases(KINDS[name], disk=own)
    if name == "sqlite":
        return sqlites(folder / name, disk=own)
    _, _, count = name.partition("-")
    return memcacheds(folder, int(count or 1))
