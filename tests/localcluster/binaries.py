"""Finds the programs of a local cluster or has them built: names come in, paths go out.

Separate from `compiling` because this is the order of preference and the cache; how Go is driven is no concern here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from . import compiling
from .errors import LocalClusterError
from .toolchain import OTHER_WAYS

__all__ = ["CONTROL_PLANE", "NODE", "PACKAGES", "cache_home", "find_or_build", "kubernetes_version"]

PACKAGES: Final[Mapping[str, str]] = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "pause": "servicegroup.dev/tests/localcluster/pause",
}
"""The Go package of each program, a `tool` of our go.mod or a folder beside it; built in this order: what most of the
tests need comes first."""

CONTROL_PLANE: Final = ("kube-apiserver", "etcd", "kubectl")
"""Enough for the demo and for the tests which need an API server but no node."""

NODE: Final = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "helm", "pause")
"""What the tests on a real kubelet need besides."""

NEVER_FROM_PATH: Final = frozenset(NODE) - {"helm"}
"""They must be of the API server's version, and those on PATH may be of the node that this machine itself is."""

MODULE: Final = Path(__file__).parent
"""The folder of go.mod."""

MACHINES: Final[Mapping[str, str]] = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names, where they differ from the kernel's."""


def find_or_build(
    names: Iterable[str],
    *,
    progress: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
    nice: int = 0,
) -> dict[str, Path]:
    """Path of each program: from KUBEBUILDER_ASSETS, PATH or our cache, else built from go.mod into the cache.

    Raises LocalClusterError when one is nowhere and cannot be built.
    """
    wanted = _known(names)
    found = {name: path for name in wanted if (path := _installed(name, environ=environ))}
    missing = [name for name in wanted if name not in found]
    return found | _cached_or_built(missing, progress=progress, environ=environ, nice=nice)


def _known(names: Iterable[str]) -> list[str]:
    asked = set(names)
    if strangers := asked - PACKAGES.keys():
        raise LocalClusterError(
            f"There is no recipe for {', '.join(sorted(strangers))}; the known programs are {', '.join(PACKAGES)}."
        )
    return [name for name in PACKAGES if name in asked]


def _installed(name: str, *, environ: Mapping[str, str]) -> Path | None:
    assets = environ.get("KUBEBUILDER_ASSETS", "")
    if assets and not Path(assets).is_dir():
        raise LocalClusterError(
            f"KUBEBUILDER_ASSETS is {assets}, which is not a folder; "
            "set it to what `setup-envtest use -p path` prints, or unset it."
        )
    path = "" if name in NEVER_FROM_PATH else environ.get("PATH")
    for places in filter(None, (assets, path)):
        if found := shutil.which(name, path=places):
            return Path(found).absolute()
    return None


def _cached_or_built(
    names: Sequence[str], *, progress: Callable[[str], None], environ: Mapping[str, str], nice: int
) -> dict[str, Path]:
    folder = _cache_folder(environ)
    if missing := _absent(names, folder=folder):
        with _locked(folder, progress=progress):
            # Again, since whoever held the lock may have built them meanwhile.
            packages = {name: PACKAGES[name] for name in _absent(missing, folder=folder)}
            if packages:
                compiling.build(
                    packages,
                    module=MODULE,
                    into=folder,
                    version=kubernetes_version(),
                    environ=environ,
                    progress=progress,
                    nice=nice,
                )
    return {name: folder / name for name in names}


def _absent(names: Sequence[str], *, folder: Path) -> list[str]:
    return [name for name in names if not os.access(folder / name, os.X_OK)]


def cache_home(environ: Mapping[str, str]) -> Path:
    """Where all is kept that need not be made twice."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # unset, or to be ignored by the XDG base directory specification
        base = Path.home() / ".cache"
    return base / "servicegroup"


def _cache_folder(environ: Mapping[str, str]) -> Path:
    machine = MACHINES.get(platform.machine(), platform.machine())
    # A dependency's version counts as much as Kubernetes' own: what is cached is what a clean machine would build.
    sources = ("go.mod", "go.sum", "pause/main.go")
    pinned = hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in sources)).hexdigest()
    target = f"{kubernetes_version()}-{platform.system().lower()}-{machine}-{pinned[:12]}"
    return cache_home(environ) / "localcluster" / target


def kubernetes_version() -> str:
    text = (MODULE / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", text, flags=re.MULTILINE)
    if not found:
        raise LocalClusterError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes; restore the file from git.")
    return found[1]


@contextmanager
def _locked(folder: Path, *, progress: Callable[[str], None]) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a", encoding="utf-8")
    except OSError as error:
        raise LocalClusterError(
            f"The cache folder {folder} cannot be written ({error.strerror}). "
            f"Set XDG_CACHE_HOME to a folder which can. {OTHER_WAYS}"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another run which builds into {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
