"""Who asks for all pods, and what is made of an API server that forbids it."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servicegroup.clock import monotonic
from servicegroup.model import Policy
from servicegroup.operator.cluster import Forbidden
from servicegroup.operator.rollcall import Rollcall
from servicegroup.operator.roster import Name, Roster

from tests.unit import test_roster

CRASHED = test_roster.pod(main=test_roster.CRASHED)
SOON = 20.0


@dataclass
class Refusing:
    """An API server that forbids everything, as one does that has just started; `roster` is what is made of it."""

    roster: Roster
    refused: list[str | None] = field(default_factory=list)
    asked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def pods(self, namespace: str | None, *, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        self.refused.append(self.roster.refused)
        self.asked.release()
        raise Forbidden(f"forbidden: list pods in {namespace} after {after}")

    async def pod(self, name: Name) -> Mapping[str, Any]:
        raise AssertionError(f"nobody is in doubt, not {name}")


@dataclass
class Wavering(Refusing):
    """One that forbids every second question for the one pod that there is."""

    async def pods(self, namespace: str | None, *, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:  # noqa: ARG002
        return [CRASHED], ""

    async def pod(self, name: Name) -> Mapping[str, Any]:
        self.refused.append(self.roster.refused)
        self.asked.release()
        if len(self.refused) % 2:
            raise Forbidden(f"forbidden: get pod {name}")
        return CRASHED


def made_of_refusals(roster: Roster, *, times: int, kind: Callable[[Roster], Refusing] = Refusing) -> list[str | None]:
    """What the roster knew of refusals each time when the API server was asked."""

    async def story() -> list[str | None]:
        server = kind(roster)
        running = asyncio.create_task(Rollcall(roster, server).run())
        try:
            for _ in range(times):
                await asyncio.wait_for(server.asked.acquire(), SOON)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return server.refused

    return asyncio.run(story())


def test_a_refusal_is_believed_when_it_comes_twice_since_an_api_server_that_starts_forbids_everything() -> None:
    roster = Roster(lambda _: Policy(10.0, 60.0))
    roster.called([], asked=0.0)
    first, second, third = made_of_refusals(roster, times=3)

    assert (first, second) == (None, None)
    assert third is not None


def test_who_was_never_told_of_pods_believes_the_first_refusal() -> None:
    _, second = made_of_refusals(Roster(lambda _: Policy(10.0, 60.0)), times=2)

    assert second is not None


def test_a_refusal_is_not_believed_for_one_that_came_before_an_answer() -> None:
    later = itertools.count(step=1000)  # so that the pod is in doubt at each look
    roster = Roster(lambda _: Policy(10.0, 60.0), clock=lambda: monotonic() + next(later))

    assert made_of_refusals(roster, times=4, kind=Wavering) == [None] * 4
