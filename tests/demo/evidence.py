"""What the operator left behind: its decisions (a file), what it published (a stream of resources), with arrival times.

Separate because nothing here judges: lines and documents come in, values go out. Times are seconds since 1970.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    verdict: str
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A transition with what the rules looked at; `before` and `after` are None for a member that is not in the
    group.
    """

    time: float
    group: str
    member: str
    before: Said | None
    after: Said | None
    silent_for: float | None
    watched: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """A group's published status, and when it arrived here."""

    arrived: float
    group: str
    members: Mapping[str, Said]


class Tail:
    """New bytes of a file that somebody else appends to; it need not exist yet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0

    def more(self) -> bytes:
        try:
            with self._file.open("rb") as file:
                file.seek(self._read)
                found = file.read()
        except FileNotFoundError:
            return b""
        self._read += len(found)
        return found


@dataclass(slots=True)
class Decisions:
    """The operator's --decisions FILE: a line of JSON each."""

    tail: Tail
    all: list[Decision] = field(default_factory=list)
    _rest: bytes = b""

    def poll(self) -> list[Decision]:
        """What is new."""
        *lines, self._rest = (self._rest + self.tail.more()).split(b"\n")
        new = [_decision(json.loads(line)) for line in lines]
        self.all += new
        return new


@dataclass(slots=True)
class Sightings:
    """What `kubectl get --watch -o json` wrote: one document after the other."""

    tail: Tail
    all: list[Sighting] = field(default_factory=list)
    _rest: str = ""

    def poll(self) -> list[Sighting]:
        """What is new."""
        self._rest += self.tail.more().decode(errors="replace")
        new = [_sighting(document) for document in self._documents()]
        self.all += new
        return new

    def of(self, group: str) -> list[Sighting]:
        return [seen for seen in self.all if seen.group == group]

    def _documents(self) -> Iterator[Mapping[str, Any]]:
        while (begin := self._rest.find("{")) >= 0:
            try:
                document, end = json.JSONDecoder().raw_decode(self._rest, begin)
            except ValueError:  # the end has not arrived yet
                return
            self._rest = self._rest[end:]
            yield document


def _decision(line: Mapping[str, Any]) -> Decision:
    return Decision(
        time=line["time"],
        group=line["group"],
        member=line["member"],
        before=_said(line["before"]),
        after=_said(line["after"]),
        silent_for=line["silentForSeconds"],
        watched=line["watched"],
    )


def _sighting(document: Mapping[str, Any]) -> Sighting:
    metadata = document["metadata"]
    entries = document.get("status", {}).get("members", ())
    members = {entry["member"]: said for entry in entries if (said := _said(entry)) is not None}
    return Sighting(time.time(), f"{metadata['namespace']}/{metadata['name']}", members)


def _said(entry: Mapping[str, Any] | None) -> Said | None:
    return None if entry is None else Said(entry["verdict"], entry["reason"], str(entry["since"]))
