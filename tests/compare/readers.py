"""What Nova's readers write: a growing file of lines in, rounds out."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.compare.observations import Round

__all__ = ["Reader"]


class Reader:
    """Reads on where it was: the files of a long run are large, and it is asked each second."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._rounds: list[Round] = []

    def rounds(self) -> list[Round]:
        """All so far. A line that is being written is left for the next time."""
        with self._file.open("rb") as file:
            file.seek(self._offset)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._rounds += _parsed(whole.decode(errors="replace"))
        return self._rounds


def _parsed(text: str) -> Iterator[Round]:
    """What a library prints is none."""
    for line in text.splitlines():
        if line.startswith('{"began"'):
            one = json.loads(line)
            said = {name: (verdict, why) for name, (verdict, why) in one["said"].items()}
            yield Round(one["began"], one["ended"], said)
