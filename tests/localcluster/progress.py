"""Shows how far a long act is: texts come in, a terminal line, log lines or a file go out.

Separate because whoever compiles or waits only hands over a text; how often a person may be told is decided here.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from .errors import LocalClusterError

__all__ = ["ProgressLine", "compile_line", "duration"]

SECONDS_BETWEEN_LINES: Final = 10.0
"""A log that nobody watches gets a line this often at most; a terminal's single line is rewritten each time."""

SHARE_TO_GUESS_FROM: Final = 0.01
"""Below that, a guess would jump by minutes."""


def duration(seconds: float) -> str:
    """For people: ``45 s``, ``7 min``."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def compile_line(*, name: str, linking: bool, done: int, total: int, share: float, seconds: float) -> str:
    """Tell how many packages are done, and guess the time left from the share (0 to 1) of the work they are."""
    counted = f"{name}, {done} of {total} packages done"
    if linking:
        return f"linking {counted}"
    if share < SHARE_TO_GUESS_FROM:
        return f"compiling {counted}, time left not known yet"
    return f"compiling {counted}, about {duration(seconds * (1 - share) / share)} left"


class ProgressLine:
    """Call it with the latest text; close it to end the line. `clock` counts seconds."""

    def __init__(
        self, *, stream: TextIO, file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._file = file
        self._clock = clock
        self._latest = ""
        self._shown = ""
        self._shown_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, text: str) -> None:
        if text == self._latest:
            return
        self._latest = text
        if self._file is not None:
            _replace(self._file, text=text + "\n")
        if self._stream.isatty() or self._clock() - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._show()

    def close(self) -> None:
        if self._latest != self._shown:
            self._show()
        if self._latest and self._stream.isatty():
            self._stream.write("\n")
            self._stream.flush()
        self._latest = self._shown = ""

    def _show(self) -> None:
        self._shown, self._shown_at = self._latest, self._clock()
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{self._latest[:width]}")
        else:
            self._stream.write(self._latest + "\n")
        self._stream.flush()


def _replace(file: Path, *, text: str) -> None:
    """Readers see the former text or this one, never half of it."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise LocalClusterError(
            f"The progress file {file} cannot be written ({error.strerror}); name one in a folder that exists."
        ) from error
