"""What Nova's readers wrote: a growing file of lines in, rounds out."""

import json
from pathlib import Path

from tests.compare.observations import Round

__all__ = ["read_rounds"]


def read_rounds(file: Path) -> list[Round]:
    """A line that is being written is left for the next time; so is what a library prints."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")]
    found = (json.loads(line) for line in lines if line.startswith('{"began"'))
    return [
        Round(one["began"], one["ended"], {name: (verdict, why) for name, (verdict, why) in one["said"].items()})
        for one in found
    ]
