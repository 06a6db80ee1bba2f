"""What a scheduler, or any service, imports: who is in a group, whether a node is up, and joining it oneself.

The answers are the operator's own verdicts, read from the group record in the store; nothing is judged here. A record
that is too old is no answer: then every verdict is Unknown, reason NoOperator.
"""

import socket
import threading
from functools import partial
from pathlib import Path
from typing import Self

from servicegroup.agent.loop import BeatLoop
from servicegroup.answers import Member, NotAMember, NotPublished, member_of, members_of, published
from servicegroup.config import InvalidSetting, UrlFile, opened
from servicegroup.model import LONGEST_INTERVAL, SHORTEST_INTERVAL, GroupKey, check_member
from servicegroup.record import Record
from servicegroup.store import ClientStore, InvalidStore, open_client

__all__ = ["Member", "Membership", "NotAMember", "NotPublished", "ServiceGroup"]

READ_SECONDS = 2.0
"""How long an answer may take: a scheduler would rather hear that there is none."""


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

    def __init__(self, store: str | Path | ClientStore, group: str, *, store_id: str = "default") -> None:
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
        return members_of(self._record(only=None))

    def member(self, name: str) -> Member:
        """One member. Raises NotPublished, NotAMember."""
        return member_of(self._record(only=[check_member(name)]), name, key=self.key)

    def _record(self, *, only: list[str] | None) -> Record:
        return published(self._store.record(self.key, timeout=READ_SECONDS, only=only), self.key)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _opened(store: str | Path, *, store_id: str) -> ClientStore:
    address = store if isinstance(store, str) else UrlFile(store, "the store's address")
    try:
        return opened(address, connect=partial(open_client, store_id=store_id))
    except InvalidSetting as error:
        raise InvalidStore(str(error)) from None
