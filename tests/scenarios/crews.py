"""Members as processes: a crew is one process with some members of one group, and signals do to it what happens to
machines. What is done is entered into their lives.
"""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from servicegroup.clock import monotonic

from tests.localcluster import processes
from tests.scenarios.crewmember import Part, forked
from tests.scenarios.ledger import Life, Span

REPOSITORY = Path(__file__).parents[2]
FORKING = get_context("forkserver")
FORKING.set_forkserver_preload(["tests.scenarios.crewmember"])


class Process(Protocol):
    """What a crew needs of a process of `multiprocessing`."""

    @property
    def pid(self) -> int | None: ...
    @property
    def exitcode(self) -> int | None: ...
    def join(self, timeout: float | None = None, /) -> None: ...


class Program:
    """A crew whose clock is wrong: an offset, or a file that holds one."""

    def __init__(self, part: Part, log: Path, clock: str) -> None:
        file = Path(clock) if clock.startswith("/") else None
        environ = wrong_clock(clock, file=file)
        places = [environ["PYTHONPATH"], str(REPOSITORY / "controller"), str(REPOSITORY)]
        environ |= {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(places)}
        command = [sys.executable, "-m", "tests.scenarios.crewmember", part.text()]
        self._popen = processes.start(command, log=log, environ=environ, folder=REPOSITORY).popen

    @property
    def pid(self) -> int | None:
        return self._popen.pid

    @property
    def exitcode(self) -> int | None:
        return self._popen.poll()

    def join(self, timeout: float | None = None, /) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)


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
    _process: "Process | None" = field(default=None, repr=False)

    def start(self) -> None:
        """Members that were dead live from here on."""
        for name in self.names:
            life = self.lives.setdefault(name, Life(name))
            life.silences = [_ended(span, at=monotonic()) for span in life.silences]
            life.left = math.inf
        part = Part(self.url, self.group, self.interval, self.names)
        if self.clock:
            self._process = Program(part, self.log, self.clock)
        else:
            self._process = FORKING.Process(target=forked, args=(part, self.log), daemon=True)
            self._process.start()

    def kill(self) -> None:
        """As their machines lose power."""
        self.silence()
        self._end(signal.SIGKILL)

    def leave(self) -> None:
        """As their pods end."""
        for name in self.names:
            life, now = self.lives[name], monotonic()
            life.left = now
            life.leaves.append(now)
            life.silences.append(Span(now))
        self._end(signal.SIGTERM)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """As their machines are suspended, or hang, and go on."""
        self.silence()
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)
            self.heard()

    def heard(self) -> None:
        for name in self.names:
            life = self.lives[name]
            life.silences = [_ended(span, at=monotonic()) for span in life.silences]

    def close(self) -> None:
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._signal(number)
        self._process.join(processes.GRACE)
        if self._process.exitcode is None:
            self._signal(signal.SIGKILL)
            self._process.join()

    def _signal(self, number: signal.Signals) -> None:
        """Nobody else has its number: it is not waited for before `join`."""
        assert self._process is not None
        if self._process.exitcode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

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
        "PYTHONPATH": str(Path(__file__).parent / "wrongclock"),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it each timed wait spins for milliseconds
        **where,
    }
