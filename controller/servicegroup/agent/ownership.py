"""Who owns a member's row (rule 9): a receipt comes in, what this start of an agent does next goes out. Pure.

The last to join owns the row. Who finds another owner stands by and says so, and joins again when the owner has left,
when it has been silent for C by our own clock, when the row is gone, and at once when the owner is one that this start
had displaced itself: then the store went back in time, and the other has no claim. The sequence is never reset, so
that an observer who compares it sees no beat in what is older.
"""

from dataclasses import dataclass, replace
from enum import Enum

from servicegroup.model import SIGHT_INTERVALS, Holder, Receipt, State


class Role(Enum):
    JOINING = "joining"
    OWNER = "owner"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Standing:
    """One start of an agent: what it holds, whom it displaced, and since when the owner it waits for has been the
    same.
    """

    role: Role = Role.JOINING
    displaced: frozenset[str] = frozenset()
    owner: Holder | None = None
    owner_since: float = 0.0


def joined(standing: Standing, receipt: Receipt) -> Standing:
    other = receipt.other
    displaced = standing.displaced if other is None else standing.displaced | {other.incarnation}
    return Standing(Role.OWNER, displaced)


def beaten(standing: Standing, receipt: Receipt, *, now: float, interval: float) -> Standing:
    """The standing after a beat's receipt; JOINING means: join again, at once."""
    other = receipt.other
    if receipt.owned:
        return replace(standing, role=Role.OWNER, owner=None)
    if other is None or other.state is State.LEFT or other.incarnation in standing.displaced:
        return replace(standing, role=Role.JOINING, owner=None)
    if other != standing.owner:
        return replace(standing, role=Role.STANDBY, owner=other, owner_since=now)
    if now - standing.owner_since > SIGHT_INTERVALS * interval:
        return replace(standing, role=Role.JOINING, owner=None)
    return standing
