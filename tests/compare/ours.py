"""Our side of a run: a real API server, a real operator as its service account, and a group for each of our systems."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from servicegroup.operator.manifest import API_GROUP, API_VERSION, PLURAL
from urllib3.exceptions import HTTPError

from tests.apiserver.conftest import define, kubectl_of
from tests.apiserver.operators import account, shipped_rules
from tests.compare.backing import Backing
from tests.compare.faults import Fault, struck
from tests.compare.observations import Round
from tests.compare.systems import System
from tests.localcluster import ControlPlane, processes

__all__ = ["operating", "words"]

NAMESPACE = "compare"
PROBE = {"period": 10, "timeout": 5, "start": 60}
"""Seconds; the agent's defaults."""


def words(system: System, node: str, *, port: int, backing: Backing, scale: float) -> list[str]:
    """The command line of a node's agent, which checks the service on that port."""
    url = backing.url(system.store, far=node in struck(Fault.PARTITION, [node]))
    said = ["agent", "--group", f"{NAMESPACE}/{system.name}", "--member", node, "--store-url", url]
    said += ["--report-interval", str(system.interval), "--check", f"http://127.0.0.1:{port}/"]
    if scale != 1:
        said += [word for name, seconds in PROBE.items() for word in (f"--check-{name}", str(seconds * scale))]
    return said


@contextmanager
def operating(
    systems: Sequence[System], *, programs: Mapping[str, Path], backing: Backing, folder: Path, every: float
) -> Iterator[Mapping[str, list[Round]]]:
    """What is asked each `every` seconds, system to rounds, growing while the block lasts."""
    with ControlPlane.start(programs, folder=folder / "control-plane") as plane:
        kubectl = kubectl_of(plane, program=programs["kubectl"], home=folder)
        define(kubectl)
        kubectl("create", "namespace", NAMESPACE)
        kubeconfig = account(kubectl, namespace=NAMESPACE, rules=shipped_rules(), folder=folder)
        kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump_all(_group(one) for one in systems))
        operator = _operator(systems, backing=backing, folder=folder, kubeconfig=kubeconfig)
        opened: Any = config.new_client_from_config(str(plane.kubeconfig()))
        rounds: dict[str, list[Round]] = {one.name: [] for one in systems}
        ended = threading.Event()
        asking = threading.Thread(target=_ask, args=(opened, rounds, ended, every))
        asking.start()
        try:
            yield rounds
        finally:
            ended.set()
            asking.join()
            processes.stop(operator)


def _operator(systems: Sequence[System], *, backing: Backing, folder: Path, kubeconfig: Path) -> processes.Child:
    stores = {
        one.store: {"driver": "mc" if one.store == "memcached" else "db", "url": backing.url(one.store, far=False)}
        for one in systems
    }
    (folder / "stores.yaml").write_text(yaml.safe_dump({"stores": stores}), encoding="utf-8")
    argv = [sys.executable, "-m", "servicegroup", "operator", "--namespaces", NAMESPACE]
    argv += ["--stores", str(folder / "stores.yaml"), "--decisions", str(folder / "decisions.jsonl")]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}
    return processes.start(argv, log=folder / "operator.log", environ=environ, folder=folder)


def _group(system: System) -> dict[str, Any]:
    times = {"reportIntervalSeconds": system.interval, "serviceDownTimeSeconds": system.down_time}
    kind = {"apiVersion": f"{API_GROUP}/{API_VERSION}", "kind": "ComputeServiceGroup"}
    return {**kind, "metadata": {"name": system.name}, "spec": {"store": system.store, **times}}


def _ask(api: client.ApiClient, rounds: Mapping[str, list[Round]], ended: threading.Event, every: float) -> None:
    """What the API server holds, as `kubectl get` shows it: the operator is not asked."""
    groups: Any = client.CustomObjectsApi(api)
    while True:
        began = time.monotonic()
        try:
            items = groups.list_namespaced_custom_object(
                API_GROUP, API_VERSION, NAMESPACE, PLURAL, _request_timeout=30
            )["items"]
        except (ApiException, HTTPError):
            items = []
        at = time.monotonic()
        for item in items:
            members = item.get("status", {}).get("members", ())
            said = {one["member"]: (one["verdict"].lower(), one["reason"]) for one in members}
            rounds[item["metadata"]["name"]].append(Round(began, at, said))
        if ended.wait(max(0.0, every - (at - began))):
            return
