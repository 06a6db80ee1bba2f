"""What agents and the gateway say to each other, as JSON: values come in, objects go out, and back, checked. Pure.

Below the stores, since both ends speak it: the gateway that serves, and the driver `remote` that asks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from servicegroup.liveness import Published
from servicegroup.model import (
    LONGEST_PROMISE,
    SHORTEST_INTERVAL,
    Beat,
    GroupKey,
    Holder,
    InvalidName,
    Policy,
    Reason,
    Receipt,
    State,
    Verdict,
    check_member,
)
from servicegroup.record import Header, Record

LONGEST_INCARNATION = 32
LONGEST_STATE = 16
"""Characters, as the tables of the stores have them."""

LARGEST_SEQUENCE = 2**63 - 1
SHOWN = 60


class InvalidMessage(ValueError):
    """An object that is refused; the message names the field, what is allowed and what to do."""


def encode_beat(key: GroupKey, beat: Beat) -> dict[str, Any]:
    return {
        "group": str(key),
        "member": beat.member,
        "incarnation": beat.incarnation,
        "sequence": beat.sequence,
        "interval": beat.interval,
        "state": str(beat.state),
    }


def decode_beat(body: object) -> tuple[GroupKey, Beat]:
    """Raises InvalidMessage. A field that is not known is a newer agent's, and ignored."""
    if not isinstance(body, Mapping):
        raise InvalidMessage("the body is no JSON object; send one with group, member, incarnation, sequence, interval")
    return _group(body), Beat(
        member=_member(body),
        incarnation=_word(body, "incarnation", longest=LONGEST_INCARNATION),
        sequence=_sequence(body),
        interval=_interval(body),
        state=State(_word(body, "state", longest=LONGEST_STATE) if "state" in body else State.BEATING),
    )


def encode_receipt(receipt: Receipt) -> dict[str, Any]:
    other = receipt.other
    return {
        "owned": receipt.owned,
        "interval": receipt.interval,
        "other": None
        if other is None
        else {"incarnation": other.incarnation, "sequence": other.sequence, "state": str(other.state)},
    }


def decode_receipt(body: object) -> Receipt:
    """Raises InvalidMessage."""
    if not isinstance(body, Mapping) or not isinstance(body.get("owned"), bool):
        raise InvalidMessage("the receipt is no object with `owned`; is this a gateway of ours?")
    interval = None if body.get("interval") is None else _interval(body)
    return Receipt(body["owned"], interval, None if body.get("other") is None else _holder(body["other"]))


def decode_record(body: Mapping[str, Any]) -> Record:
    """From the gateway's list of members: what readers need of a record. Raises InvalidMessage."""
    policy = Policy(_number(body, "reportIntervalSeconds"), _number(body, "serviceDownTimeSeconds"))
    listed = body.get("members")
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise InvalidMessage("members is no list of objects")
    header = Header(int(_number(body, "publication")), policy, "", 0.0, 0.0)
    return Record(header, _number(body, "ageSeconds"), {_text(one, "member"): _published(one) for one in listed})


def _published(one: Mapping[str, Any]) -> Published:
    try:
        verdict, since = Verdict(_text(one, "verdict")), one.get("since")
        moment = 0.0 if since is None else datetime.fromisoformat(str(since)).timestamp()
    except ValueError:
        raise InvalidMessage("a member has a verdict or a time that is none") from None
    return Published(
        verdict, Reason(_text(one, "reason")), moment, one.get("disabled") is True, one.get("draining") is True
    )


def _number(body: Mapping[str, Any], field: str) -> float:
    value = body.get(field)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < LARGEST_SEQUENCE:
        raise InvalidMessage(f"{field} is {_shown(value)}: a number is needed")
    return float(value)


def _holder(body: object) -> Holder:
    if not isinstance(body, Mapping):
        raise InvalidMessage("other is no object")
    state = State(_word(body, "state", longest=LONGEST_STATE))
    return Holder(_word(body, "incarnation", longest=LONGEST_INCARNATION), _sequence(body), state)


def _group(body: Mapping[str, Any]) -> GroupKey:
    text = _text(body, "group")
    if "/" not in text:
        raise InvalidMessage(f"group is {text[:SHOWN]!r}: write it as namespace/name")
    try:
        return GroupKey.parse(text)
    except InvalidName as error:
        raise InvalidMessage(str(error)) from None


def _member(body: Mapping[str, Any]) -> str:
    try:
        return check_member(_text(body, "member"))
    except InvalidName as error:
        raise InvalidMessage(str(error)) from None


def _text(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str):
        raise InvalidMessage(f"{field} is {_shown(value)}: a text is needed")
    return value


def _word(body: Mapping[str, Any], field: str, *, longest: int) -> str:
    value = _text(body, field)
    if not (1 <= len(value) <= longest and value.isascii() and value.isprintable()):
        raise InvalidMessage(f"{field} is {_shown(value)}: allowed are 1 to {longest} printable ASCII characters")
    return value


def _sequence(body: Mapping[str, Any]) -> int:
    value = body.get("sequence")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SEQUENCE:
        raise InvalidMessage(f"sequence is {_shown(value)}: allowed is a whole number from 0 to 2^63-1; count from 1")
    return value


def _interval(body: Mapping[str, Any]) -> float:
    value = body.get("interval")
    good = isinstance(value, int | float) and not isinstance(value, bool) and value <= LONGEST_PROMISE
    if not good or not SHORTEST_INTERVAL <= (seconds := float(value or 0)) <= LONGEST_PROMISE:
        raise InvalidMessage(
            f"interval is {_shown(value)}: allowed are seconds from {SHORTEST_INTERVAL:g} to {LONGEST_PROMISE:g}"
        )
    return seconds


def _shown(value: object) -> str:
    if isinstance(value, str):
        return ascii(value if len(value) <= SHOWN else value[:SHOWN] + "...")
    return "missing" if value is None else f"of the kind {type(value).__name__}, or too large"
