"""Members as processes: a crew is one process with some members of one group, and signals do to it what happens to
machines. What is done is entered into their lives.
"""

import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servicegroup.clock import monotonic

from tests.localcluster import processes
from tests.localcluster.processes import Child
from tests.scenarios.ledger import Life, Span

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Crew:
    """`lives` is shared by all crews of a group. A crew that takes members over from another goes on with theirs.
    `clock` is an offset of its time of day, or a file that holds one.
    """

    url: str
    group: str
    names: Sequence[str]
    interval: float
    lives: dict[str, Life]
    log: Path
    clock: str = ""
    _child: Child | None = field(default=None, repr=False)

    def start(self) -> None:
        """Members that were dead live from here on."""
        for name in self.names:
            life = self.lives.setdefault(name, Life(name))
            life.silences = [_ended(span, at=monotonic()) for span in life.silences]
            life.left = math.inf
        words = [self.url, "default", self.group, str(self.interval), *self.names]
        command = [sys.executable, "-m", "tests.scenarios.crewmember", *words]
        self._child = processes.start(command, log=self.log, environ=self._environ(), folder=REPOSITORY)

    def _environ(self) -> dict[str, str]:
        places = f"{REPOSITORY / 'controller'}{os.pathsep}{REPOSITORY}"
        file = Path(self.clock) if self.clock.startswith("/") else None
        clock = wrong_clock(self.clock, file=file) if self.clock else {}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": places, **clock}

    def kill(self) -> None:
        """As their machines lose power."""
        self.silence()
        assert self._child is not None
        processes.kill(self._child)

    def leave(self) -> None:
        """As their pods end."""
        assert self._child is not None
        for name in self.names:
            self.lives[name].left = monotonic()
            self.lives[name].silences.append(Span(monotonic()))
        processes.stop(self._child)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """As their machines are suspended, or hang, and go on."""
        assert self._child is not None
        self.silence()
        self._child.popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.popen.send_signal(signal.SIGCONT)
            self.heard()

    def heard(self) -> None:
        for name in self.names:
            life = self.lives[name]
            life.silences = [_ended(span, at=monotonic()) for span in life.silences]

    def close(self) -> None:
        if self._child is not None and not processes.ended(self._child):
            processes.kill(self._child)

    def silence(self) -> None:
        """From now on they cannot beat."""
        for name in self.names:
            self.lives[name].silences.append(Span(monotonic()))


def _ended(span: Span, *, at: float) -> Span:
    return Span(span.start, min(span.end, at))


LIBRARY = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOW_TO_GET_IT = "faketime is not installed: on Debian or Ubuntu `apt-get install --no-install-recommends faketime`"


def wrong_clock(offset: str, *, file: Path | None = None) -> dict[str, str]:
    """The environment of a process whose time of day is off, as in "+600"; `file` holds an offset that may change.

    What counts up only is left alone, as by a step of a real clock.
    """
    assert LIBRARY, HOW_TO_GET_IT
    where = {"FAKETIME": offset} if file is None else {"FAKETIME_TIMESTAMP_FILE": str(file)}
    return {
        "LD_PRELOAD": str(LIBRARY[0]),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it each timed wait spins for milliseconds
        **where,
    }
