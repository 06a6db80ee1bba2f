"""Whose token this is: asked of the API server once in a while, and remembered by the token's hash in between.

The longest that the token of a deleted pod is still taken is `TRUSTED_SECONDS`. While the API server is away, whoever
was known goes on until the token expires; newcomers are asked to come again.
"""

import asyncio
import hashlib
import logging
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from servicegroup.clock import monotonic
from servicegroup.gateway.apiserver import ApiServerUnavailable
from servicegroup.gateway.identity import Identity, NotAToken, identity_of, peek
from servicegroup.gateway.refusals import Refused, overloaded, unavailable

LOGGER = logging.getLogger("servicegroup.gateway")
TRUSTED_SECONDS = 600.0
"""How long an answer serves. Ten thousand agents are 17 reviews a second of this; the kubelet's renewals are 3.5."""

SPREAD = 0.2
"""Part of that by which the times differ, so that agents that started together are not asked for together."""

REFUSED_SECONDS = 10.0
WITHOUT_ANSWER_SECONDS = 15.0
"""While the API server is away, a known token is asked for so often."""

MOST_KNOWN, MOST_REFUSED = 100_000, 10_000
AT_ONCE = 16
"""Reviews under way at a time, and of one peer's address no more than a quarter of them: forged tokens delay the others
by no more than that.
"""


class Reviewer(Protocol):
    async def review_token(self, token: str, *, audience: str) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Known:
    """`until`: ask again; `expires`: never without having asked. By our own clock."""

    identity: Identity
    until: float
    expires: float


@dataclass(slots=True)
class Authenticator:
    api: Reviewer
    audience: str
    trusted: float = TRUSTED_SECONDS
    _known: OrderedDict[bytes, Known] = field(default_factory=OrderedDict)
    _refused: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    _asking: dict[bytes, asyncio.Task[Identity | None]] = field(default_factory=dict)
    _by_peer: Counter[str] = field(default_factory=Counter)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _unreachable: bool = False

    async def identify(self, header: str | None, *, peer: str) -> Identity:
        """Raises Refused: 401, 429 or 503."""
        kind, _, token = (header or "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token or not token.isascii():
            raise Refused(401, "no token: send `Authorization: Bearer` and a service account's token")
        digest, now = hashlib.sha256(token.encode()).digest(), monotonic()
        known = self._known.get(digest)
        if known is not None and now < known.until:
            return known.identity
        if self._refused.get(digest, now) > now:
            raise _not_taken()
        try:
            claims = peek(token, audience=self.audience, now=time.time())
        except NotAToken as error:
            raise Refused(401, str(error)) from None
        identity = await self._review(digest, token, peer=peer, expires=claims.expires, known=known)
        if identity is None:
            raise _not_taken()
        return identity

    async def _review(
        self, digest: bytes, token: str, *, peer: str, expires: float, known: Known | None
    ) -> Identity | None:
        """All who come with one token wait for one review. It goes on when a client does not wait for it."""
        task = self._asking.get(digest)
        if task is None:
            if self._by_peer[peer] >= AT_ONCE // 4:
                raise overloaded("too many tokens of this address are being reviewed; try again")
            self._by_peer[peer] += 1
            task = asyncio.get_running_loop().create_task(self._ask(digest, token, expires=expires, peer=peer))
            task.add_done_callback(_heard)
            self._asking[digest] = task
        try:
            return await asyncio.shield(task)
        except ApiServerUnavailable as error:
            self._note(str(error))
            now = monotonic()
            if known is None or now >= known.expires:
                raise unavailable("the API server cannot be asked whose token this is; try again") from None
            again = min(now + WITHOUT_ANSWER_SECONDS, known.expires)
            self._known[digest] = Known(known.identity, again, known.expires)
            return known.identity

    async def _ask(self, digest: bytes, token: str, *, expires: float, peer: str) -> Identity | None:
        try:
            async with self._gate:
                status = await self.api.review_token(token, audience=self.audience)
        finally:
            del self._asking[digest]
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]
        self._note(None)
        identity, now = identity_of(status, audience=self.audience), monotonic()
        self._known.pop(digest, None)
        if identity is None:
            self._refused[digest] = now + REFUSED_SECONDS
        else:
            lasts = expires - time.time()
            trusted = self.trusted * (1 - SPREAD * random.random())  # noqa: S311 - no secret
            self._known[digest] = Known(identity, now + min(trusted, lasts), now + lasts)
        _bound(self._known, MOST_KNOWN)
        _bound(self._refused, MOST_REFUSED)
        return identity

    def _note(self, problem: str | None) -> None:
        if problem is not None and not self._unreachable:
            LOGGER.warning("tokens cannot be reviewed, known ones are still taken: %s", problem)
        elif problem is None and self._unreachable:
            LOGGER.info("tokens are reviewed again")
        self._unreachable = problem is not None


def _not_taken() -> Refused:
    return Refused(401, "the API server does not take this token: it has expired, was revoked, or its pod is gone")


def _heard(task: asyncio.Task[Identity | None]) -> None:
    """When all who waited have gone, its error is nobody's."""
    if not task.cancelled():
        task.exception()


def _bound(cache: OrderedDict[bytes, Known] | OrderedDict[bytes, float], most: int) -> None:
    while len(cache) > most:
        cache.popitem(last=False)
