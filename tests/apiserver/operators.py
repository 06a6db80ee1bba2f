"""The operator as a process, as who it will be in a cluster: a service account with the Role that is shipped.

Names, folders and the server come in; a running operator that the test can stop, kill and start again goes out.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from servicegroup.model import Beat, GroupKey
from servicegroup.store import open_store

from tests.localcluster import processes
from tests.localcluster.processes import Child

ROLE = Path(__file__).parents[2] / "deploy" / "operator-role.yaml"
Kubectl = Callable[..., str]
AWAITED = 30.0
"""Seconds for something that takes two on an idle machine."""


@dataclass(slots=True)
class Site:
    """Where one test's operator works: its namespace, its state folder with the SQLite file, and its files.

    `store` is the URL of its one store, where that is not the SQLite file.
    """

    namespace: str
    folder: Path
    kubeconfig: Path
    arguments: tuple[str, ...] = ()
    store: str = ""
    _child: Child | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return self.store or f"sqlite:///{self.folder / 'servicegroup' / 'servicegroup.db'}"

    @property
    def log(self) -> str:
        return (self.folder / "operator.log").read_text(encoding="utf-8")

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:operator-{self.namespace}"

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.popen.pid

    def start(self) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),  # the client's copies of its certificates outlive one that is killed
            "XDG_STATE_HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
        }
        if self.store:
            driver = "mc" if self.store.startswith("memcached") else "db"
            stores = {"stores": {"default": {"driver": driver, "url": self.store}}}
            (self.folder / "stores.yaml").write_text(yaml.safe_dump(stores), encoding="utf-8")
            environ["SERVICEGROUP_STORES"] = str(self.folder / "stores.yaml")
        command = [sys.executable, "-m", "servicegroup", "operator", *self.arguments]
        self._child = processes.start(command, log=self.folder / "operator.log", environ=environ, folder=self.folder)

    def agent(self, member: str, *, group: str = "compute") -> Child:
        """A real agent, which the test kills."""
        words = ["agent", "--group", f"{self.namespace}/{group}", "--member", member, "--store-url", self.url]
        return processes.start(
            [sys.executable, "-m", "servicegroup", *words, "--report-interval", "1"],
            log=self.folder / "agents.log",
            environ={"PATH": os.environ["PATH"]},
            folder=self.folder,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        assert self._child is not None
        self._child.popen.send_signal(number)
        return self._child.popen.wait(timeout=AWAITED)

    def close(self) -> None:
        if self._child is not None and not processes.ended(self._child):
            processes.kill(self._child)


@contextmanager
def running(site: Site) -> Iterator[Site]:
    try:
        site.start()
        yield site
    finally:
        site.close()


@contextmanager
def crowd(site: Site, names: Sequence[str], *, interval: float) -> Iterator[None]:
    """Many members of the group `compute` in one thread: they join at once, and then beat in turn."""
    store, key, ended = open_store(site.url, store_id="default"), GroupKey(site.namespace, "compute"), threading.Event()

    def beat() -> None:
        for sequence in itertools.count():
            for name in names:
                one = Beat(name, "a" * 32, sequence, interval)
                (store.beat if sequence else store.join)(key, one, timeout=5.0)
                if ended.wait(interval / 2 / len(names) if sequence else 0):
                    return

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        store.close()


def account(kubectl: Kubectl, *, namespace: str, rules: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """A kubeconfig for a new service account that may do what `rules` say, in all namespaces."""
    name = f"operator-{namespace}"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": list(rules),
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([role, binding]))
    kubectl("create", "serviceaccount", name, "-n", namespace)
    token = kubectl("create", "token", name, "-n", namespace).strip()
    config = json.loads(kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def shipped_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load(ROLE.read_text(encoding="utf-8"))["rules"]
    return rules


def until(condition: Callable[[], Any], *, why: str, seconds: float = AWAITED) -> Any:
    """The condition's first true answer. The API offers a watch for some of these and not for others: all poll."""
    limit = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < limit, f"not within {seconds:.0f} s: {why}"
        time.sleep(0.1)
    return answer
