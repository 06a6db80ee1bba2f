"""One operator process, and what may happen to it; `clock` is a file whose content its time of day follows."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.localcluster import processes
from tests.localcluster.processes import Child
from tests.scenarios.crews import wrong_clock

SLICE = 0.2
"""Seconds of which a starved process gets a part."""


@dataclass
class Operator:
    namespace: str
    folder: Path
    kubeconfig: Path
    clock: Path | None = None
    _child: Child | None = field(default=None, repr=False)

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "servicegroup", "operator", "--namespaces", self.namespace),
            *("--stores", str(self.folder / "stores.yaml"), "--decisions", str(self.folder / "decisions.jsonl")),
        ]
        clock = {} if self.clock is None else wrong_clock("", file=self.clock)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),  # the client's copies of its certificates outlive one that is killed
            "KUBECONFIG": str(self.kubeconfig),
            **clock,
        }
        self._child = processes.start(command, log=self.folder / "operator.log", environ=environ, folder=self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "operator.log").read_text(encoding="utf-8")

    def kill(self) -> None:
        if self._child is not None:
            processes.kill(self._child)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @contextmanager
    def starved(self, *, part: float) -> Iterator[None]:
        """It runs for that part of each slice alone, as on a machine that is far too busy."""
        ended = threading.Event()

        def ration() -> None:
            while not ended.wait(SLICE * part):
                self._signal(signal.SIGSTOP)
                ended.wait(SLICE * (1 - part))
                self._signal(signal.SIGCONT)

        thread = threading.Thread(target=ration)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def close(self) -> None:
        if self._child is not None and not processes.ended(self._child):
            processes.kill(self._child)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.popen.send_signal(number)
