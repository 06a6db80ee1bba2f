"""What wakes an agent: a signal, another thread, or time. A pipe, because a signal handler may not take a lock."""

import contextlib
import math
import os
import select
import weakref
from typing import Self

from servicegroup.clock import monotonic

LONGEST_SLEEP = 1.0
"""Seconds: a sleeping process notices after this at the latest that its machine was suspended."""


class Doorbell:
    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Closed with the last who could ring, where nobody closes it: a number given to another file must not be rung.
        self._pipe = weakref.finalize(self, _close, self._read, self._write)
        self._pipe.atexit = False
        # Not select: it takes no file number above 1,023, and a process that joins may have many open.
        self._poll = select.poll()
        self._poll.register(self._read, select.POLLIN)

    def ring(self) -> None:
        """Also harmless when it is closed: a signal may come late."""
        if not self._pipe.alive:
            return
        with contextlib.suppress(BlockingIOError):  # a full pipe rings already
            os.write(self._write, b"!")

    def wait(self, seconds: float) -> bool:
        """Whether it rang within so many seconds."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            if self._poll.poll(math.ceil(min(left, LONGEST_SLEEP) * 1000)):
                os.read(self._read, 4096)
                return True
        return False

    def close(self) -> None:
        self._pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close(*pipe: int) -> None:
    for end in pipe:
        os.close(end)
