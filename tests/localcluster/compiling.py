"""Builds executables: Go packages of a module come in, files in a folder and texts about the progress go out.

Separate from `binaries` because that decides whether to build, this only how. A build which was cut short goes on
where it was, since Go's own build cache keeps each finished package.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import LocalClusterError
from .progress import compile_line, duration
from .toolchain import OTHER_WAYS, Go, require_go, run

__all__ = ["build", "require_space"]

GIB: Final = 1024**3

SPACE_PER_PACKAGE: Final = 2 * 1024**2
"""A cold build of kube-apiserver, 2,081 packages, needs 4 GiB: 2.7 in Go's build cache, the rest is scratch."""

SPACE_FOR_EXECUTABLES: Final = GIB // 2
"""Needed even when all packages are compiled already."""

STAMPED: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Without these two the server has no version, and kubectl and Helm refuse to talk to it."""

OWN_WEIGHT: Final = 3
"""A package's share of the time is about its number of imports and this: on a cold build of kube-apiserver that guesses
the time left within a third, where counting packages alone, or bytes of source, is wrong by half."""


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
    with _scratch(into / "scratch") as scratch:
        purpose = f"build {', '.join(packages)}"
        go = require_go(
            purpose=purpose, module=module, scratch=scratch, log=into / "go.log", environ=environ, nice=nice
        )
        flags = _flags(version)
        stale = _list_stale(list(packages.values()), go=go, flags=flags, progress=progress)
        for folder in (into, go.build_cache):
            require_space(folder, needed=max(SPACE_FOR_EXECUTABLES, SPACE_PER_PACKAGE * len(stale)))
        since, before = time.monotonic(), list[str]()
        for name, package in packages.items():
            tell = _teller(name, package=package, stale=stale, before=before, since=since)
            output = _build_one(package, target=into / name, go=go, flags=flags, tell=tell, progress=progress)
            before += (line for line in output if line in stale)
        progress(f"built {', '.join(packages)} in {duration(time.monotonic() - since)}")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for Go's work, since a Go that was killed removes nothing; what an earlier one left goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _list_stale(
    packages: Sequence[str], *, go: Go, flags: Sequence[str], progress: Callable[[str], None]
) -> dict[str, int]:
    """The packages which are still to be compiled, with a weight each."""
    form = "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}\t{{len .Imports}}"
    lines = run("list", "-deps", "-f", form, *flags, *packages, go=go, tell=_tell_listing, progress=progress)
    rows = [row for line in lines if len(row := line.split("\t")) == 4]
    # A main package that only needs linking is called stale too, but is not compiled again.
    return {
        name: int(imports) + OWN_WEIGHT
        for name, old, reason, imports in rows
        if old == "true" and "build cache" not in reason
    }


def _tell_listing(lines: Sequence[str]) -> str:
    fetched = sum(line.startswith("go: downloading") for line in lines)
    return f"downloading Go modules, {fetched} so far" if fetched else "counting the packages to compile"


def _teller(
    name: str, *, package: str, stale: Mapping[str, int], before: Sequence[str], since: float
) -> Callable[[Sequence[str]], str]:
    workers = os.cpu_count() or 1

    def tell(lines: Sequence[str]) -> str:
        begun = [*before, *(line for line in lines if line in stale)]
        linking = package in lines or package not in stale
        # Go names a package when its compilation begins: as many as there are workers are not done yet.
        done = begun if linking else begun[:-workers]
        return compile_line(
            name=name,
            linking=linking,
            done=len(done),
            total=len(stale),
            share=sum(stale[line] for line in done) / max(1, sum(stale.values())),
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
