"""The beat loop: one member, one store, one thread. It owns the clock and the store; what to do next is pure, beside
it.

It never ends by an error of the store: it says once that the store is lost and once that it is back, as Nova's driver.
"""

import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from servicegroup.agent.doorbell import Doorbell
from servicegroup.agent.ownership import Role, Standing, beaten, joined
from servicegroup.agent.rhythm import Rhythm, start_delay
from servicegroup.clock import monotonic
from servicegroup.model import Beat, GroupKey, Receipt, State
from servicegroup.store.base import AgentStore, StoreUnavailable

LOGGER = logging.getLogger("servicegroup.agent")
LEAVE_SECONDS = 1.0
"""A pod that ends has little time; who cannot leave in it goes silent, and is Down after T."""


@dataclass(slots=True)
class BeatLoop:
    """Beats for one member until it is told to leave. `run` blocks; who has many of them calls `turn` for each when it
    is due; the other methods may be called from anywhere. `service` says how the service is, at once.
    """

    store: AgentStore
    key: GroupKey
    member: str
    interval: float
    spread_start: bool = True
    chance: Callable[[], float] = random.random
    on_joined: Callable[[], None] = lambda: None
    service: Callable[[], State] = lambda: State.BEATING
    bell: Doorbell = field(default_factory=Doorbell)
    # Two words and not one: a signal may interrupt the handler of another, and a leave must not be undone.
    _left: bool = False
    _draining: bool = False
    _published: float | None = None
    _standing: Standing = field(default_factory=Standing)
    _beat: Beat = field(init=False)
    _rhythm: Rhythm = field(init=False)

    def __post_init__(self) -> None:
        self._beat = Beat(self.member, secrets.token_hex(16), 0, self.interval)
        self._rhythm = Rhythm(self.interval)

    def leave(self) -> None:
        self._left = True
        self.bell.ring()

    def drain(self) -> None:
        if not self._draining:
            self._draining = True
            self.bell.ring()

    def run(self) -> None:
        """Beat until `leave`. Raises what is no trouble of the store: then this loop is dead, and its caller must
        know.
        """
        delay = start_delay(interval=self.interval, chance=self.chance()) if self.spread_start else 0.0
        LOGGER.info("member %s of %s: joins in %.1f s", self.member, self.key, delay)
        while not self._leaving():
            self.bell.wait(delay)
            if not self._leaving():
                delay = self.turn()
        self._leave()

    def _leaving(self) -> bool:
        return self._left

    def turn(self) -> float:
        """Write once, or twice where a beat's receipt says that joining again is due; the seconds until the next
        turn.
        """
        try:
            receipt = self._join() if self._standing.role is Role.JOINING else self._beat_once()
            if self._standing.role is Role.JOINING:
                receipt = self._join()
        except StoreUnavailable as error:
            self._lost(error)
        else:
            self._served(receipt)
        return self._rhythm.wait(chance=self.chance(), published=self._published)

    def _next(self) -> Beat:
        # Counted with each try: one that timed out may have been written all the same.
        interval = self._published if self._published is not None else self.interval
        state = State.DRAINING if self._draining else self.service()
        if state is State.DRAINING and self._beat.state is not state:  # said here: a signal's handler may not write
            LOGGER.info("member %s of %s: draining", self.member, self.key)
        self._beat = replace(self._beat, sequence=self._beat.sequence + 1, interval=interval, state=state)
        return self._beat

    def _join(self) -> Receipt:
        receipt = self.store.join(self.key, self._next(), timeout=self._rhythm.deadline)
        self._standing = joined(self._standing, receipt)
        if not receipt.owned:  # a machine that was put back to before its leave
            LOGGER.warning(
                "member %s of %s: this start of the agent had left; it joins as another", self.member, self.key
            )
            self._beat = replace(self._beat, incarnation=secrets.token_hex(16), sequence=0)
            return receipt
        over = "" if receipt.other is None else f", displacing incarnation {receipt.other.incarnation[:8]}"
        LOGGER.info("member %s of %s: joined as %s%s", self.member, self.key, self._beat.incarnation[:8], over)
        self.on_joined()
        return receipt

    def _beat_once(self) -> Receipt:
        receipt = self.store.beat(self.key, self._next(), timeout=self._rhythm.deadline)
        before = self._standing.role
        self._standing = beaten(self._standing, receipt, now=monotonic(), interval=self._beat.interval)
        if self._standing.role is Role.STANDBY and before is not Role.STANDBY and receipt.other is not None:
            LOGGER.warning(
                "member %s of %s: incarnation %s owns it now, so a second agent beats for this node; standing by. "
                "Let one agent run per node and group.",
                self.member,
                self.key,
                receipt.other.incarnation[:8],
            )
        return receipt

    def _served(self, receipt: Receipt) -> None:
        if self._rhythm.failures:
            LOGGER.info("member %s of %s: the store is back", self.member, self.key)
        self._rhythm = self._rhythm.served(interval=self._beat.interval)
        self._published = receipt.interval

    def _lost(self, error: StoreUnavailable) -> None:
        if not self._rhythm.failures:
            LOGGER.warning("member %s of %s: beats are lost until the store is back: %s", self.member, self.key, error)
        self._rhythm = self._rhythm.failed()

    def _leave(self) -> None:
        try:
            left = self.store.leave(self.key, self._next(), timeout=LEAVE_SECONDS)
        except StoreUnavailable as error:
            LOGGER.warning("member %s of %s: could not leave: %s", self.member, self.key, error)
            return
        LOGGER.info(
            "member %s of %s: %s", self.member, self.key, "left" if left else "did not own its row, nothing to leave"
        )
