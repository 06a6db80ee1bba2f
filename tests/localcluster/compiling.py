"""Builds executables: Go packages of a module come in, files in a folder and texts about the progress go out.

Separate from `binaries` because that decides whether to build, this only how. A build which was cut short goes on
where it was, since Go's own build cache keeps each finished package.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import LocalClusterError
from .progress import compile_line, duration
from .toolchain import OTHER_WAYS, Go, require_go, run

__all__ = ["build", "require_space"]

GIB: Final = 1024**3

SPACE_COLD: Final = 4 * GIB
"""Go's build cache grows to 2.7 GiB; its scratch folder and the executables come on top."""

SPACE_WARM: Final = GIB // 2
"""The executables alone, when all packages are compiled already."""

STAMPED: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Without these two the server has no version, and kubectl and Helm refuse to talk to it."""


@dataclass(frozen=True, slots=True)
class _Work:
    """The packages that are still to be compiled, and how many there are in all."""

    stale: frozenset[str]
    count: int


def build(
    packages: Mapping[str, str],
    *,
    module: Path,
    into: Path,
    version: str,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
    nice: int = 0,
) -> None:
    """Build each package (name to import path) as `into`/name; nobody ever sees half a file there."""
    purpose = f"build {', '.join(packages)}"
    go = require_go(purpose=purpose, module=module, log=into / "go.log", environ=environ, nice=nice)
    flags = _flags(version)
    work = _list_work(list(packages.values()), go=go, flags=flags, progress=progress)
    needed = max(SPACE_WARM, SPACE_COLD * len(work.stale) // max(1, work.count))
    for folder in (into, go.build_cache):
        require_space(folder, needed=needed)
    since, begun = time.monotonic(), 0
    for name, package in packages.items():
        tell = _teller(name, package=package, stale=work.stale, before=begun, since=since)
        output = _build_one(package, target=into / name, go=go, flags=flags, tell=tell, progress=progress)
        begun += len(work.stale.intersection(output))
    progress(f"built {', '.join(packages)} in {duration(time.monotonic() - since)}")


def require_space(folder: Path, *, needed: int) -> None:
    """Raise LocalClusterError when the disk of `folder`, which need not exist yet, has not so many bytes free."""
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(present).free
    if free < needed:
        raise LocalClusterError(
            f"The disk of {folder} has {free / GIB:.1f} GiB free and the build needs {needed / GIB:.1f} GiB. "
            f"Free some, or set XDG_CACHE_HOME and GOCACHE to folders on a larger disk. {OTHER_WAYS}"
        )


def _flags(version: str) -> list[str]:
    stamps = (f"-X {package}.gitVersion={version}" for package in STAMPED)
    return ["-trimpath", "-ldflags", " ".join(("-s", "-w", *stamps))]


def _list_work(packages: Sequence[str], *, go: Go, flags: Sequence[str], progress: Callable[[str], None]) -> _Work:
    form = "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}"
    lines = run("list", "-deps", "-f", form, *flags, *packages, go=go, tell=_tell_listing, progress=progress)
    rows = [row for line in lines if len(row := line.split("\t")) == 3]
    # A main package that only needs linking is called stale too, but is not compiled again.
    stale = frozenset(name for name, old, reason in rows if old == "true" and "build cache" not in reason)
    return _Work(stale=stale, count=len(rows))


def _tell_listing(lines: Sequence[str]) -> str:
    fetched = sum(line.startswith("go: downloading") for line in lines)
    return f"downloading Go modules, {fetched} so far" if fetched else "counting the packages to compile"


def _teller(
    name: str, *, package: str, stale: frozenset[str], before: int, since: float
) -> Callable[[Sequence[str]], str]:
    def tell(lines: Sequence[str]) -> str:
        return compile_line(
            name=name,
            linking=package in lines or package not in stale,
            begun=before + len(stale.intersection(lines)),
            total=len(stale),
            workers=os.cpu_count() or 1,
            seconds=time.monotonic() - since,
        )

    return tell


def _build_one(
    package: str,
    *,
    target: Path,
    go: Go,
    flags: Sequence[str],
    tell: Callable[[Sequence[str]], str],
    progress: Callable[[str], None],
) -> list[str]:
    draft = target.with_name(f".{target.name}.draft")
    try:
        output = run("build", "-v", *flags, "-o", str(draft), package, go=go, tell=tell, progress=progress)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return output
