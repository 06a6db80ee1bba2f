"""What a Kubernetes user has without us, on a real kubelet: its node's and its pods' conditions under the same faults.

There is one node, so the faults come one after the other, beside the run of the others. The pods run Python's own web
server, in the project's image; that image is nothing but a Python that the node can have without a registry.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.compare.door import door
from tests.compare.faults import Fault
from tests.compare.field import NAMESPACE, Field, looking, pod, through
from tests.compare.observations import published
from tests.compare.plan import Episode, Plan, Seen, look
from tests.localcluster.namespaces import ADDRESS
from tests.localcluster.node import run_cluster
from tests.localcluster.nodefiles import NODE, USUAL, Rhythm

__all__ = ["ORDER", "run"]

ORDER = (Fault.MAIN_HUNG, Fault.MAIN_KILLED, Fault.AGENT_KILLED, Fault.PARTITION, Fault.POWER_OFF)
"""The last one leaves nothing."""

SHORT, LONG = 30.0, 120.0
"""Seconds for which is looked, after a service is killed and after it hangs; the second is twice what a probe and the
end of its container take by default."""


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
        far = through(way, cluster)
        cluster.kill_kubelet()
        cluster.start_kubelet(kubeconfig=far)
        opened: Any = config.new_client_from_config(str(cluster.kubeconfig))
        place = Field(cluster, client.CoreV1Api(opened), way, far, plan.scale, pods)
        with opened, looking(place):
            for name in pods["kubernetes-phase"]:
                place.core.create_namespaced_pod(NAMESPACE, pod(name, probed=name in names["probed"], scale=plan.scale))
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
        {},
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
