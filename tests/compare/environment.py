"""An environment with Nova in it, apart from the project's own: made once, in the cache folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.localcluster.binaries import cache_home
from tests.localcluster.errors import LocalClusterError

__all__ = ["LOCKED", "find_or_make", "version"]

LOCKED = Path(__file__).with_name("nova.txt")


def find_or_make(*, progress: Callable[[str], None]) -> Path:
    """Its Python. Raises LocalClusterError where it cannot be made."""
    digest = hashlib.sha256(LOCKED.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = cache_home(os.environ)
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"nova-{digest}"
    with (cache / "nova.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            progress("installing Nova into an environment of its own")
            shutil.rmtree(folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", folder])
            pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--require-hashes", "--requirement", LOCKED])
            (folder / "ready").touch()
    return folder / "bin" / "python"


def version(package: str) -> str:
    """As it is pinned."""
    found = [line for line in LOCKED.read_text(encoding="utf-8").splitlines() if line.startswith(f"{package}==")]
    return found[0].partition("==")[2].split()[0]


def _run(argv: list[str | Path]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise LocalClusterError(f"`{' '.join(map(str, argv[:3]))} ...` ended with {done.returncode}:\n{tail}")
