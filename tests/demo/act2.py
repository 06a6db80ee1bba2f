"""Act 2, on a real API server: the resource, the operator as it runs in a cluster, `kubectl` as a person uses it.

Groups come from the API and verdicts go there. The store is a file of the operator's alone: agents and readers reach it
by the operator's gateway, with tokens, as they would from other machines.
"""

import json
import math
from pathlib import Path

from servicegroup import ServiceGroup

from tests.demo import kept
from tests.demo.access import Access
from tests.demo.agents import Agents
from tests.demo.apiserver import ApiServer, started
from tests.demo.building import Building
from tests.demo.evidence import Decisions, Sightings, Tail
from tests.demo.reader import Reader
from tests.demo.scenes import EDGE_NODES, NEVER_SEEN, NODES, Scenes
from tests.demo.stage import STOPPING, Stage
from tests.demo.steps import DOWN_TIME, INTERVAL

GROUPS = f"""\
apiVersion: servicegroup.dev/v1alpha1
kind: ComputeServiceGroup
metadata: {{name: compute}}
spec: {{reportIntervalSeconds: {INTERVAL}, serviceDownTimeSeconds: {DOWN_TIME}}}
---
apiVersion: servicegroup.dev/v1alpha1
kind: ComputeServiceGroup
metadata: {{name: edge}}
spec:
  reportIntervalSeconds: {INTERVAL}
  serviceDownTimeSeconds: {DOWN_TIME}
  expectedMembers: [{", ".join((*EDGE_NODES, NEVER_SEEN))}]
"""


def run(*, folder: Path, keep: bool, stage: Stage, building: Building, sabotage: bool) -> None:
    """Raises OSError, ActEnded and LocalClusterError."""
    stage.screen.doing("the API server is compiled, once on this machine")
    stage.until(lambda: building.ended, within=math.inf)
    programs = building.programs()
    stage.screen.background(None)
    stage.screen.doing("etcd and kube-apiserver start")
    access = Access(folder)
    agents = Agents(folder=folder, database=folder / "servicegroup.db", outlive=keep, address=access.url)
    with started(programs, folder=folder, stage=stage, keep=keep, url=access.url()) as api, agents:
        flags = access.certify()
        access.grant(api, nodes=(*NODES, *EDGE_NODES))
        with ServiceGroup(access.url(), "compute") as group:
            scenes = _set_up(api, agents, Reader(group), flags, folder=folder, stage=stage, sabotage=sabotage)
            scenes.play()
        stage.clear()
        stage.screen.doing("" if keep else STOPPING)
        if keep:
            victim = NODES[-1]
            told = kept.farewell(
                api.kubeconfig, kubectl=api.program, url=access.url(), victim=(victim, agents.pid(victim))
            )
            stage.screen.say("\n" + "\n".join(told) + "\n")


def _set_up(
    api: ApiServer,
    agents: Agents,
    reader: Reader,
    serving: tuple[str, ...],
    *,
    folder: Path,
    stage: Stage,
    sabotage: bool,
) -> Scenes:
    """The resource, two groups, the operator, and eyes on what it says; no agent yet."""
    stage.screen.doing("the resource and two groups are made")
    api.require("apply", "--server-side", "-f", "crds")
    api.require("wait", "--for=condition=Established", "--timeout=30s", "-f", "crds")
    stores, groups, decisions = folder / "stores.yaml", folder / "groups.yaml", folder / "decisions"
    stores.write_text(json.dumps({"stores": {"default": {"driver": "db", "url": agents.url}}}), encoding="utf-8")
    groups.write_text(GROUPS, encoding="utf-8")
    sightings = Sightings(Tail(api.watch("get", "csg", "--watch", "--output=json", shown=False)))

    def operate() -> None:
        flags = ("--stores", str(stores), "--decisions", str(decisions), *serving)
        agents.operate(*flags, sabotage=sabotage, environ=api.environ)

    operate()
    scenes = Scenes(stage, api, agents, reader, Decisions(Tail(decisions)), sightings, operate)
    stage.polls += [scenes.look, agents.require_operator]
    stage.witness = agents.why_late
    for line in GROUPS.splitlines():
        stage.screen.say(f"    {line}", style="dim")
    api.require("apply", "-f", groups)
    api.watch("get", "csg", "--watch", shown=True)
    return scenes
