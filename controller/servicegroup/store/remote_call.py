"""One question to several gateways. Who was asked before is still listened to when the next is asked: an answer that
takes longer than a share of the time is late, and not lost.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

from servicegroup.store.mc_address import Address
from servicegroup.store.remote_connection import Answer

Outcome = Answer | Exception


@dataclass(slots=True)
class Call:
    """`do` asks one gateway, and ends by the call's deadline; what it raises is an outcome."""

    do: Callable[[Address], Answer]
    _awaited: dict[Address, None] = field(default_factory=dict)
    _heard: SimpleQueue[tuple[Address, Outcome]] = field(default_factory=SimpleQueue)

    @property
    def awaited(self) -> tuple[Address, ...]:
        """In the order in which they were asked."""
        return tuple(self._awaited)

    def ask(self, one: Address, *, last: bool) -> None:
        """Blocks where it is the last, and nobody else is awaited: then a thread would be for nothing."""
        alone = last and not self._awaited
        self._awaited[one] = None
        if alone:
            self._ask(one)
            return
        try:
            Thread(target=self._ask, args=(one,), name="servicegroup-gateway", daemon=True).start()
        except RuntimeError:  # the machine has no more of them, and a connection that was kept needs none
            self._ask(one)

    def next(self, *, until: float) -> tuple[Address, Outcome] | None:
        """The next outcome; None when there is none by `until`, of time.monotonic()."""
        try:
            one, outcome = self._heard.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return None
        del self._awaited[one]
        return one, outcome

    def _ask(self, one: Address) -> None:
        try:
            self._heard.put((one, self.do(one)))
        except Exception as error:  # noqa: BLE001 - it is raised, or told, where the outcome is taken
            self._heard.put((one, error))
