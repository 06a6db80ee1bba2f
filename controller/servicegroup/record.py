"""The group record: what an operator publishes of a group in its store, and what readers and the next operator find.

Ages only, no times of day that somebody would have to compare: the store stamps the record by its own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from servicegroup.liveness import Published
from servicegroup.model import Policy


@dataclass(frozen=True, slots=True)
class Header:
    """The group's part of the record: the policy in force and how good the operator's sight is.

    `store_back_for` and `blind_for` are seconds at the time of publication: since the store has been back, and since no
    death could be found. They let the next operator go on where this one ended. `publisher` is one run
    of an operator: who reads another's has been overwritten. `promised` is the longest interval that a living member's
    agent promised, in seconds: what a row that is lost would have said (rule 5). Of a hold (rule 6), `held_since` and
    `held_until` are times of day, to be shown, and `hold_left` the seconds that it had left; 0 is no hold.
    """

    publication: int
    policy: Policy
    epoch: str
    store_back_for: float
    blind_for: float
    publisher: str = ""
    promised: float = 0.0
    held_since: float = 0.0
    held_until: float = 0.0
    hold_left: float = 0.0


@dataclass(frozen=True, slots=True)
class Record:
    """A group record as read: `age` is seconds since its publication by the store's clock."""

    header: Header
    age: float
    members: Mapping[str, Published]

    @property
    def stale(self) -> bool:
        """Whether it is too old to be an answer: no operator is publishing (design, section 3)."""
        return self.age > self.header.policy.stale
