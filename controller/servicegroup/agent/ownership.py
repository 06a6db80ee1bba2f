"""Who owns a member's row (rule 9): a receipt comes in, what this start of an agent does next goes out. Pure.

The last to join owns the row. Who finds another owner stands by and says so, and joins again when the owner has left,
when it has been silent for C by our own clock, when the row is gone, and at once when the owner is one that this start
had displaced itself: then the store went back in time, and the other has no claim. The sequence is never reset, so
that an observer who compares it sees no beat in what is older.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from servicegroup.model import SIGHT_INTERVALS, Holder, Receipt, State


class Role(Enum):
    JOINING = "joining"
    OWNER = "owner"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Standing:
    """One start of an agent: what it holds, and since when the owner that it waits for has been the same.

    `displaced` are those it took the row from, with the sequence that they had reached.
    """

    role: Role = Role.JOINING
    displaced: Mapping[str, int] = field(default_factory=dict)
    owner: Holder | None = None
    owner_since: float = 0.0


def joined(standing: Standing, receipt: Receipt) -> Standing:
    """Who owns the row, or, by a join that came after its own leave, does not."""
    other = receipt.other
    if not receipt.owned:
        return standing
    return Standing(Role.OWNER, {**standing.displaced, **({other.incarnation: other.sequence} if other else {})})


def beaten(standing: Standing, receipt: Receipt, *, now: float, interval: float) -> Standing:
    """The standing after a beat's receipt; JOINING means: join again, at once."""
    other = receipt.other
    if receipt.owned:
        return replace(standing, role=Role.OWNER, owner=None)
    if other is None or other.state is State.LEFT or _went_back(standing, other):
        return replace(standing, role=Role.JOINING, owner=None)
    if other != standing.owner:
        return replace(standing, role=Role.STANDBY, owner=other, owner_since=now)
    if now - standing.owner_since > SIGHT_INTERVALS * interval:
        return replace(standing, role=Role.JOINING, owner=None)
    return standing


def _went_back(standing: Standing, owner: Holder) -> bool:
    """One that was displaced and wrote on since then has joined anew; one that did not owns a row of the past."""
    return owner.sequence <= standing.displaced.get(owner.incarnation, -1)
