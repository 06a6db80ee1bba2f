"""What was compared, and on what machine: nothing comes in, a line of text goes out."""

import os
import platform
import subprocess
from importlib.metadata import version

from tests.compare import environment
from tests.localcluster.binaries import kubernetes_version

__all__ = ["versions"]

OF_NOVA = ("nova", "oslo-cache", "oslo-service", "oslo-db", "sqlalchemy", "pymysql", "python-memcached", "pymemcache")
SERVERS = (
    ("mariadbd", "--version"),
    ("postgres", "--version"),
    ("memcached", "--version"),
    ("containerd", "--version"),
)


def versions() -> list[str]:
    """Sentences."""
    kernel = platform.release().partition("-")[0]
    nova = ", ".join(f"{name} {environment.version(name)}" for name in OF_NOVA)
    return [
        f"This project {version('servicegroup')}; Kubernetes {kubernetes_version()} with its defaults.",
        f"Nova's environment (`tests/compare/nova.txt`): {nova}.",
        f"Servers: {'; '.join(said for argv in SERVERS if (said := _said(argv)))}.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, Linux {kernel}.",
    ]


def _said(argv: tuple[str, ...]) -> str:
    folders = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/usr/local/bin"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": folders})
    except OSError:
        return ""
    return " ".join(done.stdout.split()[:5])
