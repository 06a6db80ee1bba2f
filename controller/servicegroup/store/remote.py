"""The `remote` driver: an agent's and a reader's calls, by HTTP to a gateway. Standard library only: an agent is small.

It holds a token and no key to a store. What a gateway refuses for good (the token, the member, the group) is trouble of
the store to who calls, as everything else that passes once somebody mends it.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.record import Record
from servicegroup.store.base import StoreUnavailable
from servicegroup.store.remote_address import parse
from servicegroup.store.remote_connection import Answer
from servicegroup.store.remote_gateways import Ring
from servicegroup.wire import InvalidMessage, decode_receipt, decode_record, encode_beat

OK, NOT_FOUND = 200, 404
LONGEST_SENTENCE = 300


class RemoteStore:
    driver = "remote"

    def __init__(self, url: str, *, ca_pem: str | None = None) -> None:
        """Raises InvalidStore."""
        gateways = parse(url)
        self._shown = gateways.shown
        self._ring = Ring(gateways, ca_pem=ca_pem)

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._receipt("/v1/join", key, beat, timeout=timeout)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self._receipt("/v1/beat", key, beat, timeout=timeout)

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        # Whoever leaves has no time to come again, and is Down if it is not heard.
        left = self._posted("/v1/leave", key, beat, timeout=timeout, at_once=True).get("left")
        if not isinstance(left, bool):
            raise self._nonsense("no `left` in it")
        return left

    def record(self, key: GroupKey, *, timeout: float, only: Collection[str] | None = None) -> Record | None:
        """What the gateway may tell: verdicts, their age and the policy; not the operator's own notes."""
        path = f"/v1/namespaces/{quote(key.namespace, safe='')}/groups/{quote(key.name, safe='')}/members"
        wanted = None if only is None else set(only)
        if wanted is not None and len(wanted) == 1:
            path += f"?member={quote(next(iter(wanted)), safe='')}"
        answer = self._ring.ask("GET", path, body=None, timeout=timeout)
        body = self._object(answer, allowed=(OK, NOT_FOUND))
        if answer.status == NOT_FOUND:
            if body.get("published") is False:
                return None
            raise self._refused(answer, body)
        try:
            record = decode_record(body)
        except InvalidMessage as error:
            raise self._nonsense(str(error)) from None
        if wanted is None:
            return record
        return Record(record.header, record.age, {name: one for name, one in record.members.items() if name in wanted})

    def close(self) -> None:
        self._ring.close()

    def _receipt(self, path: str, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        try:
            return decode_receipt(self._posted(path, key, beat, timeout=timeout))
        except InvalidMessage as error:
            raise self._nonsense(str(error)) from None

    def _posted(
        self, path: str, key: GroupKey, beat: Beat, *, timeout: float, at_once: bool = False
    ) -> Mapping[str, Any]:
        body = json.dumps(encode_beat(key, beat)).encode()
        answer = self._ring.ask("POST", path, body=body, timeout=timeout, at_once=at_once)
        return self._object(answer, allowed=(OK,))

    def _object(self, answer: Answer, *, allowed: Collection[int]) -> Mapping[str, Any]:
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        if answer.status not in allowed:
            raise self._refused(answer, body)
        if not isinstance(body, Mapping):
            raise self._nonsense("no JSON object")
        return body

    def _refused(self, answer: Answer, body: object) -> StoreUnavailable:
        told = body.get("error") if isinstance(body, Mapping) else None
        sentence = "".join(c if c.isprintable() else "?" for c in str(told or "without a word")[:LONGEST_SENTENCE])
        return StoreUnavailable(f"gateway {self._shown}: it answered {answer.status}: {sentence}")

    def _nonsense(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(f"gateway {self._shown}: its answer is none of a gateway's ({what}); check the address")
