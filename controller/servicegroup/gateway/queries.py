"""Questions: a request comes in, what the operator published goes out, with its age. Nothing is judged here."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from aiohttp import web

from servicegroup.answers import Member, NotAMember, as_json, member_of, members_of
from servicegroup.gateway.beats import Gate
from servicegroup.gateway.identity import Identity
from servicegroup.gateway.records import Records
from servicegroup.gateway.refusals import Refused, answer
from servicegroup.model import GroupKey, InvalidName, Verdict, check_member
from servicegroup.record import Record

MOST_LISTED = 100_000
GROUP = "/v1/namespaces/{namespace}/groups/{group}"
EVERYWHERE = GroupKey("", "")


@dataclass(frozen=True, slots=True)
class Queries:
    gate: Gate
    records: Records = field(default_factory=Records)

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
        return answer({"groups": [await self._summary(key) for key in sorted(readable)]})

    async def _readable(self, identity: Identity, known: Iterable[GroupKey]) -> list[GroupKey]:
        may = self.gate.authorizer.may
        if await may(identity, verb="get", key=EVERYWHERE):
            return list(known)
        found = {name: await may(identity, verb="get", key=GroupKey(name, "")) for name in {k.namespace for k in known}}
        return [key for key in known if found[key.namespace]]

    async def _summary(self, key: GroupKey) -> dict[str, Any]:
        record = await self.records.of(key, await self.gate.lane(key))
        return {"group": str(key), "ageSeconds": None} if record is None else _group(key, record)

    async def group(self, request: web.Request) -> web.StreamResponse:
        key, record = await self._record(request)
        return _tagged(request, record, _group(key, record))

    async def members(self, request: web.Request) -> web.StreamResponse:
        key, record = await self._record(request)
        query = request.query
        verdict, limit, after = _verdict(query), _limit(query), _after(query)
        if "member" in query:  # what is-up asks: not to be paid for by all who beat meanwhile
            wanted = {name: record.members[name] for name in query.getall("member") if name in record.members}
            record = replace(record, members=wanted)
        found = [
            one
            for one in members_of(record)
            if (verdict is None or one.verdict is verdict) and (after is None or one.name > after)
        ]
        more = found[limit - 1].name if len(found) > limit else None
        body = {
            **_head(key, record),
            "members": [as_json(one) for one in found[:limit]],
            "continue": None if more is None else base64.urlsafe_b64encode(more.encode()).decode(),
        }
        return _tagged(request, record, body)

    async def member(self, request: web.Request) -> web.StreamResponse:
        record, member = await self._member(request)
        return _tagged(request, record, as_json(member))

    async def is_up(self, request: web.Request) -> web.StreamResponse:
        record, member = await self._member(request)
        body = {
            "isUp": member.is_up,
            "isDown": member.is_down,
            "verdict": str(member.verdict),
            "reason": member.reason,
            "ageSeconds": round(member.age, 3),
        }
        return _tagged(request, record, body)

    async def _member(self, request: web.Request) -> tuple[Record, Member]:
        key, record = await self._record(request)
        try:
            return record, member_of(record, check_member(request.match_info["member"]), key=key)
        except InvalidName as error:
            raise Refused(400, str(error)) from None
        except NotAMember as error:
            raise Refused(404, str(error)) from None

    async def _record(self, request: web.Request) -> tuple[GroupKey, Record]:
        identity = await self._identified(request)
        namespace, name = request.match_info["namespace"], request.match_info["group"]
        try:
            key = GroupKey.parse(f"{namespace}/{name}")
        except InvalidName as error:
            raise Refused(400, str(error)) from None
        await self.gate.authorizer.require_read(identity, key)
        record = await self.records.of(key, await self.gate.lane(key))
        if record is None:
            raise Refused(404, f"no operator has published {key} yet", published=False)
        return key, record

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


def _group(key: GroupKey, record: Record) -> dict[str, Any]:
    verdicts = Counter(one.verdict for one in members_of(record))
    counts = {"total": sum(verdicts.values()), **{verdict.lower(): verdicts[verdict] for verdict in Verdict}}
    return {**_head(key, record), "counts": counts}


def _tagged(request: web.Request, record: Record, body: Mapping[str, Any]) -> web.StreamResponse:
    """With the publication as its tag; who has that one is told only how old it is now."""
    header = record.header
    words = (header.publisher, header.publication, header.policy, record.stale)
    tag = sha256(repr(words).encode()).hexdigest()[:16]
    has = any(one.value in (tag, "*") for one in request.if_none_match or ())
    response: web.StreamResponse = web.Response(status=304) if has else answer(body)
    response.headers.update({"ETag": f'"{tag}"', "Age": str(int(record.age)), "Cache-Control": "private, no-cache"})
    return response


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
