"""The members of a record as JSON: written once for as long as nothing of them changes, cut into pages for all who ask.

Ten thousand of them take a tenth of a second, so this is a thread's work. No I/O.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servicegroup.answers import as_json, members_of
from servicegroup.liveness import Published
from servicegroup.model import Verdict
from servicegroup.record import Record

OPEN = "\0"
AGE, BLANK = '"ageSeconds": ', '"ageSeconds": "\\u0000"'
"""Ages are filled in as a page goes out. Inside of a text JSON escapes quotes, so that a blank is never a part of one.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Which members are asked for: of this verdict, after this name, so many at most."""

    verdict: Verdict | None
    limit: int
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    verdict: Verdict
    text: str


@dataclass(slots=True)
class Listing:
    """Of one publication of a record."""

    members: Mapping[str, Published]
    counts: Counter[Verdict] = field(init=False)
    _lines: dict[bool, list[Line]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts = Counter(one.verdict for one in self.members.values())

    def body(self, head: Mapping[str, Any], record: Record, page: Page) -> bytes:
        """One caller at a time."""
        if record.stale not in self._lines:
            self._lines[record.stale] = _written(record)
        found = [
            line
            for line in self._lines[record.stale]
            if (page.verdict is None or line.verdict is page.verdict) and (page.after is None or line.name > page.after)
        ]
        shown = found[: page.limit]
        end = {"continue": base64.urlsafe_b64encode(shown[-1].name.encode()).decode() if found[page.limit :] else None}
        start = json.dumps({**head, "ageSeconds": OPEN})
        text = f'{start[:-1]}, "members": [{", ".join(line.text for line in shown)}], {json.dumps(end)[1:]}'
        return text.replace(BLANK, f"{AGE}{record.age:.3f}").encode()


def _written(record: Record) -> list[Line]:
    return [Line(one.name, one.verdict, json.dumps({**as_json(one), "ageSeconds": OPEN})) for one in members_of(record)]
