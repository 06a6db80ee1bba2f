"""The node of `kubelet` with its pods: what befalls them, and what the API server says of them meanwhile."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.cluster.image import NAME
from tests.compare.door import Door
from tests.compare.faults import Fault
from tests.compare.observations import Round
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.namespaces import ADDRESS
from tests.localcluster.node import Cluster
from tests.localcluster.nodefiles import NODE

__all__ = ["NAMESPACE", "Field", "looking", "pod", "through"]

EVERY = 0.25
"""Seconds between two looks: more often than at the others, since a container that ends is back within two seconds."""

PROBE_PERIOD, GRACE = 10, 30
"""Kubernetes's defaults, in seconds."""

READY_WITHIN = 300.0
NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Field:
    """The cluster with its pods; rounds grow as long as `looking` lasts."""

    cluster: Cluster
    core: Any
    door: Door
    far: Path
    scale: float
    pods: Mapping[str, Sequence[str]]
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def look(self) -> None:
        began = time.monotonic()
        try:
            node = self.core.read_node(NODE, _request_timeout=10)
            pods = self.core.list_namespaced_pod(NAMESPACE, _request_timeout=10).items
        except (ApiException, HTTPError):
            node, pods = None, []
        ended = time.monotonic()
        states = {pod.metadata.name: _ready(pod.status.conditions) for pod in pods}
        phases = {pod.metadata.name: _phase(pod.status.phase) for pod in pods}
        said = {"kubernetes-node": {} if node is None else {NODE: _ready(node.status.conditions)}}
        said["kubernetes-phase"] = {name: phases[name] for name in self.pods["kubernetes-phase"] if name in phases}
        for system in ("kubernetes-pod", "kubernetes-probed"):
            said[system] = {name: states[name] for name in self.pods[system] if name in states}
        for system, words in said.items():
            self.rounds.setdefault(system, []).append(Round(began, ended, words))

    def until_ready(self, *, progress: Callable[[str], None]) -> None:
        """Node and pods."""
        limit = time.monotonic() + READY_WITHIN
        wanted = [("kubernetes-node", NODE), *((s, n) for s, names in self.pods.items() for n in names)]
        while down := [name for system, name in wanted if self._latest(system, name) != "up"]:
            progress(f"waiting until node and pods are ready: not yet {', '.join(down)}")
            if time.monotonic() > limit:
                raise LocalClusterError(f"not ready within {READY_WITHIN:.0f} s: {', '.join(down)}")
            time.sleep(0.5)

    def _latest(self, system: str, name: str) -> str:
        rounds = self.rounds.get(system, [])
        return rounds[-1].said.get(name, ("",))[0] if rounds else ""

    def signal_mains(self, number: signal.Signals) -> None:
        """In the order of the pods' names. Raises LocalClusterError or OSError where a container does not run."""
        for pod in self.core.list_namespaced_pod(NAMESPACE).items:
            container = pod.status.container_statuses[0].container_id.removeprefix("containerd://")
            group = self.cluster.cgroup(container, controller="memory")
            for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
                os.kill(int(pid), number)

    def strike(self, fault: Fault) -> None:
        if fault is Fault.POWER_OFF:
            self.cluster.power_off()
        elif fault is Fault.AGENT_KILLED:
            self.cluster.kill_kubelet()
        elif fault is Fault.PARTITION:
            self.door.shut()
        else:
            self.signal_mains(signal.SIGSTOP if fault is Fault.MAIN_HUNG else signal.SIGKILL)

    def heal(self, fault: Fault) -> None:
        if fault is Fault.AGENT_KILLED:
            self.cluster.start_kubelet(kubeconfig=self.far)
        elif fault is Fault.PARTITION:
            self.door.open()
        elif fault is Fault.MAIN_HUNG:
            # Of those with probes one may be between two starts; they are behind those that must be told.
            with suppress(LocalClusterError, OSError):
                self.signal_mains(signal.SIGCONT)


@contextmanager
def looking(place: Field) -> Iterator[None]:
    ended = threading.Event()

    def look_on() -> None:
        while not ended.wait(EVERY):
            place.look()

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def through(way: Door, cluster: Cluster) -> Path:
    """A kubeconfig that leads through the door."""
    written = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    port = way.to(cluster.plane.layout.apiserver_port)
    written["clusters"][0]["cluster"]["server"] = f"https://{ADDRESS}:{port}"
    file = cluster.machine.folder / "far.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(written), encoding="utf-8")
    return file


def pod(name: str, *, probed: bool, scale: float) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/", "port": 8080}}
    if scale != 1:
        probe["periodSeconds"] = max(1, round(PROBE_PERIOD * scale))  # type: ignore[assignment]
    main = {"name": "main", "image": NAME, "command": ["python3", "-m", "http.server", "8080", "--directory", "/run"]}
    probes = {"livenessProbe": probe, "readinessProbe": probe} if probed else {}
    spec = {"terminationGracePeriodSeconds": max(1, round(GRACE * scale)), "containers": [{**main, **probes}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _ready(conditions: Any) -> tuple[str, str]:
    for one in conditions or ():
        if one.type == "Ready":
            return ("up", "") if one.status == "True" else ("down", one.reason or f"Ready is {one.status}")
    return "down", "no condition Ready"


def _phase(phase: str) -> tuple[str, str]:
    return ("up", "") if phase == "Running" else ("down", phase)
