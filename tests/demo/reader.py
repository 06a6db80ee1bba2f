"""The scheduler's side: what `from servicegroup import ServiceGroup` shows of a group, and how often it is renewed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from servicegroup import Member, NotPublished, ServiceGroup, StoreUnavailable


@dataclass(slots=True)
class Reader:
    """`slowest` is the longest time in seconds between two passes of the operator, as far as their publications show;
    `renewed` when the last one was, on the wall clock; `down` gathers who was ever Down.
    """

    group: ServiceGroup
    members: Mapping[str, Member] = field(default_factory=dict)
    slowest: float = 0.0
    renewed: float = 0.0
    down: set[str] = field(default_factory=set)

    def poll(self) -> None:
        asked = time.time()
        try:
            members = self.group.members()
        except (NotPublished, StoreUnavailable):
            return
        self.members = {member.name: member for member in members}
        self.down.update(member.name for member in members if member.is_down)
        if members:
            self.slowest = max(self.slowest, members[0].age)
            self.renewed = asked - members[0].age

    def forget_slowest(self) -> None:
        self.slowest = 0.0

    def are(self, verdict: str, names: set[str]) -> bool:
        return names <= {name for name, member in self.members.items() if member.verdict == verdict}
