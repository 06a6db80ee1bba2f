"""What is to be run, and what was seen; and the wait between."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compare.faults import Fault
from tests.compare.observations import Round
from tests.compare.systems import Kind, System

__all__ = ["MEMBERS", "Episode", "Plan", "Seen", "look"]

MEMBERS = 3
"""Nodes that each fault strikes, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Plan:
    systems: Sequence[System]
    faults: Sequence[Fault]
    members: int
    scale: float
    folder: Path
    """New or empty; logs and what was said stay in it."""

    def of(self, kind: Kind) -> list[System]:
        return [one for one in self.systems if one.kind is kind]


@dataclass(frozen=True, slots=True)
class Episode:
    """A fault's moment, and how long was looked."""

    since: float
    until: float
    struck: Sequence[str]
    living: Sequence[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """Of each system its rounds and its episodes; `absent` says of some why they have none."""

    rounds: Mapping[str, Sequence[Round]]
    episodes: Mapping[str, Mapping[Fault, Episode]]
    absent: Mapping[str, str]


def look(seconds: float, *, what: str, progress: Callable[[str], None]) -> None:
    limit = time.monotonic() + seconds
    while (left := limit - time.monotonic()) > 0:
        progress(f"{what}, {left:.0f} s left")
        time.sleep(min(1.0, left))
