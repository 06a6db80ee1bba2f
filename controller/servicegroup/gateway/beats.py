"""Beats in: a request comes in, what its agent may say is written, and the receipt goes out."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from servicegroup.gateway.authentication import Authenticator
from servicegroup.gateway.authorization import Authorizer
from servicegroup.gateway.groups import GroupStores
from servicegroup.gateway.lane import Lane
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


@dataclass(frozen=True, slots=True)
class Beats:
    gate: Gate

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/join", self.join),
            web.post("/v1/beat", self.beat),
            web.post("/v1/leave", self.leave),
        ]

    async def join(self, request: web.Request) -> web.Response:
        lane, key, beat = await self._admitted(request)
        return answer(encode_receipt(await lane.join(key, beat)))

    async def beat(self, request: web.Request) -> web.Response:
        lane, key, beat = await self._admitted(request)
        return answer(encode_receipt(await lane.beat(key, beat)))

    async def leave(self, request: web.Request) -> web.Response:
        lane, key, beat = await self._admitted(request)
        return answer({"left": await lane.leave(key, beat)})

    async def _admitted(self, request: web.Request) -> tuple[Lane, GroupKey, Beat]:
        identity = await self.gate.authenticator.identify(
            request.headers.get("Authorization"), peer=request.remote or ""
        )
        key, beat = _decoded(await _body(request))
        if beat.state is State.LEFT and request.path != "/v1/leave":
            raise Refused(400, "state is 'left': who leaves says so by /v1/leave")
        await self.gate.authorizer.require_beat(identity, key, beat.member)
        return await self.gate.lane(key), key, beat


async def _body(request: web.Request) -> Any:
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            content = await request.read()
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_SECONDS:g} s", close=True) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except (web.RequestPayloadError, ValueError):
        raise Refused(400, "the body is not of the form that its headers promise", close=True) from None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is no JSON; send an object with group, member, incarnation, ...") from None


def _too_large() -> Refused:
    return Refused(413, f"the body is larger than {LARGEST_BODY} bytes; a beat has some hundred", close=True)


def _decoded(body: Any) -> tuple[GroupKey, Beat]:
    try:
        return decode_beat(body)
    except InvalidMessage as error:
        raise Refused(400, str(error)) from None
