"""`python -m tests.benchmarks.gateway`: CPU per beat by a gateway and its store, beside beats to the store itself.

Both in one run, on the same store and at the same rate, so that the ratio means something on a noisy machine. The
agents' own share is not in it. Last: how much memory an agent and a gateway take.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client, config
from servicegroup.model import GroupKey

from tests.apiserver.conftest import define, kubectl_of
from tests.contract.databases import POSTGRESQL, served
from tests.gateway.certificates import Authority
from tests.gateway.crowd import Crowd, crowd
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens
from tests.localcluster import CONTROL_PLANE, ControlPlane, ProgressLine, find_or_build, processes

MEMBERS, INTERVAL = 1000, 2.0
SECONDS = 20.0
JOINING = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(leader: int) -> float:
    """Seconds that a process and its children have used, those of them that have ended too."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if leader in (int(fields[1]), int(folder.name)):  # a child: PostgreSQL's leave its session
            found += sum(map(int, fields[11:13])) + (sum(map(int, fields[13:15])) if int(folder.name) == leader else 0)
    return found / TICKS


def measure(told: Crowd, *leaders: int, own: bool = False) -> tuple[float, float]:
    """Milliseconds of CPU for each beat, and beats a second, once all have joined."""

    def used() -> float:
        return own * time.process_time() + sum(map(cpu, leaders))

    limit = time.monotonic() + JOINING
    while len(told.acknowledged) < MEMBERS:
        assert time.monotonic() < limit, (
            f"{len(told.acknowledged)} of {MEMBERS} have joined, {told.failed} calls failed"
        )
        time.sleep(0.1)
    time.sleep(2 * INTERVAL)
    beats, spent, started = told.beats, used(), time.monotonic()
    time.sleep(SECONDS)
    done = told.beats - beats
    return 1000 * (used() - spent) / done, done / (time.monotonic() - started)


@contextmanager
def site(folder: Path) -> Iterator[tuple[ControlPlane, Tokens]]:
    with ProgressLine(stream=sys.stderr) as progress:
        programs = find_or_build(CONTROL_PLANE, progress=progress)
    with ControlPlane.start(programs, folder=folder / "plane") as plane:
        define(kubectl_of(plane, program=programs["kubectl"], home=folder))
        opened: Any = config.new_client_from_config(str(plane.kubeconfig()))
        with opened:
            core: Any = client.CoreV1Api(opened)
            core.create_namespace({"metadata": {"name": "nova"}})
            yield plane, Tokens(opened, "nova", folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        plane, tokens = stack.enter_context(site(folder))
        key = GroupKey.parse(tokens.group())
        token = tokens.file(tokens.of_subject("outside", "beat"))
        authority = Authority(folder)
        chain, private = authority.issue()
        names = [f"node-{number}" for number in range(MEMBERS)]
        server = stack.enter_context(served(POSTGRESQL))
        server.start()
        server.empty()
        child: Any = server._child
        kinds: dict[str, tuple[str, tuple[int, ...]]] = {
            "SQLite": (f"sqlite:///{folder}/beats.sqlite", ()),
            "PostgreSQL": (server.url(), (child.popen.pid,)),
        }
        environ = {"KUBECONFIG": str(plane.kubeconfig()), "HOME": str(folder)}
        for kind, (url, leader) in kinds.items():
            stores = folder / "stores.yaml"
            stores.write_text(json.dumps({"stores": {"default": {"driver": "db", "url": url}}}))
            words = ["gateway", "--stores", str(stores), "--listen", "127.0.0.1:0"]
            words += ["--tls-cert", str(chain), "--tls-key", str(private)]
            with running(Gateway(words, environ, folder, name=f"gateway-{kind}")) as gateway:
                address = f"{gateway.url}/?token_file={token}&ca={authority.file}"
                with crowd(address, key, names, interval=INTERVAL) as told:
                    tell(f"{kind}: by a gateway, both", measure(told, gateway.pid, *leader))
                    if leader:
                        tell(f"{kind}: by a gateway, the server's part", measure(told, *leader))
                tell_memory("a gateway", gateway.pid)
                agent_by(address, key, folder)
            with crowd(url, key, names, interval=INTERVAL) as told:
                tell(f"{kind}: itself, with the agents' part", measure(told, *leader, own=True))
                if leader:
                    tell(f"{kind}: itself, the server's part", measure(told, *leader))


def agent_by(address: str, key: GroupKey, folder: Path) -> None:
    words = ["agent", "--group", str(key), "--member", "one", "--report-interval", "1", "--store-url", address]
    log, environ = folder / "agent.log", {"PATH": os.environ["PATH"]}
    child = processes.start([sys.executable, "-m", "servicegroup", *words], log=log, environ=environ, folder=folder)
    time.sleep(5.0)
    tell_memory("an agent by it", child.popen.pid)
    processes.stop(child)


def tell(what: str, found: tuple[float, float]) -> None:
    print(f"{what}: {found[0]:.2f} ms of CPU a beat, at {found[1]:.0f} a second", flush=True)


def tell_memory(what: str, pid: int) -> None:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    print(f"{what}: {int(line.split()[1]) / 1024:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
