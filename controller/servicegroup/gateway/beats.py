"""Beats in: a request comes in, what its agent may say is written, and the receipt goes out."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from servicegroup.gateway.authentication import Authenticator
from servicegroup.gateway.authorization import Authorizer
from servicegroup.gateway.groups import GroupStores
from servicegroup.gateway.identity import Identity
from servicegroup.gateway.lane import MOST_WAITING, STORE_SECONDS, Lane
from servicegroup.gateway.refusals import Refused, answer, unavailable
from servicegroup.model import Beat, GroupKey, State
from servicegroup.wire import InvalidMessage, decode_beat, encode_receipt

LARGEST_BODY = 64 * 1024
BODY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Gate:
    """What every request passes: who asks, and where its group is."""

    authenticator: Authenticator
    authorizer: Authorizer
    groups: GroupStores
    lanes: Mapping[str, Lane]

    async def lane(self, key: GroupKey) -> Lane:
        """Raises Refused: 404 or 503."""
        name = await self.groups.store_of(key)
        if name is None:
            raise Refused(404, f"there is no group {str(key)!r}; create the ComputeServiceGroup, or correct the name")
        return self.lane_to(name, key)

    def lane_to(self, name: str, key: GroupKey) -> Lane:
        """Raises Refused: 503."""
        lane = self.lanes.get(name)
        if lane is None:
            raise unavailable(f"the store of {str(key)!r} is none that this gateway knows; add it to its stores")
        return lane


Said = Callable[[web.Request, Identity, bytes], Coroutine[Any, Any, web.Response]]


@dataclass(frozen=True, slots=True)
class Beats:
    """A beat and a leave hold though their agent no longer waits for the answer: it lived when it sent them, and on a
    way slower than its patience there is nothing else. A join does not: it might displace who took its place since.
    """

    gate: Gate
    _under_way: set[asyncio.Task[web.Response]] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/join", self._join),
            web.post("/v1/beat", partial(self._carried_out, self._beat)),
            web.post("/v1/leave", partial(self._carried_out, self._leave)),
        ]

    async def close(self, _application: web.Application) -> None:
        """The server has answered everyone by now; this is for those who did not wait."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STORE_SECONDS)

    async def _carried_out(self, said: Said, request: web.Request) -> web.Response:
        content = await _content(request)  # at first: when its client goes it can no longer be read
        identity = await self._identity(request)
        await asyncio.sleep(0)
        if request.transport is None or request.transport.is_closing():
            # It ended as it came, as where a gateway was stopped meanwhile: nobody knows how old it is.
            raise Refused(400, "the connection was closed", close=True)
        if len(self._under_way) >= MOST_WAITING:
            return await said(request, identity, content)
        task = asyncio.get_running_loop().create_task(said(request, identity, content))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[web.Response]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # told to who waits; asyncio would log it for who does not

    async def _join(self, request: web.Request) -> web.Response:
        content = await _content(request)
        lane, key, beat = await self._admitted(request, await self._identity(request), content)
        return answer(encode_receipt(await lane.join(key, beat)))

    async def _beat(self, request: web.Request, identity: Identity, content: bytes) -> web.Response:
        lane, key, beat = await self._admitted(request, identity, content)
        return answer(encode_receipt(await lane.beat(key, beat)))

    async def _leave(self, request: web.Request, identity: Identity, content: bytes) -> web.Response:
        lane, key, beat = await self._admitted(request, identity, content)
        return answer({"left": await lane.leave(key, beat)})

    async def _identity(self, request: web.Request) -> Identity:
        return await self.gate.authenticator.identify(request.headers.get("Authorization"), peer=request.remote or "")

    async def _admitted(self, request: web.Request, identity: Identity, content: bytes) -> tuple[Lane, GroupKey, Beat]:
        key, beat = _decoded(content)
        if beat.state is State.LEFT and request.path != "/v1/leave":
            raise Refused(400, "state is 'left': who leaves says so by /v1/leave")
        await self.gate.authorizer.require_beat(identity, key, beat.member)
        return await self.gate.lane(key), key, beat


async def _content(request: web.Request) -> bytes:
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_SECONDS:g} s", close=True) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.RequestPayloadError, ValueError):
        raise Refused(400, "the body is not of the form that its headers promise", close=True) from None


def _too_large() -> Refused:
    return Refused(413, f"the body is larger than {LARGEST_BODY} bytes; a beat has some hundred", close=True)


def _decoded(content: bytes) -> tuple[GroupKey, Beat]:
    try:
        return decode_beat(json.loads(content))
    except InvalidMessage as error:
        raise Refused(400, str(error)) from None
    except (ValueError, RecursionError):
        raise Refused(400, "the body is no JSON; send an object with group, member, incarnation, ...") from None
