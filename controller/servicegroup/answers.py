"""What a reader is told of a group: the operator's record comes in, members and their verdicts go out. Pure.

The library, the command line and the gateway answer by this, so that all of them say the same: the operator's own
verdict, or Unknown, reason NoOperator, when the record is too old to be an answer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Reason, Verdict
from servicegroup.record import Record


class NotPublished(LookupError):
    """No operator ever published this group in this store; the message says what to check."""


class NotAMember(LookupError):
    """The group is published, and nobody of this name is in it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node as the operator published it; `age` is how old that answer is, in seconds.

    Of a node whose verdict is Unknown neither `is_up` nor `is_down` is true. Evacuate only where it is down
    and the reason is "Silent": a node that is down for its service's sake is alive.
    """

    name: str
    verdict: Verdict
    reason: str
    since: datetime
    age: float
    disabled: bool = False
    draining: bool = False

    @property
    def is_up(self) -> bool:
        return self.verdict is Verdict.UP

    @property
    def is_down(self) -> bool:
        return self.verdict is Verdict.DOWN


def published(record: Record | None, key: GroupKey) -> Record:
    """The record itself. Raises NotPublished."""
    if record is None:
        raise NotPublished(
            f"no operator has published {key} in this store: check that one runs, that the group exists and names this "
            "store, and that the store id is the operator's"
        )
    return record


def members_of(record: Record) -> list[Member]:
    """All of them, by name."""
    return [_member(name, record.members[name], record) for name in sorted(record.members)]


def member_of(record: Record, name: str, *, key: GroupKey) -> Member:
    """Raises NotAMember."""
    said = record.members.get(name)
    if said is not None:
        return _member(name, said, record)
    if record.stale:  # it may have joined since
        return _member(name, Published(Verdict.UNKNOWN, Reason.NO_OPERATOR, 0.0), record)
    raise NotAMember(f"{name!r} is not a member of {key}")


def _member(name: str, said: Published, record: Record) -> Member:
    since = datetime.fromtimestamp(said.since, tz=UTC)
    verdict, reason = (Verdict.UNKNOWN, Reason.NO_OPERATOR) if record.stale else (said.verdict, said.reason)
    return Member(name, verdict, str(reason), since, record.age, said.disabled, said.draining)


def since_of(moment: datetime) -> str | None:
    """None for a member of which nothing was ever seen."""
    return None if moment == datetime.fromtimestamp(0, tz=UTC) else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(member: Member) -> dict[str, Any]:
    return {
        "member": member.name,
        "verdict": str(member.verdict),
        "reason": member.reason,
        "since": since_of(member.since),
        "ageSeconds": round(member.age, 3),
        "disabled": member.disabled,
        "draining": member.draining,
    }
