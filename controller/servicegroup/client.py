"""What a scheduler, or any service, imports: who is in a group, whether a node is up, and joining it oneself.

The answers are the operator's own verdicts, read from the group record in the store; nothing is judged here. A record
that is too old is no answer: then every verdict is Unknown, reason NoOperator.
"""

import socket
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from servicegroup.agent.loop import BeatLoop
from servicegroup.config import InvalidSetting, UrlFile, opened
from servicegroup.liveness import Published
from servicegroup.model import LONGEST_INTERVAL, SHORTEST_INTERVAL, GroupKey, Reason, Verdict, check_member
from servicegroup.record import Record
from servicegroup.store import InvalidStore, ReaderStore, Store, open_store

READ_SECONDS = 2.0
"""How long an answer may take: a scheduler would rather hear that there is none."""


class NotPublished(LookupError):
    """No operator ever published this group in this store; the message says what to check."""


class NotAMember(LookupError):
    """The group is published, and nobody of this name is in it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node as the operator published it; `age` is how old that answer is, in seconds.

    Of a node whose verdict is Unknown neither `is_up` nor `is_down` is true: evacuate only on `is_down`.
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


class Membership:
    """A member that beats by itself, in a thread, until `leave` or the end of the process."""

    def __init__(self, loop: BeatLoop) -> None:
        self._loop = loop
        self._joined = threading.Event()
        loop.on_joined = self._joined.set
        self._thread = threading.Thread(target=loop.run, name=f"servicegroup-{loop.member}", daemon=True)
        self._thread.start()

    def wait_joined(self, timeout: float) -> bool:
        """Whether the store has taken the join within so many seconds; it is tried until then, and after."""
        return self._joined.wait(timeout)

    def drain(self) -> None:
        """Say that this node is about to stop, and go on beating."""
        self._loop.drain()

    def leave(self, timeout: float = 5.0) -> None:
        """Leave the group, if the store can be told within so many seconds."""
        self._loop.leave()
        self._thread.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class ServiceGroup:
    """A group in a store: `ServiceGroup("sqlite:////var/lib/servicegroup/servicegroup.db", "default/compute")`.

    A Path is a file whose first line is the URL, and is followed: a password may change while this lives. Raises
    InvalidName, InvalidStore for what it is given; StoreUnavailable by any call while the store does not answer.
    """

    def __init__(self, store: str | Path | Store, group: str, *, store_id: str = "default") -> None:
        self.key = GroupKey.parse(group)
        self._store = _opened(store, store_id=store_id) if isinstance(store, str | Path) else store

    def join(self, member: str | None = None, *, report_interval: float = 10.0) -> Membership:
        """Join as `member` (this host's name by default) and beat from now on. Raises InvalidName, ValueError."""
        name = check_member(member if member is not None else socket.gethostname())
        if not SHORTEST_INTERVAL <= report_interval <= LONGEST_INTERVAL:
            raise ValueError(
                f"report_interval is {report_interval!r}: not a number of seconds from {SHORTEST_INTERVAL:g} to "
                f"{LONGEST_INTERVAL:g}; correct it"
            )
        return Membership(BeatLoop(self._store, self.key, name, report_interval, spread_start=False))

    def members(self) -> list[Member]:
        """All members, by name. Raises NotPublished."""
        record = _record(self._store, self.key, only=None)
        return [_member(name, record.members[name], record) for name in sorted(record.members)]

    def member(self, name: str) -> Member:
        """One member. Raises NotPublished, NotAMember."""
        record = _record(self._store, self.key, only=[check_member(name)])
        said = record.members.get(name)
        if said is not None:
            return _member(name, said, record)
        if record.stale:  # it may have joined since
            return _member(name, Published(Verdict.UNKNOWN, Reason.NO_OPERATOR, 0.0), record)
        raise NotAMember(f"{name!r} is not a member of {self.key}")

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opened(store: str | Path, *, store_id: str) -> Store:
    address = store if isinstance(store, str) else UrlFile(store, "the store's address")
    try:
        return opened(address, connect=partial(open_store, store_id=store_id))
    except InvalidSetting as error:
        raise InvalidStore(str(error)) from None


def _record(store: ReaderStore, key: GroupKey, *, only: list[str] | None) -> Record:
    record = store.record(key, timeout=READ_SECONDS, only=only)
    if record is None:
        raise NotPublished(
            f"no operator has published {key} in this store: check that one runs, that the group exists and names this "
            "store, and that the store id is the operator's"
        )
    return record


def _member(name: str, said: Published, record: Record) -> Member:
    since = datetime.fromtimestamp(said.since, tz=UTC)
    member = Member(name, said.verdict, str(said.reason), since, record.age, said.disabled, said.draining)
    if not record.stale:
        return member
    return replace(member, verdict=Verdict.UNKNOWN, reason=str(Reason.NO_OPERATOR))
