"""What a store of beats is: the protocol of the drivers, and the one error that all of them raise.

Drivers return facts and never judge. Each call is bounded by `timeout` seconds. Store trouble is `StoreUnavailable`; it
is never an empty answer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from servicegroup.liveness import Published
from servicegroup.model import DAY, Beat, GroupKey, Health, Holder, Old, Reading, Receipt, State
from servicegroup.record import Header, Record

LONGEST_SILENCE = 8 * DAY
"""Seconds: more than a group can be told to forget after (7 days). What is older belongs to no group that is watched.
"""

CANARY_SECONDS = 3600.0
"""Seconds after which a canary is one of an operator that has ended."""


class StoreUnavailable(Exception):
    """The store did not answer, refused, or answered nonsense; the message says which store and what failed."""


class RecordLost(StoreUnavailable):
    """The store answers, and has lost part of a group's record: no reader may go by the rest; an operator renews it."""


class InvalidStore(ValueError):
    """A store's address that is refused; the message says what is allowed, never a password."""


def claimed(beat: Beat, before: Holder | None, *, interval: float | None) -> Receipt:
    """The receipt of a join, by who held the row before it."""
    if before is None or before.incarnation != beat.incarnation:
        return Receipt(True, interval, before)
    left = before.state is State.LEFT
    return Receipt(not left, interval, before if left else None)


class AgentStore(Protocol):
    """What an agent needs of a store."""

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        """Own the member's row from now on; whoever owned it is displaced and named in the receipt.

        One that comes late, when the same start has written a higher sequence or has left, changes nothing.
        """

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        """Stamp the row, if this incarnation owns it, has not left it and did not write a higher sequence before."""

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        """Close the row for this incarnation; False when it does not own it."""

    def close(self) -> None: ...


class ReaderStore(Protocol):
    """What a scheduler needs of a store: the operator's verdicts."""

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        """The group record, None when no operator ever published it; of some members, where `only` names them."""

    def close(self) -> None: ...


class ClientStore(AgentStore, ReaderStore, Protocol):
    """What agents and schedulers are given: a store itself, or the way to one."""


class GatewayStore(ClientStore, Protocol):
    """What the gateway needs of a store."""

    def beat_many(self, beats: Sequence[tuple[GroupKey, Beat]], *, timeout: float) -> list[Receipt | None]:
        """`beat` for each of them, their receipts in the same order, by as few round trips as there can be.

        None for one that was not written, where others were.
        """


class Store(GatewayStore, Protocol):
    """What the operator needs of a store, and a driver offers."""

    @property
    def driver(self) -> str: ...

    def read(self, keys: Collection[GroupKey], *, timeout: float) -> Reading:
        """All facts of the groups in one batch, with the epoch of the connection that read them."""

    def health(self, *, timeout: float) -> Health:
        """Write a canary as an agent does, on a new connection, and read it back there, with that epoch."""

    def publish(
        self,
        key: GroupKey,
        header: Header,
        *,
        changes: Mapping[str, Published | None],
        whole: bool,
        timeout: float,
    ) -> None:
        """Stamp the record; `changes` holds the members that changed (None: gone), or with `whole` all there are."""

    def forget(self, key: GroupKey, rows: Collection[Old], *, timeout: float) -> None:
        """Remove the rows that are still as they were read."""

    def sweep(self, *, timeout: float) -> None:
        """Remove what nobody wrote for LONGEST_SILENCE: rows, and records with their verdicts; and old canaries."""
