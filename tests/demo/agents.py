"""The processes of an act: agents and an operator, started as anyone would, and what is done to them.

Separate because it holds the resource: whatever happens they end with the `with` block, or with the demo's own death,
unless they are kept, and then a file says which they are.
"""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.demo.steps import INTERVAL, ActEnded
from tests.localcluster import processes

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "servicegroup")
SABOTAGED = (sys.executable, "-m", "tests.demo.sabotage")
OPERATOR = "operator"
RECORD = "processes.json"
"""In the folder of whatever outlives the demo: who that is."""

TRIES_TO_PAUSE = 20
TAIL = 15
ABOUT_ITSELF = "servicegroup.operator: store "
"""In the lines of an operator's log that say how it looked, and not what it saw."""

GRACE = 3.0
FOREIGN = ("SERVICEGROUP_", "KUBERNETES_", "KUBECONFIG", "PYTHON")
"""What is set for the caller's own programs must not change what is shown here."""


def environment(**more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {name: value for name, value in mine.items() if not name.lower().endswith("_proxy")} | more


class Agents:
    """`outlive`: the processes are recorded as they start, and survive this one, unless the block ends by an error.

    `address` is how a member's agent reaches the store, where that is not the database itself.
    """

    def __init__(
        self,
        *,
        folder: Path,
        database: Path,
        outlive: bool = False,
        address: Callable[[str], str] | None = None,
    ) -> None:
        self._folder = folder
        self._database = database
        self._outlive = outlive
        self._address = address
        self._children: dict[str, processes.Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._outlive or kind is not None:
            self.stop()
        for child in self._children.values():
            processes.release(child)

    @property
    def url(self) -> str:
        return f"sqlite:///{self._database}"

    def pid(self, name: str) -> int:
        return self._children[name].popen.pid

    def join(self, member: str, *, group: str) -> float:
        """Start a member's agent; the time of day."""
        words = [
            "agent",
            "--group",
            group,
            "--member",
            member,
            "--store-url",
            self._address(member) if self._address else self.url,
        ]
        return self._start(member, (*PROGRAM, *words, "--report-interval", str(INTERVAL)), environ=environment())

    def operate(self, *arguments: str, sabotage: bool, environ: Mapping[str, str]) -> float:
        program = SABOTAGED if sabotage else PROGRAM
        return self._start(OPERATOR, (*program, "operator", *arguments), environ=environ)

    def kill(self, name: str) -> float:
        at = time.time()
        processes.kill(self._children[name])
        return at

    def leave(self, name: str) -> float:
        self._children[name].popen.terminate()
        return time.time()

    def pause(self, name: str) -> float:
        """Stop it where it holds no lock: a process that stops in the middle of a write would stop the whole store."""
        popen = self._children[name].popen
        for _ in range(TRIES_TO_PAUSE):
            popen.send_signal(signal.SIGSTOP)
            at = time.time()
            if _writable(self._database):
                return at
            popen.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        raise ActEnded(f"{self._database} takes no writes: see whether its disk is full.")

    def resume(self, name: str) -> float:
        self._children[name].popen.send_signal(signal.SIGCONT)
        return time.time()

    def require_operator(self) -> None:
        """Raise ActEnded, with the end of its log, when the operator ended by itself."""
        child = self._children[OPERATOR]
        if processes.ended(child):
            code, words = child.popen.returncode, self.last_words(OPERATOR, lines=TAIL)
            raise ActEnded(f"The operator ended with code {code}. The end of its log:\n{words}")

    def why_late(self) -> list[str]:
        """What the operator said of slow passes, of a lack of CPU and of its store, at last."""
        lines = self.last_words(OPERATOR, lines=1000).splitlines()
        return [line for line in lines if ABOUT_ITSELF in line][-TAIL:]

    def not_all_joined(self) -> ActEnded:
        words = self.last_words(OPERATOR)
        return ActEnded(f"Not all agents have joined: the disk may be full. The operator's log ends:\n{words}")

    def last_words(self, name: str, *, lines: int = 1) -> str:
        """The end of a process's log."""
        text = self._children[name].log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """All at once first, so that they end side by side."""
        for child in self._children.values():
            child.popen.terminate()
            child.popen.send_signal(signal.SIGCONT)
        for child in self._children.values():
            processes.stop(child, grace=GRACE)

    def _start(self, name: str, argv: Sequence[str], *, environ: Mapping[str, str]) -> float:
        self._children[name] = processes.start(
            argv,
            log=self._folder / f"{name}.log",
            environ=environ,
            folder=ROOT,
            dies_with_parent=not self._outlive,
        )
        if self._outlive:
            running = {name: child for name, child in self._children.items() if not processes.ended(child)}
            processes.record(running, file=self._folder / RECORD)
        return time.time()


def _writable(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database, timeout=0.5, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    return True
