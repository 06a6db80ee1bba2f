"""Nova's side of a run: for each of its systems a database, its configuration, its services and whoever asks them.

Separate because of what only Nova has: an environment of its own, and a nova.conf.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compare.backing import Backing
from tests.compare.faults import Fault, struck
from tests.compare.systems import System
from tests.localcluster import processes
from tests.localcluster.errors import LocalClusterError
from tests.localcluster.processes import Child

__all__ = ["Novas", "configuration"]

ROOT = Path(__file__).parents[2]
DEAD_RETRY = 300
"""Seconds; the default of oslo.cache's memcache_dead_retry."""


@dataclass(frozen=True, slots=True)
class Novas:
    """`scale` of what is measured in seconds, beside the system's own times."""

    python: Path
    folder: Path
    backing: Backing
    scale: float

    def prepare(self, systems: Sequence[System]) -> None:
        """The databases: of the first by Nova's migrations, of the others as copies. Raises LocalClusterError."""
        first = database(systems[0])
        self.backing.create_database(first)
        self._write(systems[0])
        argv = [str(self.python), "-m", "tests.compare.nova_schema", str(self._file(systems[0], far=False))]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalClusterError(f"Nova's migrations ended with {done.returncode}: {done.stderr[-2000:]}")
        for system in systems[1:]:
            self.backing.create_database(database(system), like=first)
            self._write(system)

    def host(self, system: System, nodes: Sequence[str], *, pids: Path) -> Child:
        """The services of the nodes."""
        far = set(struck(Fault.PARTITION, nodes))
        files = {node: str(self._file(system, far=node in far)) for node in nodes}
        spec = self.folder / f"{system.name}.json"
        spec.write_text(json.dumps({"nodes": files, "suffix": suffix(system), "interval": system.interval}))
        return self._start("nova_host", str(spec), str(pids), log=self.folder / f"{system.name}.log")

    def reader(self, system: System, *, every: float, log: Path) -> Child:
        return self._start("nova_reader", str(self._file(system, far=False)), suffix(system), str(every), log=log)

    def _start(self, module: str, *words: str, log: Path) -> Child:
        argv = [str(self.python), "-m", f"tests.compare.{module}", *words]
        return processes.start(argv, log=log, environ={"PATH": os.environ["PATH"]}, folder=ROOT)

    def _file(self, system: System, *, far: bool) -> Path:
        return self.folder / f"{system.name}-{'far' if far else 'near'}.conf"

    def _write(self, system: System) -> None:
        for far in (False, True):
            port = self.backing.doors["memcached"] if far else self.backing.memcached.port
            more = {"memcache_dead_retry": round(DEAD_RETRY * self.scale)} if self.scale != 1 else {}
            text = configuration(
                system,
                connection=self.backing.database(database(system), far=far),
                cache=f"127.0.0.1:{port}",
                more=more,
            )
            self._file(system, far=far).write_text(text, encoding="utf-8")


def database(system: System) -> str:
    return system.name.replace("-", "_")


def suffix(system: System) -> str:
    """Of its hosts' names: the systems on memcached share one, and their keys are the hosts'."""
    return f".{system.name}"


def configuration(system: System, *, connection: str, cache: str, more: Mapping[str, object]) -> str:
    """The nova.conf: what is not in it has Nova's default."""
    text = f"""\
[DEFAULT]
transport_url = fake:///
servicegroup_driver = {system.driver}
report_interval = {system.interval}
service_down_time = {system.down_time}
[database]
connection = {connection}
"""
    if system.backend:
        text += f"[cache]\nenabled = true\nbackend = {system.backend}\nmemcache_servers = {cache}\n"
        text += "".join(f"{name} = {value}\n" for name, value in more.items())
    return text
