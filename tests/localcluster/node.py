"""A whole cluster of one node: programs come in, an API server whose pods really run goes out.

Separate from `controlplane`, which most tests need alone. All of it runs in a machine of its own (`namespaces`), so
whatever happens here, rules, bridges, mounts and containers vanish with that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from . import namespaces, processes
from .controlplane import ControlPlane
from .errors import LocalClusterError
from .keeper import hierarchies
from .layout import write_private
from .namespaces import ADDRESS, Machine
from .nodefiles import BRISK, CNI_PLUGINS, PAUSE_IMAGE, Node, Rhythm, controllers_argv, scheduler_argv
from .pauseimage import write_archive
from .processes import Child
from .readiness import require_running, wait_until

__all__ = ["Cluster", "lacking", "run_cluster"]

FROM_THE_SYSTEM: Final[Mapping[str, str]] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
"""Programs that are not compiled here, and Debian's package of each."""

KUBELET: Final = "kubelet"
BESIDE: Final = ("kube-controller-manager", "kube-scheduler")
"""Programs of the cluster that do not run on its node."""


def lacking() -> str:
    """Why no node can run on this machine; empty when one can."""
    if os.geteuid() != 0:
        return "A node's namespaces and cgroups need root."
    packages = {package for name, package in FROM_THE_SYSTEM.items() if shutil.which(name) is None}
    if not (CNI_PLUGINS / "bridge").exists():
        packages.add("containernetworking-plugins")
    if packages:
        return (
            f"A node needs these packages (Debian's names; their services may stay off): {', '.join(sorted(packages))}."
        )
    return ""


class Cluster:
    """Made by `run_cluster`."""

    def __init__(self, *, machine: Machine, plane: ControlPlane, binaries: Mapping[str, Path], rhythm: Rhythm) -> None:
        self.machine = machine
        self.plane = plane
        self.kubeconfig = plane.kubeconfig()
        self._binaries = binaries
        folder = machine.folder / "node"
        self._node = Node(
            folder=folder, kubeconfig=self.kubeconfig, address=ADDRESS, cgroup=machine.name, rhythm=rhythm
        )
        self._children: dict[str, Child] = {}

    def load_image(self, archive: Path) -> None:
        """Take the images of an archive, as `docker save` writes them."""
        self.ctr("images", "import", str(archive))

    def tag_image(self, source: str, target: str) -> None:
        self.ctr("images", "tag", "--force", source, target)

    def ctr(self, *arguments: str) -> str:
        argv = ["ctr", "--address", str(self._node.socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalClusterError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")
        return done.stdout

    def kill_kubelet(self) -> None:
        """Containers run on; nobody looks after them until `start_kubelet`."""
        namespaces.kill(self._children.pop(KUBELET))

    def start_kubelet(self, *, kubeconfig: Path | None = None) -> None:
        """With another way to the API server, where one is given."""
        node = self._node if kubeconfig is None else replace(self._node, kubeconfig=kubeconfig)
        self._in_machine(KUBELET, node.kubelet_argv(self._binaries[KUBELET]))

    def power_off(self) -> None:
        """SIGKILL to all that runs on the node, but not to what keeps its namespaces: the API server is elsewhere."""
        self.machine.kill_all()
        for name in [name for name in self._children if name not in BESIDE]:
            self._children.pop(name).popen.wait()

    def volume(self, pod: str, name: str) -> Path:
        """Where the emptyDir of a pod, given by its uid, is on the disk."""
        return self._node.folder / "kubelet" / "pods" / pod / "volumes" / "kubernetes.io~empty-dir" / name

    def cgroup(self, container: str, *, controller: str) -> Path:
        """Of a running container, given by its id."""
        tops = [top for top in hierarchies() if top.name in {controller, "cgroup"}]
        found = [path for top in tops for path in (top / self.machine.name).rglob(container)]
        if not found:
            raise LocalClusterError(f"No cgroup of {controller} is called {container}; does the container run?")
        return found[0]

    def exhaust_memory(self, container: str) -> None:
        """Fill its limit from outside with what no process of it owns, so that the kernel kills one of its own."""
        group = self.cgroup(container, controller="memory") / "cgroup.procs"
        # The shell moves itself there before it writes; the file, in memory, is gone with the mount.
        script = 'echo $$ > "$1"; cat /dev/zero > "$2/fill" 2>/dev/null; rm -f "$2/fill"'
        with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
            subprocess.run(["sh", "-c", script, "sh", str(group), memory], check=False, timeout=60)

    def require_running(self) -> None:
        self.plane.require_running()
        require_running(self._children)

    def log(self, name: str) -> str:
        return (self.machine.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _start(self) -> None:
        node, binaries = self._node, self._binaries
        for name, text in node.files().items():
            (node.folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_private(node.folder / name, text=text)
        self._in_machine("containerd", node.containerd_argv())
        controllers, scheduler = binaries["kube-controller-manager"], binaries["kube-scheduler"]
        self._beside(
            "kube-controller-manager",
            controllers_argv(
                controllers, kubeconfig=self.kubeconfig, layout=self.plane.layout, rhythm=self._node.rhythm
            ),
        )
        self._beside("kube-scheduler", scheduler_argv(scheduler, kubeconfig=self.kubeconfig, layout=self.plane.layout))
        wait_until(lambda: self._answers("version"), what="containerd", children=self._children)
        write_archive(node.folder / "pause.tar", program=binaries["pause"], name=PAUSE_IMAGE)
        self.load_image(node.folder / "pause.tar")
        self.start_kubelet()
        self._in_machine("kube-proxy", node.proxy_argv(binaries["kube-proxy"]))

    def _answers(self, *arguments: str) -> bool:
        try:
            self.ctr(*arguments)
        except LocalClusterError:
            return False
        return True

    def _in_machine(self, name: str, argv: list[str]) -> None:
        self._children[name] = self.machine.start_program(argv, log=self.machine.folder / f"{name}.log")

    def _beside(self, name: str, argv: list[str]) -> None:
        log = self.machine.folder / f"{name}.log"
        self._children[name] = processes.start(argv, log=log, environ=os.environ, folder=self.machine.folder)

    def _stop(self) -> None:
        for name in BESIDE:
            if name in self._children:
                processes.kill(self._children[name])
        self.plane.kill_apiserver()  # what it would end in order goes with the machine
        self.machine.stop()
        for child in self._children.values():
            child.popen.wait()


@contextmanager
def run_cluster(binaries: Mapping[str, Path], *, rhythm: Rhythm = BRISK) -> Iterator[Cluster]:
    """Meanwhile the calling thread is in the cluster's network. Raises LocalClusterError when it does not come up."""
    with (
        Machine.start(pause=binaries["pause"]) as machine,
        machine.network(),
        ControlPlane.start(binaries, folder=machine.folder / "control-plane", address=ADDRESS) as plane,
    ):
        cluster = Cluster(machine=machine, plane=plane, binaries=binaries, rhythm=rhythm)
        try:
            cluster._start()
            yield cluster
        finally:
            cluster._stop()
