"""The rollcall: asks the API server for all pods of groups at the start and now and then, and once more for those whose
main containers do not run; the roster takes the answers.

A watch tells what changes, and nobody can tell how old its last word is. It may have missed a deletion as well, which
kopf does not make up for. So a pod's own word is asked for before it counts against a member.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from servicegroup.clock import monotonic
from servicegroup.operator.cluster import ClusterUnavailable, Forbidden, Gone
from servicegroup.operator.roster import Name, Roster, name_of

LOGGER = logging.getLogger("servicegroup.operator")

EVERY = 600.0
"""Seconds between two calls of the whole roster: ten thousand pods are some 60 MB of answers."""

RETRY = 10.0
SURE = 2.0
"""Seconds until a refusal is believed: an API server that has just started forbids everything for a moment."""

LOOK = 1.0
AT_ONCE = 20
"""Pods that are asked for once more in one look, a second: a broken image on ten thousand nodes is no flood."""


class Pods(Protocol):
    async def pods(self, namespace: str | None, *, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """A page of pods of groups, and where the next one begins ("" after the last). Raises ClusterUnavailable."""

    async def pod(self, name: Name) -> Mapping[str, Any]:
        """Raises Gone, ClusterUnavailable."""


@dataclass(slots=True)
class Rollcall:
    """`namespaces` empty: all."""

    roster: Roster
    cluster: Pods
    namespaces: Sequence[str] = ()
    _due: float = field(default=float("-inf"))
    _rests_until: float = float("-inf")
    _failed: bool = False
    _forbidden: set[str] = field(default_factory=set)

    async def run(self) -> None:
        while True:
            if monotonic() >= self._due:
                await self._call()
            await self._ask_again()
            await asyncio.sleep(LOOK)

    async def _call(self) -> None:
        asked, names = monotonic(), set[Name]()
        self._due = asked + RETRY
        try:
            for namespace in self.namespaces or (None,):
                after = ""
                while True:
                    page_asked = monotonic()
                    found, after = await self.cluster.pods(namespace, after=after)
                    for body in found:
                        self.roster.put(body, asked=page_asked)
                        names.add(name_of(body))
                    if not after:
                        break
        except Forbidden as error:
            if self._refused_again("list"):
                self._say(str(error))
                self.roster.refuse(str(error), listing=True)
            else:
                self._due = asked + SURE
        except ClusterUnavailable as error:
            self._say(str(error))
        else:
            self._due = asked + EVERY
            self._failed = False
            self._forbidden.discard("list")
            self.roster.called(names, asked=asked)

    async def _ask_again(self) -> None:
        if monotonic() < self._rests_until:
            return
        for name, uid in self.roster.in_doubt()[:AT_ONCE]:
            asked = monotonic()
            try:
                self.roster.put(await self.cluster.pod(name), asked=asked)
            except Gone:
                self.roster.discard(name, uid=uid)
            except ClusterUnavailable as error:
                if isinstance(error, Forbidden) and not self._refused_again("get"):
                    self._rests_until = asked + SURE
                    return
                self._say(str(error))
                self._rests_until = asked + RETRY
                if isinstance(error, Forbidden):
                    self.roster.refuse(str(error), listing=False)
                return
            self._forbidden.discard("get")

    def _refused_again(self, verb: str) -> bool:
        """Whether that was refused the last time already, or nothing was ever told."""
        again = verb in self._forbidden or not self.roster.told
        self._forbidden.add(verb)
        return again

    def _say(self, problem: str) -> None:
        if not self._failed:
            LOGGER.warning("pods are not read, nobody new is called Missing or ServiceNotRunning: %s", problem)
        self._failed = True
