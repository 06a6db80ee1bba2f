"""A store of a run, as what can be done to it: what a store has by a method it can suffer, while a `with` block lasts.

Agents and operator come to a server by a way each, so that one of them can be cut off alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.machine import Disk, packets_lost
from tests.scenarios.proxy import Proxy

Fault = Callable[..., AbstractContextManager[None]]


ROWS = "servicegroup_member"


@dataclass(frozen=True, slots=True)
class Ways:
    """Agents' and operator's ways to a store's servers; the operator has none where it shares a file with them."""

    agents: Sequence[Proxy]
    operator: Sequence[Proxy] = ()

    def close(self) -> None:
        for one in (*self.agents, *self.operator):
            one.close()

    def of(self, which: str) -> Sequence[Proxy]:
        return {"agents": self.agents, "operator": self.operator, "all": [*self.agents, *self.operator]}[which]

    def held(self, which: str) -> AbstractContextManager[None]:
        return self._each(which, lambda one: one.held())

    def refusing(self, which: str) -> AbstractContextManager[None]:
        return self._each(which, lambda one: one.refusing())

    def slow(self, seconds: float, *, back: float = 0.0) -> AbstractContextManager[None]:
        return self._each("all", lambda one: one.slow(seconds, back=back))

    @contextmanager
    def _each(self, which: str, closing: Callable[[Proxy], AbstractContextManager[None]]) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.of(which):
                stack.enter_context(closing(one))
            yield


@dataclass
class Place:
    """One store, at `url`, and how agents and the operator are told of it. `ways` is None where there is no server,
    `disk` where none can be had for it alone.
    """

    name: str
    url: str
    agents_url: str
    operator_url: str
    ways: Ways | None = None
    disk: Disk | None = None

    @property
    def driver(self) -> str:
        return "mc" if self.operator_url.startswith("memcached") else "db"

    def fault(self, name: str) -> Fault | None:
        """None: this store cannot suffer it."""
        method: Fault | None = getattr(self, name, None)
        return method

    def admit(self, namespace: str, *, clock: Path | None) -> str:
        """The agents' address in the world of that namespace; `clock` is what the operator's machine has for one."""
        del namespace, clock
        return self.agents_url

    def mend(self) -> None:
        """It is as at first again, whatever a scenario left it as."""


@dataclass
class DistantPlace(Place):
    """Agents come to it over a network: they lose it, or wait for it."""

    def cut_off(self) -> AbstractContextManager[None]:
        """The agents alone cannot reach it, and nobody tells them."""
        return self._ways.held("agents")

    def slow(self, seconds: float) -> AbstractContextManager[None]:
        return self._ways.slow(seconds)

    def agents_packets_lost(self, *directions: str) -> AbstractContextManager[None]:
        """Unlike by a proxy that holds what comes, nobody connects, and what was sent is sent again ever later."""
        return packets_lost([one.port for one in self._ways.agents], directions)

    @property
    def _ways(self) -> Ways:
        assert self.ways is not None
        return self.ways


class ServerPlace(DistantPlace):
    """The operator too comes to it over a network."""

    def unreachable(self) -> AbstractContextManager[None]:
        return self._ways.held("all")

    def packets_lost(self, *directions: str) -> AbstractContextManager[None]:
        return packets_lost([one.port for one in self._ways.of("all")], directions)

    def refused(self) -> AbstractContextManager[None]:
        return self._ways.refusing("all")

    def out_of_the_operators_sight(self) -> AbstractContextManager[None]:
        return self._ways.held("operator")


def ways_to(ports: Sequence[int]) -> Ways:
    return Ways([Proxy(port) for port in ports], [Proxy(port) for port in ports])
