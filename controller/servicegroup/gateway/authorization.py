"""What a subject may, as the API server's own authorizers say, remembered for a moment."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Protocol

from servicegroup.clock import monotonic
from servicegroup.gateway.apiserver import ApiServerUnavailable
from servicegroup.gateway.identity import Identity, refusal
from servicegroup.gateway.refusals import Refused, overloaded, unavailable
from servicegroup.gateway.shares import Shares
from servicegroup.gateway.turns import Turns
from servicegroup.model import GroupKey

LOGGER = logging.getLogger("servicegroup.gateway")
ALLOWED_SECONDS = 60.0
DENIED_SECONDS = 10.0
WITHOUT_ANSWER_SECONDS = 600.0
"""For so long after its last answer an API server that is away has its word kept."""

AT_ONCE, OF_ONE, WAITING_OF_ONE = 16, 4, 64
"""Questions with the API server at a time, those of one subject, and what waits of its. They go on when nobody waits
for them any more.
"""

Question = tuple[object, ...]


class Rights(Protocol):
    async def may(self, identity: Identity, *, verb: str, namespace: str, name: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Said:
    allowed: bool
    at: float

    def fresh(self, now: float) -> bool:
        return now - self.at < (ALLOWED_SECONDS if self.allowed else DENIED_SECONDS)


@dataclass(slots=True)
class Authorizer:
    api: Rights
    _shares: Shares[Question, Said] = field(default_factory=Shares)
    _asking: dict[Question, asyncio.Task[bool]] = field(default_factory=dict)
    _turns: Turns = field(
        default_factory=lambda: Turns("questions about this subject's rights", AT_ONCE, OF_ONE, WAITING_OF_ONE)
    )

    async def require_beat(self, identity: Identity, key: GroupKey, member: str) -> None:
        """Raises Refused: 403, 429 or 503."""
        if identity.node is not None:
            problem = refusal(identity, key, member)
            if problem is not None:
                raise Refused(403, problem)
        elif not await self.may(identity, verb="beat", key=key):
            raise Refused(
                403,
                f"{identity.user!r} is on no node of the cluster and may not `beat` computeservicegroups {key.name!r} "
                f"in {key.namespace!r}; grant it that, or use a projected token of the agent's pod",
            )

    async def require_read(self, identity: Identity, key: GroupKey) -> None:
        """Raises Refused: 403, 429 or 503."""
        if not await self.may(identity, verb="get", key=key):
            raise Refused(
                403, f"{identity.user!r} may not `get` computeservicegroups {key.name!r} in {key.namespace!r}; grant it"
            )

    async def may(self, identity: Identity, *, verb: str, key: GroupKey) -> bool:
        """Raises Refused: 429 or 503."""
        extra = tuple(sorted(identity.extra.items()))
        question = (identity.user, identity.uid, identity.groups, extra, verb, key)
        said, now = self._shares.of(identity.user).said.get(question), monotonic()
        if said is not None and said.fresh(now):
            return said.allowed
        try:
            return await self._ask(question, identity, verb=verb, key=key)
        except ApiServerUnavailable as error:
            if said is not None and now - said.at < WITHOUT_ANSWER_SECONDS:
                return said.allowed
            LOGGER.warning("rights cannot be reviewed: %s", error)
            raise unavailable("the API server cannot be asked for this right; try again") from None

    async def _ask(self, question: Question, identity: Identity, *, verb: str, key: GroupKey) -> bool:
        """All who come with one question wait for one answer."""
        task = self._asking.get(question)
        if task is None:
            if not self._shares.of(identity.user).take(now=monotonic()):
                raise overloaded("too many questions about this subject's rights were asked in a short time; try again")
            task = asyncio.get_running_loop().create_task(self._asked(question, identity, verb=verb, key=key))
            task.add_done_callback(_heard)
            self._asking[question] = task
        return await asyncio.shield(task)

    async def _asked(self, question: Question, identity: Identity, *, verb: str, key: GroupKey) -> bool:
        try:
            async with self._turns.of(identity.user):
                allowed = await self.api.may(identity, verb=verb, namespace=key.namespace, name=key.name)
        finally:
            del self._asking[question]
        self._shares.remember(identity.user, question, Said(allowed, monotonic()))
        return allowed


def _heard(task: asyncio.Task[bool]) -> None:
    """When all who waited have gone, its error is nobody's."""
    if not task.cancelled():
        task.exception()
