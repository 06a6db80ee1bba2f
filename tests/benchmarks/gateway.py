"""`python -m tests.benchmarks.gateway`: CPU per beat by a gateway and its store, beside beats to the store itself.

Both in one run, on the same store and at the same rate, so that the ratio means something on a noisy machine. The
agents' own share is not in it. Then: how long who asks next to nothing waits while others ask for all members of a
large group. Last: how much memory an agent and a gateway take.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubernetes import client, config
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Policy, Reason, Verdict
from servicegroup.record import Header
from servicegroup.store import open_store

from tests.apiserver.conftest import define, kubectl_of
from tests.contract.databases import POSTGRESQL, served
from tests.gateway.certificates import Authority
from tests.gateway.crowd import Crowd, crowd
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens
from tests.localcluster import CONTROL_PLANE, ControlPlane, ProgressLine, find_or_build, processes

MEMBERS, INTERVAL = 1000, 2.0
LARGE, READING = 10_000, 5.0
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
            with running(Gateway(words, environ, folder, f"gateway-{kind}", authority.trust)) as gateway:
                address = f"{gateway.url}/?token_file={token}&ca={authority.file}"
                with crowd(address, key, names, interval=INTERVAL) as told:
                    tell(f"{kind}: by a gateway, both", measure(told, gateway.pid, *leader))
                    if leader:
                        tell(f"{kind}: by a gateway, the server's part", measure(told, *leader))
                readers_beside(gateway, url, tokens, f"large-{kind.lower()}")
                tell_memory("a gateway", gateway.pid)
                agent_by(address, key, folder)
            with crowd(url, key, names, interval=INTERVAL) as told:
                tell(f"{kind}: itself, with the agents' part", measure(told, *leader, own=True))
                if leader:
                    tell(f"{kind}: itself, the server's part", measure(told, *leader))


def readers_beside(gateway: Gateway, url: str, tokens: Tokens, name: str) -> None:
    """Waits of a small request, alone and beside one reader of a large group, who does or does not have its tag."""
    key = GroupKey.parse(tokens.group(name))
    token = tokens.of_subject(name, "get")
    path = f"/v1/namespaces/{key.namespace}/groups/{key.name}/members"
    up = {f"node-{number}": Published(Verdict.UP, Reason.BEATING, 1e9) for number in range(LARGE)}
    with closing(open_store(url, store_id="default")) as store:

        def publish(publication: int) -> None:
            up["node-0"] = replace(up["node-0"], since=1e9 + publication)
            header = Header(publication, Policy(3600.0, 9000.0), "e", 0.0, 0.0)
            store.publish(key, header, changes=up if publication == 1 else {"node-0": up["node-0"]},
                          whole=publication == 1, timeout=30.0)  # fmt: skip

        publish(1)
        tag = gateway.ask("GET", path, token=token).headers["ETag"]
        told("nobody beside it", *waits(gateway, path, token, headers=None, each_second=lambda _: None))
        kinds = {"all of it": {}, "its tag (304)": {"If-None-Match": tag}}
        for kind, headers in kinds.items():
            told(kind, *waits(gateway, path, token, headers=headers, each_second=lambda _: None))
        told("all of it, one member changes each second", *waits(gateway, path, token, headers={}, each_second=publish))


def told(what: str, done: int, took: list[float]) -> None:
    ordered = sorted(1000 * one for one in took)
    print(
        f"a small request beside a reader of {LARGE} members, {what}: median {ordered[len(ordered) // 2]:.1f} ms, "
        f"99 % {ordered[len(ordered) * 99 // 100]:.1f} ms, longest {ordered[-1]:.1f} ms; {done} lists",
        flush=True,
    )


def waits(
    gateway: Gateway, path: str, token: str, *, headers: dict[str, str] | None, each_second: Callable[[int], None]
) -> tuple[int, list[float]]:
    """How many lists were read, and the seconds of each small request; `headers` None: nobody reads lists."""
    ended, done, took = threading.Event(), 0, []

    def read() -> None:
        nonlocal done
        with closing(gateway.connect()) as connection:
            while not ended.is_set():
                connection.request("GET", path, headers={"Authorization": f"Bearer {token}", **(headers or {})})
                connection.getresponse().read()
                done += 1

    reader = threading.Thread(target=read)
    if headers is not None:
        reader.start()
    with closing(gateway.connect()) as connection:
        started = time.monotonic()
        for second in range(2, 2 + int(READING)):
            each_second(second)
            while time.monotonic() < started + second - 1:
                before = time.monotonic()
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                took.append(time.monotonic() - before)
                time.sleep(0.005)
    ended.set()
    if headers is not None:
        reader.join()
    return done, took


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
