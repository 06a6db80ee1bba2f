"""Two gateways over one file: agents come by HTTP with a token, and the operator reads the file on their machine."""

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from kubernetes import client

from tests.contract.ports import free_port
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens
from tests.scenarios.crews import wrong_clock
from tests.scenarios.machine import Disk
from tests.scenarios.places.place import DistantPlace, Ways
from tests.scenarios.places.sqlite import Sqlite
from tests.scenarios.proxy import Proxy

NAME, COUNT = "gateway", 2
TOKEN_LASTS = 24 * 3600
"""Seconds: longer than anything is played."""


class Gateways(Sqlite, DistantPlace):
    def __init__(
        self, folder: Path, processes: Sequence[Gateway], ways: Ways, admin: client.ApiClient, disk: Disk | None
    ) -> None:
        super().__init__(folder, disk=disk, name=NAME)
        self.folder = folder
        self.processes = processes
        self.ways = ways
        self.admin = admin
        self._environ = processes[0].environ

    def admit(self, namespace: str, *, clock: Path | None) -> str:
        """Agents have a token of that namespace, for every member: a crew is many of them, with names of all kinds."""
        if clock is not None:
            self._restart({**self._environ, **wrong_clock("", file=clock)})
        tokens = Tokens(self.admin, namespace, self.folder)
        file = tokens.file(tokens.of_subject("crew", "beat", "get", lasts=TOKEN_LASTS))
        assert self.ways is not None
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.ways.agents)
        return f"http://{hosts}/?token_file={file}"

    def mend(self) -> None:
        if self.processes[0].environ != self._environ:
            self._restart(self._environ)

    def _restart(self, environ: Mapping[str, str]) -> None:
        for one in self.processes:
            one.environ = environ
        with self.gateways_killed():
            pass

    def slow_both_ways(self, seconds: float) -> AbstractContextManager[None]:
        assert self.ways is not None
        return self.ways.slow(seconds, back=seconds)

    @contextmanager
    def gateways_stopped(self) -> Iterator[None]:
        for one in self.processes:
            os.kill(one.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in self.processes:
                os.kill(one.pid, signal.SIGCONT)

    @contextmanager
    def gateways_killed(self) -> Iterator[None]:
        with self._away(self.processes, by=signal.SIGKILL):
            yield

    @contextmanager
    def one_gateway_killed(self) -> Iterator[None]:
        with self._away(self.processes[:1], by=signal.SIGKILL):
            yield

    @contextmanager
    def one_gateway_stopped(self) -> Iterator[None]:
        os.kill(self.processes[0].pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.processes[0].pid, signal.SIGCONT)

    @contextmanager
    def gateways_upgraded(self) -> Iterator[None]:
        """One after the other, as by a Deployment."""
        for one in self.processes:
            with self._away([one], by=signal.SIGTERM):
                pass
        yield

    @contextmanager
    def _away(self, which: Sequence[Gateway], *, by: signal.Signals) -> Iterator[None]:
        for one in which:
            one.end(by)
        try:
            yield
        finally:
            for one in which:
                one.start()
            for one in which:
                assert one.url  # it listens


@contextmanager
def gateways(folder: Path, *, admin: client.ApiClient, kubeconfig: Path, disk: Disk | None) -> Iterator[Gateways]:
    """`kubeconfig` is of who may do what a gateway must."""
    folder.mkdir(parents=True, exist_ok=True)
    stores = folder / "stores.yaml"
    url = Sqlite(folder, disk=disk).operator_url
    stores.write_text(json.dumps({"stores": {NAME: {"driver": "db", "url": url}}}), encoding="utf-8")
    environ = {"KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
    ports = [free_port() for _ in range(COUNT)]
    with ExitStack() as stack:
        started = []
        for port in ports:
            words = ["gateway", "--stores", str(stores), "--listen", f"127.0.0.1:{port}", "--insecure-http"]
            started.append(stack.enter_context(running(Gateway(words, environ, folder, f"gateway-{port}"))))
        for one in started:
            assert one.url  # it listens
        ways = Ways([Proxy(port) for port in ports])
        stack.callback(ways.close)
        yield Gateways(folder, started, ways, admin, disk)
