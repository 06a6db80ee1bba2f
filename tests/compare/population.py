"""The nodes of a run: on each a service, an agent for each of our systems, and a service of each of Nova's.

Names come in, processes run, and what befalls a node befalls all of them in one moment. They end with the block.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compare.backing import Backing
from tests.compare.faults import Fault, struck
from tests.compare.novas import Novas
from tests.compare.ours import words
from tests.compare.systems import Kind, System
from tests.contract.ports import free_port
from tests.localcluster import processes
from tests.localcluster.errors import LocalClusterError

__all__ = ["Population", "populated"]

ROOT = Path(__file__).parents[2]
STARTED_WITHIN = 120.0

Pids = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Population:
    """`agents` and `novas` by system; each is node to pid."""

    nodes: Sequence[str]
    mains: Pids
    agents: Mapping[str, Pids]
    novas: Mapping[str, Pids]
    backing: Backing

    def strike(self, fault: Fault) -> float:
        """The moment."""
        if fault is Fault.PARTITION:
            self.backing.door.shut()
        else:
            number = signal.SIGSTOP if fault is Fault.MAIN_HUNG else signal.SIGKILL
            for node in struck(fault, self.nodes):
                for pid in self._victims(fault, node):
                    os.kill(pid, number)
        return time.monotonic()

    def heal(self) -> None:
        """Who is cut off or hung goes on; the dead stay dead."""
        self.backing.door.open()
        for node in struck(Fault.MAIN_HUNG, self.nodes):
            for pid in self._victims(Fault.MAIN_HUNG, node):
                os.kill(pid, signal.SIGCONT)

    def lost(self) -> list[str]:
        """Processes that nobody killed and that are gone: what was said of their nodes would be no mistake."""
        doomed = {
            pid
            for fault in (Fault.POWER_OFF, Fault.MAIN_KILLED, Fault.AGENT_KILLED)
            for node in struck(fault, self.nodes)
            for pid in self._victims(fault, node)
        }
        groups = {"service": self.mains, **self.agents, **self.novas}
        return [
            f"{name} of {node}"
            for name, pids in groups.items()
            for node, pid in pids.items()
            if pid not in doomed and _dead(pid)
        ]

    def _victims(self, fault: Fault, node: str) -> list[int]:
        agents = [pids[node] for pids in self.agents.values()]
        services = [self.mains[node], *(pids[node] for pids in self.novas.values() if node in pids)]
        if fault is Fault.AGENT_KILLED:
            return agents
        return [*services, *agents] if fault is Fault.POWER_OFF else services


@contextmanager
def populated(
    nodes: Sequence[str],
    systems: Sequence[System],
    *,
    backing: Backing,
    novas: Novas | None,
    folder: Path,
    scale: float,
    progress: Callable[[str], None],
) -> Iterator[Population]:
    """`novas` where there are systems of Nova's."""
    with ExitStack() as stack:

        def start(name: str, command: Callable[[Path], processes.Child]) -> Pids:
            progress(f"starting {name} of {len(nodes)} nodes")
            file = folder / f"{name}.pids"
            child = command(file)
            stack.callback(processes.stop, child)
            return _pids(file, child)

        def ours(module: str, spec: object) -> Callable[[Path], processes.Child]:
            return lambda file: _start(module, spec, folder=folder, pids=file)

        def nova(system: System) -> Callable[[Path], processes.Child]:
            assert novas is not None
            spared = struck(Fault.AGENT_KILLED, nodes)  # it has none
            return lambda file: novas.host(system, [one for one in nodes if one not in spared], pids=file)

        ports = {node: free_port() for node in nodes}
        mains = start("services", ours("mains", ports))
        agents, others = {}, {}
        for system in systems:
            if system.kind is Kind.OURS:
                spec = {node: words(system, node, port=ports[node], backing=backing, scale=scale) for node in nodes}
                agents[system.name] = start(system.name, ours("agents", spec))
            elif system.kind is Kind.NOVA:
                others[system.name] = start(system.name, nova(system))
        yield Population(nodes, mains, agents, others, backing)


def _start(module: str, spec: object, *, folder: Path, pids: Path) -> processes.Child:
    file = pids.with_suffix(".json")
    file.touch(mode=0o600)  # it names the stores with their passwords
    file.write_text(json.dumps(spec), encoding="utf-8")
    argv = [sys.executable, "-m", f"tests.compare.{module}", str(file), str(pids)]
    return processes.start(argv, log=folder / f"{pids.stem}.log", environ={"PATH": os.environ["PATH"]}, folder=ROOT)


def _pids(file: Path, child: processes.Child) -> Pids:
    limit = time.monotonic() + STARTED_WITHIN
    while not file.exists():
        if processes.ended(child, within=0.1) or time.monotonic() > limit:
            raise LocalClusterError(f"{file.stem} did not start: {child.log.read_text(errors='replace')[-2000:]}")
    found: Pids = json.loads(file.read_text(encoding="utf-8"))
    return found


def _dead(pid: int) -> bool:
    """It is not waited for, so that its place in /proc stays."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
