"""`agents SPEC PIDS`: `servicegroup agent` for each node, until SIGTERM. SPEC is a file of JSON: name to its words."""

import json
import sys
from pathlib import Path

import psycopg
import pymysql
from servicegroup.__main__ import main as servicegroup
from servicegroup.agent import checking, checks, loop, probes
from servicegroup.store import database, memcached, mysql, postgresql, server

from tests.compare import forks

__all__ = ["checking", "checks", "database", "loop", "memcached", "mysql", "postgresql", "probes", "psycopg", "pymysql",
           "server"]  # fmt: skip
"""What each agent would load by itself is loaded before they are forked."""


def main(spec: Path, pids: Path) -> None:
    words: dict[str, list[str]] = json.loads(spec.read_text(encoding="utf-8"))
    forks.keep(words, lambda node: servicegroup(words[node], {}), pids=pids)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
