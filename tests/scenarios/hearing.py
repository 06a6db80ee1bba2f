"""What an operator says, as it says it: the lines of its decisions, stamped by our clock when they are read.

Its own times would be wrong where a scenario moves its clock.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servicegroup.clock import monotonic

from tests.scenarios.ledger import Said

EVERY = 0.05
"""Seconds between two looks at the file."""


class Hearing:
    """`said` by group; whoever waits is told of each line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._ended = threading.Event()
        self._news = threading.Condition(threading.RLock())
        self._said: dict[str, list[Said]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def of(self, group: str) -> list[Said]:
        with self._news:
            return list(self._said.get(group, ()))

    def now(self, group: str) -> dict[str, Said]:
        """The last word on each member."""
        return {one.member: one for one in self.of(group)}

    def wait(self, condition: Callable[[], bool], *, until: float) -> bool:
        """Whether it became true, by what was said, by then."""
        with self._news:
            while not condition():
                if monotonic() >= until:
                    return False
                self._news.wait(min(1.0, max(0.0, until - monotonic())))
        return True

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._look()

    def _look(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        whole, _, _ = content.rpartition(b"\n")
        if not whole:
            return
        self._read += len(whole) + 1
        now = monotonic()
        with self._news:
            for line in whole.splitlines():
                one = json.loads(line)
                self._said.setdefault(one["group"].partition("/")[2], []).append(_said(one, at=now))
            self._news.notify_all()


def _said(line: dict[str, Any], *, at: float) -> Said:
    after = line["after"]
    return (
        Said(at, line["member"], None, "")
        if after is None
        else Said(at, line["member"], after["verdict"], after["reason"])
    )


@contextmanager
def hearing(file: Path) -> Iterator[Hearing]:
    it = Hearing(file)
    try:
        yield it
    finally:
        it.close()
