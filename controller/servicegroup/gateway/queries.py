"""Questions: a request comes in, what the operator published goes out, with its age. Nothing is judged here."""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from aiohttp import web

from servicegroup.answers import Member, NotAMember, as_json, member_of
from servicegroup.gateway.beats import Gate
from servicegroup.gateway.delivery import ANSWER_SECONDS, deliver
from servicegroup.gateway.identity import Identity
from servicegroup.gateway.pages import Listing, Page
from servicegroup.gateway.records import Records, publication
from servicegroup.gateway.refusals import Refused, answer
from servicegroup.gateway.turns import Turns
from servicegroup.model import GroupKey, InvalidName, Verdict, check_member
from servicegroup.record import Record

MOST_LISTED = 100_000
AT_ONCE, OF_ONE, WAITING = 32, 4, 256
"""Lists of members that are written or on their way out, those of one subject, and what waits of its."""

GROUP = "/v1/namespaces/{namespace}/groups/{group}"
EVERYWHERE = GroupKey("", "")


@dataclass(frozen=True, slots=True)
class Queries:
    gate: Gate
    patience: float = ANSWER_SECONDS
    records: Records = field(default_factory=Records)
    _listings: Turns = field(
        default_factory=lambda: Turns("lists of members for this subject", AT_ONCE, OF_ONE, WAITING)
    )
    _writer: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/groups", self.groups),
            web.get(GROUP, self.group),
            web.get(f"{GROUP}/members", self.members),
            web.get(f"{GROUP}/members/{{member}}", self.member),
            web.get(f"{GROUP}/members/{{member}}/is-up", self.is_up),
        ]

    async def groups(self, request: web.Request) -> web.Response:
        """Those that the reader may see; a group that was never published has no age and no counts."""
        identity = await self._identified(request)
        known = await self.gate.groups.all()
        self.records.keep(frozenset(known))
        readable = await self._readable(identity, known)
        return answer({"groups": [await self._summary(key, known[key]) for key in sorted(readable)]})

    async def _readable(self, identity: Identity, known: Iterable[GroupKey]) -> list[GroupKey]:
        may = self.gate.authorizer.may
        if await may(identity, verb="get", key=EVERYWHERE):
            return list(known)
        found = {name: await may(identity, verb="get", key=GroupKey(name, "")) for name in {k.namespace for k in known}}
        return [key for key in known if found[key.namespace]]

    async def _summary(self, key: GroupKey, store: str) -> dict[str, Any]:
        read = await self.records.of(key, self.gate.lane_to(store, key))
        return {"group": str(key), "ageSeconds": None} if read is None else _group(key, *read)

    async def group(self, request: web.Request) -> web.StreamResponse:
        _, key, record, listing = await self._read(request)
        return _same(request, record) or _tagged(record, answer(_group(key, record, listing)))

    async def members(self, request: web.Request) -> web.StreamResponse:
        identity, key, record, listing = await self._read(request)
        page = Page(_verdict(request.query), _limit(request.query), _after(request.query))
        if (same := _same(request, record)) is not None:
            return same
        names = request.query.getall("member", None)
        if names is not None:  # what is-up asks: no list is written for it
            wanted = {name: record.members[name] for name in names if name in record.members}
            body = Listing(wanted).body(_head(key, record), replace(record, members=wanted), page)
            return _tagged(record, _json(body))
        async with self._listings.of(identity.user):
            async with self._writer:
                body = await asyncio.to_thread(listing.body, _head(key, record), record, page)
            response = _tagged(record, _json(body))
            await deliver(request, response, seconds=self.patience)
        return response

    async def member(self, request: web.Request) -> web.StreamResponse:
        record, member = await self._member(request)
        return _same(request, record) or _tagged(record, answer(as_json(member)))

    async def is_up(self, request: web.Request) -> web.StreamResponse:
        record, member = await self._member(request)
        body = {
            "isUp": member.is_up,
            "isDown": member.is_down,
            "verdict": str(member.verdict),
            "reason": member.reason,
            "ageSeconds": round(member.age, 3),
        }
        return _same(request, record) or _tagged(record, answer(body))

    async def _member(self, request: web.Request) -> tuple[Record, Member]:
        _, key, record, _ = await self._read(request)
        try:
            return record, member_of(record, check_member(request.match_info["member"]), key=key)
        except InvalidName as error:
            raise Refused(400, str(error)) from None
        except NotAMember as error:
            raise Refused(404, str(error)) from None

    async def _read(self, request: web.Request) -> tuple[Identity, GroupKey, Record, Listing]:
        identity = await self._identified(request)
        namespace, name = request.match_info["namespace"], request.match_info["group"]
        try:
            key = GroupKey.parse(f"{namespace}/{name}")
        except InvalidName as error:
            raise Refused(400, str(error)) from None
        await self.gate.authorizer.require_read(identity, key)
        read = await self.records.of(key, await self.gate.lane(key))
        if read is None:
            raise Refused(404, f"no operator has published {key} yet", published=False)
        return identity, key, *read

    async def _identified(self, request: web.Request) -> Identity:
        return await self.gate.authenticator.identify(request.headers.get("Authorization"), peer=request.remote or "")


def _head(key: GroupKey, record: Record) -> dict[str, Any]:
    return {
        "group": str(key),
        "publication": record.header.publication,
        "ageSeconds": round(record.age, 3),
        "stale": record.stale,
        "reportIntervalSeconds": record.header.policy.interval,
        "serviceDownTimeSeconds": record.header.policy.down_time,
    }


def _group(key: GroupKey, record: Record, listing: Listing) -> dict[str, Any]:
    total = len(listing.members)
    counts = Counter({Verdict.UNKNOWN: total}) if record.stale else listing.counts
    return {**_head(key, record), "counts": {"total": total, **{one.lower(): counts[one] for one in Verdict}}}


def _tag(record: Record) -> str:
    """The publication's, and whether it still is an answer."""
    return sha256(repr((*publication(record), record.stale)).encode()).hexdigest()[:16]


def _same(request: web.Request, record: Record) -> web.StreamResponse | None:
    """For who has this publication: how old it is now, and nothing else."""
    tag = _tag(record)
    if any(one.value in (tag, "*") for one in request.if_none_match or ()):
        return _tagged(record, web.Response(status=304))
    return None


def _tagged(record: Record, response: web.Response) -> web.Response:
    response.headers.update(
        {"ETag": f'"{_tag(record)}"', "Age": str(int(record.age)), "Cache-Control": "private, no-cache"}
    )
    return response


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _verdict(query: Mapping[str, str]) -> Verdict | None:
    text = query.get("verdict")
    if text is None:
        return None
    if text not in list(Verdict):
        raise Refused(400, f"verdict is {text[:60]!a}: allowed are {', '.join(Verdict)}; correct it")
    return Verdict(text)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(MOST_LISTED))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_LISTED)) else 0
    if not 1 <= number <= MOST_LISTED:
        raise Refused(400, f"limit is {text[:60]!a}: allowed is a number from 1 to {MOST_LISTED}; correct it")
    return number


def _after(query: Mapping[str, str]) -> str | None:
    text = query.get("continue")
    if text is None:
        return None
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(400, "continue is none that an answer before gave; begin again without it") from None
