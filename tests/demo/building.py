"""The compilation in the background: started at second 0, looked at now and then, waited for by act 2 alone."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.demo.agents import ROOT
from tests.localcluster import CONTROL_PLANE, LocalClusterError, find_or_build, processes

NICE = 9
"""With the ten that `build` adds itself, the lowest there is: act 1 runs meanwhile, and people watch it."""


class Building:
    """Children die with the process that started them, and the compilers with that."""

    def __init__(self, folder: Path) -> None:
        self._progress = folder / "progress"
        argv = [sys.executable, "-m", "tests.localcluster", "build", "--progress-file", self._progress]
        self._child = processes.start(
            [str(word) for word in argv],
            log=folder / "build.log",
            environ=os.environ,
            folder=ROOT,
            nice=NICE,
        )

    @property
    def ended(self) -> bool:
        return processes.ended(self._child)

    def line(self) -> str:
        """How far it is, in a line."""
        if not self.ended:
            return self._latest() or "looking for kube-apiserver, etcd and kubectl"
        return "kube-apiserver, etcd and kubectl are here" if not self._child.popen.returncode else "cannot be built"

    def programs(self) -> Mapping[str, Path]:
        """Raises LocalClusterError with what the build said; call it when it has ended."""
        if self._child.popen.returncode:
            said = self._child.log.read_text(encoding="utf-8", errors="replace")
            # The error stands after the last line of progress.
            latest = self._latest()
            raise LocalClusterError((said.rpartition(latest)[2] if latest else said).strip() or "the build was ended")
        return find_or_build(CONTROL_PLANE, progress=lambda _: None)

    def close(self) -> None:
        processes.stop(self._child)

    def _latest(self) -> str:
        try:
            return self._progress.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
