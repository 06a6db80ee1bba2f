"""What a Kubernetes user has without us, on a real kubelet: its node's and its pods' conditions under the same faults.

There is one node, so the faults come one after the other, beside the run of the others. The pods run Python's own web
server, in the project's image; that image is nothing but a Python that the node can have without a registry.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.cluster.image import NAME
from tests.compare.door import Door, door
from tests.compare.faults import Fault
from tests.compare.observations import Round, published
from tests.compare.plan import Episode, Plan, Seen, look
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.namespaces import ADDRESS
from tests.localcluster.node import Cluster, run_cluster
from tests.localcluster.nodefiles import NODE, USUAL, Rhythm

__all__ = ["run"]

EVERY = 0.25
"""Seconds between two looks: more often than at the others, since a container that ends is back within two seconds."""

ORDER = (Fault.MAIN_HUNG, Fault.MAIN_KILLED, Fault.AGENT_KILLED, Fault.PARTITION, Fault.POWER_OFF)
"""The last one leaves nothing."""

SHORT, LONG = 30.0, 120.0
"""Seconds for which is looked, after a service is killed and after it hangs; the second is twice what a probe and the
end of its container take by default."""

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

    def signal_mains(self, number: signal.Signals, *, only: Sequence[str] | None = None) -> None:
        for pod in self.core.list_namespaced_pod(NAMESPACE).items:
            if only is None or pod.metadata.name in only:
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
            self.signal_mains(signal.SIGCONT)


def run(plan: Plan, *, programs: Mapping[str, Path], image: Path, progress: Callable[[str], None]) -> Seen:
    """Raises LocalClusterError."""
    names = {kind: [f"{kind}-{number}" for number in range(1, plan.members + 1)] for kind in ("plain", "probed")}
    pods = {
        "kubernetes-phase": [*names["plain"], *names["probed"]],
        "kubernetes-pod": names["plain"],
        "kubernetes-probed": names["probed"],
    }
    rhythm = Rhythm(
        lease=max(4, round(USUAL.lease * plan.scale)),
        report=USUAL.report,
        grace=max(5, round(USUAL.grace * plan.scale)),
    )
    episodes: dict[Fault, tuple[float, float]] = {}
    with run_cluster(programs, rhythm=rhythm) as cluster, door(ADDRESS) as way:
        cluster.load_image(image)
        far = _through(way, cluster)
        cluster.kill_kubelet()
        cluster.start_kubelet(kubeconfig=far)
        opened: Any = config.new_client_from_config(str(cluster.kubeconfig))
        place = Field(cluster, client.CoreV1Api(opened), way, far, plan.scale, pods)
        with opened, looking(place):
            for name in pods["kubernetes-phase"]:
                place.core.create_namespaced_pod(
                    NAMESPACE, _pod(name, probed=name in names["probed"], scale=plan.scale)
                )
            for fault in (one for one in ORDER if one in plan.faults):
                place.until_ready(progress=progress)
                since = time.monotonic()
                place.strike(fault)
                _watch(place, fault, since=since, grace=rhythm.grace, progress=progress)
                episodes[fault] = (since, time.monotonic())
                place.heal(fault)
    members: dict[str, Sequence[str]] = {"kubernetes-node": [NODE], **pods}
    wanted = [one.name for one in plan.systems if one.name in members]
    return Seen(
        {name: place.rounds[name] for name in wanted},
        {
            name: {fault: Episode(since, until, members[name], ()) for fault, (since, until) in episodes.items()}
            for name in wanted
        },
    )


def _watch(place: Field, fault: Fault, *, since: float, grace: int, progress: Callable[[str], None]) -> None:
    """Until node and pods are published, or for the time that is given to it."""
    if fault in {Fault.MAIN_HUNG, Fault.MAIN_KILLED}:
        seconds = max(15.0, (LONG if fault is Fault.MAIN_HUNG else SHORT) * place.scale)
        look(seconds, what=f"{fault}; looking", progress=progress)
        return
    limit = since + 1.5 * grace + 30
    wanted = {"kubernetes-node": [NODE], **{name: place.pods[name] for name in ("kubernetes-pod", "kubernetes-probed")}}
    while time.monotonic() < limit and any(
        published(place.rounds[system], name, since=since) is None for system, names in wanted.items() for name in names
    ):
        progress(f"{fault}: not published yet, {limit - time.monotonic():.0f} s left")
        time.sleep(0.5)


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


def _through(way: Door, cluster: Cluster) -> Path:
    """A kubeconfig that leads through the door."""
    written = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    port = way.to(cluster.plane.layout.apiserver_port)
    written["clusters"][0]["cluster"]["server"] = f"https://{ADDRESS}:{port}"
    file = cluster.machine.folder / "far.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(written), encoding="utf-8")
    return file


def _pod(name: str, *, probed: bool, scale: float) -> dict[str, Any]:
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
