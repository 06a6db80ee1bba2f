"""What befalls the nodes, or what they stand on: names, and which nodes there are for them; values alone."""

from collections.abc import Iterable
from enum import StrEnum

from tests.compare.systems import Kind

__all__ = ["EXPLAINED", "ON_NODES", "ON_STORES", "Fault", "bystanders", "faults_named", "nodes", "spares", "struck"]


class Fault(StrEnum):
    POWER_OFF = "power-off"
    MAIN_KILLED = "main-killed"
    MAIN_HUNG = "main-hung"
    AGENT_KILLED = "agent-killed"
    PARTITION = "partition"
    MEMCACHED_RESTARTED = "memcached-restarted"
    DATABASE_PAUSED = "database-paused"


ON_NODES = (Fault.POWER_OFF, Fault.MAIN_KILLED, Fault.MAIN_HUNG, Fault.AGENT_KILLED, Fault.PARTITION)
ON_STORES = (Fault.MEMCACHED_RESTARTED, Fault.DATABASE_PAUSED)

EXPLAINED = {
    Fault.POWER_OFF: "Every process of a node gets SIGKILL in one moment: service, agent, `nova-compute`; on the "
    "kubelet's node also kubelet, containerd and every container.",
    Fault.MAIN_KILLED: "The service of a node gets SIGKILL and stays dead, all else lives: in Nova the process that "
    "beats, with us a service beside an agent that checks it by HTTP, in Kubernetes the main container, which the "
    "kubelet starts again.",
    Fault.MAIN_HUNG: "The same process gets SIGSTOP.",
    Fault.AGENT_KILLED: "Our agent gets SIGKILL and is not started again, and so does the kubelet, Kubernetes's own "
    "agent. Nova has none. **The service lives on**: a system that publishes it dead is wrong about the service.",
    Fault.PARTITION: "Between a node and its store, or its API server, nothing passes and nothing is refused. "
    "**The service lives on**, but nobody who judges can know.",
    Fault.MEMCACHED_RESTARTED: "SIGKILL, and started again a second later. All nodes live.",
    Fault.DATABASE_PAUSED: "MariaDB and PostgreSQL get SIGSTOP, and SIGCONT after 90 seconds. All nodes live.",
}

BYSTANDERS = 4
"""For each node that one fault strikes. Of our own members at most half may fall silent at once, else the brake on mass
failures holds them as Unknown: three faults silence as many each, and the two others' nodes are Down before."""

LEAST = 5


def faults_named(names: Iterable[str]) -> list[Fault]:
    """In the order of the tables. Raises ValueError."""
    asked = set(names)
    if strangers := sorted(asked - set(Fault)):
        raise ValueError(f"{', '.join(strangers)}: no such fault; there are {', '.join(Fault)}")
    return [one for one in Fault if one in asked]


def nodes(faults: Iterable[Fault], *, members: int) -> list[str]:
    """Those that a fault will strike bear its name, the others live."""
    doomed = [f"{fault}-{number}" for fault in faults if fault in ON_NODES for number in range(1, members + 1)]
    living = max(LEAST, BYSTANDERS * members)
    return [*doomed, *(f"living-{number}" for number in range(1, living + 1))]


def struck(fault: Fault, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.rpartition("-")[0] == fault]


def bystanders(names: Iterable[str]) -> list[str]:
    return struck("living", names)  # type: ignore[arg-type]


def spares(kind: Kind, fault: Fault) -> str:
    """Why a fault does not concern a system; empty when it does."""
    if kind is Kind.NOVA and fault is Fault.AGENT_KILLED:
        return "there is no agent"
    if kind is Kind.KUBERNETES and fault in ON_STORES:
        return "has no such store"
    return ""
