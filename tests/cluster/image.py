"""The project's image, built from its Dockerfile without a container engine or a registry: a cache folder comes in, an
archive goes out.

The base is Debian's own Python, made by mmdebstrap; wheels are fetched here, by hash, and the build itself needs no
network. All of it is kept, by what it was made of: a second run with the same sources builds nothing.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.localcluster.errors import LocalClusterError

__all__ = ["NAME", "NEEDED", "build"]

ROOT = Path(__file__).parents[2]
NAME = "docker.io/library/servicegroup:0.1.0"
"""What the chart asks for when no value is given."""

NEEDED = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""Programs, and Debian's package of each."""

SUITE, PYTHON = "bookworm", "3.11"
LOCKED = ("requirements/build.txt", "requirements/operator.txt")
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", *LOCKED, "controller")
KEPT = 86400.0
"""Seconds since its last use for which a build is kept."""

UNUSED = ("man", "doc", "locale")

BASE = """\
FROM scratch
ADD base.tar /
"""
BASE_TO_BUILD_WITH = """\
FROM localhost/base
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
"""


def build(cache: Path, *, progress: Callable[[str], None]) -> Path:
    """The archive, as `docker save` writes it. Raises LocalClusterError."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive = cache / f"servicegroup-{_digest(_files(SOURCES))}.tar"
        if not archive.exists():
            base = _base(cache, progress=progress)
            wheels = _wheels(cache, progress=progress)
            progress("building the image")
            draft = archive.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            _buildah(cache, "build", f"--build-context=wheels={wheels}", "--build-arg=PIP_NO_INDEX=1",
                     f"--build-arg=BASE_IMAGE={base}", f"--build-arg=BUILD_IMAGE={base}-venv",
                     "--tag=localhost/servicegroup", str(ROOT))  # fmt: skip
            _buildah(cache, "push", "localhost/servicegroup", f"docker-archive:{draft}:{NAME}")
            _buildah(cache, "rmi", "localhost/servicegroup")  # of each change of a source 200 MB would stay
            draft.rename(archive)
        archive.touch()
        _forget_unused(cache)
    return archive


def _forget_unused(cache: Path) -> None:
    """Another checkout's tests may be about to load theirs."""
    for one in [*cache.glob("servicegroup-*.tar"), *cache.glob("wheels-*/")]:
        if time.time() - one.stat().st_mtime > KEPT:
            shutil.rmtree(one) if one.is_dir() else one.unlink()


def _base(cache: Path, *, progress: Callable[[str], None]) -> str:
    """The name of a minimal system with Python; that with `venv` besides has `-venv` behind it."""
    name = "localhost/base"
    marker = cache / f"base-{_digest([SUITE.encode(), BASE.encode(), BASE_TO_BUILD_WITH.encode()])}"
    if marker.exists():
        return name
    shutil.rmtree(cache / "store", ignore_errors=True)
    context = cache / "context"
    context.mkdir(exist_ok=True)
    progress("fetching Debian's Python as the base of the image")
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{place}/*" for place in UNUSED]
    _run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", *excluded, SUITE, context / "base.tar"])
    for tag, text in ((name, BASE), (f"{name}-venv", BASE_TO_BUILD_WITH)):
        (context / "Dockerfile").write_text(text, encoding="utf-8")
        _buildah(cache, "build", f"--tag={tag}", str(context))
    shutil.rmtree(context)
    marker.touch()
    return name


def _wheels(cache: Path, *, progress: Callable[[str], None]) -> Path:
    folder = cache / f"wheels-{_digest(_files(LOCKED))}"
    if not folder.exists():
        progress("fetching the wheels of the image")
        draft = cache / "draft-of-wheels"
        locked = [word for file in LOCKED for word in ("--requirement", ROOT / file)]
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:",
              f"--python-version={PYTHON}", *locked, "--dest", draft])  # fmt: skip
        draft.rename(folder)
    folder.touch()
    return folder


def _buildah(cache: Path, command: str, *words: str) -> None:
    # Storage of our own: what the user's has is neither used nor touched. No shared devices, no cgroups, no daemon.
    places = [f"--root={cache / 'store'}", f"--runroot={cache / 'run'}", "--storage-driver=overlay"]
    isolation = ["--isolation=chroot"] if command == "build" else []
    quiet = [] if command == "rmi" else ["--quiet"]
    _run(["buildah", *places, command, *quiet, *isolation, *words])


def _run(argv: Sequence[str | Path]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise LocalClusterError(f"`{' '.join(map(str, argv[:4]))} ...` ended with {done.returncode}:\n{tail}")


def _files(names: Iterable[str]) -> list[bytes]:
    """Contents, each under its path."""
    found = [path for name in names for path in _below(ROOT / name)]
    return [part for path in found for part in (str(path.relative_to(ROOT)).encode(), path.read_bytes())]


def _below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file() and not {"__pycache__"} & set(one.parts)
                  and ".egg-info" not in str(one))  # fmt: skip


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]
