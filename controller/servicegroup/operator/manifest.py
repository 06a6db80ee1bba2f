"""A `ComputeServiceGroup` as the API server or a file has it comes in; what it asks for goes out, checked. Pure.

The API server has checked it by the resource's schema; an older schema, or a file that no server saw, has not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from servicegroup.announcement import InvalidAnnouncement, parse
from servicegroup.model import (
    SIGHT_INTERVALS,
    Announced,
    GroupKey,
    GroupSpec,
    InvalidName,
    MassFailure,
    MinAvailable,
    Override,
    Policy,
    check_member,
)

API_GROUP, API_VERSION, PLURAL, KIND = "servicegroup.dev", "v1alpha1", "computeservicegroups", "ComputeServiceGroup"

RELEASE = f"{API_GROUP}/release"
"""The annotation that ends a hold; its value is the hold's `since`."""

HOLD = f"{API_GROUP}/hold"
"""The annotation that announces one; its value is that of `announcement.parse`."""

FORGET = f"forget.{API_GROUP}/"
"""Begins the annotations that ask for members to be forgotten, one for each, so that none undoes another. The value is
the `since` of its silence, a space, and its name.
"""

MOST_NEEDED = 100_000
"""Members, as in the resource's schema."""


class InvalidSpec(ValueError):
    """A field of a spec that is refused; the message names the field, its value, what is allowed and what to do."""


def key_of(body: Mapping[str, Any]) -> GroupKey:
    metadata = body.get("metadata", {})
    return GroupKey(metadata.get("namespace") or "default", metadata["name"])


def spec_of(body: Mapping[str, Any]) -> GroupSpec:
    """Raises InvalidSpec."""
    spec = body.get("spec") or {}
    if not isinstance(spec, Mapping):
        raise InvalidSpec(f"spec is {str(spec)[:60]!r}: allowed are fields and their values; correct it")
    try:
        expected = frozenset(check_member(str(name)) for name in _list(spec, "expectedMembers"))
        overrides = dict(_override(item) for item in _list(spec, "overrides"))
    except InvalidName as error:
        raise InvalidSpec(str(error)) from None
    announced, unheard = _announced(body)
    return GroupSpec(
        key=key_of(body),
        announced=announced,
        unheard=unheard,
        forget=_forget(body),
        policy=_policy(spec),
        store=str(spec.get("store", "default")),
        generation=int(body.get("metadata", {}).get("generation", 0)),
        expected=expected,
        overrides=overrides,
        forget_after=_seconds(spec, "forgetAfterSeconds", default=86400, low=60, high=604800),
        mass_failure=_mass_failure(spec),
        released=_released(body),
        min_available=_min_available(spec.get("minAvailable", "51%")),
    )


def _policy(spec: Mapping[str, Any]) -> Policy:
    interval = _seconds(spec, "reportIntervalSeconds", default=10, high=3600)
    down_time = _seconds(spec, "serviceDownTimeSeconds", default=60, high=86400)
    if down_time < SIGHT_INTERVALS * interval:
        raise InvalidSpec(
            f"spec.serviceDownTimeSeconds is {down_time:g}, less than {SIGHT_INTERVALS} x reportIntervalSeconds "
            f"({interval:g}): one lost beat could be a death; raise it to at least {SIGHT_INTERVALS * interval:g}"
        )
    return Policy(interval, down_time)


def _mass_failure(spec: Mapping[str, Any]) -> MassFailure:
    given = spec.get("massFailure") or {}
    if not isinstance(given, Mapping):
        raise InvalidSpec(f"spec.massFailure is {str(given)[:60]!r}: allowed are fields and their values; correct it")
    return MassFailure(
        percent=_whole(given, "massFailure.thresholdPercent", default=50, low=1, high=100),
        members=_whole(given, "massFailure.minMembers", default=3, low=1, high=MOST_NEEDED),
        longest_hold=_whole(given, "massFailure.maxHoldSeconds", default=600, low=0, high=86400),
    )


def _announced(body: Mapping[str, Any]) -> tuple[Announced | None, str | None]:
    """The hold that was announced, or what is wrong with it: an annotation is no reason to stop judging."""
    text = annotations_of(body).get(HOLD)
    try:
        return None if text is None else parse(str(text)), None
    except InvalidAnnouncement as error:
        return None, f"annotation {HOLD}: {error}"


def _forget(body: Mapping[str, Any]) -> dict[str, float]:
    """A word that names no silence asks for nothing."""
    asked: dict[str, float] = {}
    for name, text in annotations_of(body).items():
        since, _, member = str(text).partition(" ")
        if name.startswith(FORGET) and (time := _time(since)) is not None:
            asked[member] = time
    return asked


def annotations_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises InvalidSpec: a file of groups is not the API server's."""
    found = body.get("metadata", {}).get("annotations") or {}
    if not isinstance(found, Mapping):
        raise InvalidSpec(f"metadata.annotations is {str(found)[:60]!r}: allowed are names and their texts; correct it")
    return found


def _released(body: Mapping[str, Any]) -> float | None:
    """The begin of the hold that is to end; a word that is no time names no hold."""
    text = annotations_of(body).get(RELEASE)
    return None if text is None else _time(str(text))


def _time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _whole(given: Mapping[str, Any], field: str, *, default: int, low: int, high: int) -> int:
    value = given.get(field.rpartition(".")[2], default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidSpec(
            f"spec.{field} is {str(value)[:60]!r}: allowed are whole numbers from {low} to {high}; correct it"
        )
    return value


def _seconds(spec: Mapping[str, Any], field: str, *, default: int, high: int, low: int = 1) -> float:
    value = spec.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidSpec(
            f"spec.{field} is {str(value)[:60]!r}: allowed are whole seconds from {low} to {high}; correct it"
        )
    return float(value)


def _list(spec: Mapping[str, Any], field: str) -> list[Any]:
    value = spec.get(field) or []
    if not isinstance(value, list):
        raise InvalidSpec(f"spec.{field} is {str(value)[:60]!r}: allowed is a list; correct it")
    return value


def _override(item: Any) -> tuple[str, Override]:
    if not isinstance(item, Mapping) or "member" not in item:
        raise InvalidSpec(f"spec.overrides has {str(item)[:60]!r}: each entry names its member; add it, or remove this")
    return check_member(str(item["member"])), Override(
        forced_down=_flag(item, "forcedDown"),
        disabled=_flag(item, "disabled"),
        reason=str(item.get("reason", "")),
    )


def _flag(item: Mapping[str, Any], field: str) -> bool:
    value = item.get(field, False)
    if not isinstance(value, bool):
        raise InvalidSpec(f"spec.overrides: {field} is {str(value)[:60]!r}: allowed are true or false; correct it")
    return value


def _min_available(value: int | str) -> MinAvailable:
    text = str(value)
    percent = text.endswith("%")
    digits = text.removesuffix("%")
    if not (digits.isascii() and digits.isdigit()) or int(digits[:9]) > (100 if percent else MOST_NEEDED):
        raise InvalidSpec(
            f"spec.minAvailable is {text[:60]!r}: allowed is a number up to {MOST_NEEDED}, or 0% to 100%; correct it"
        )
    return MinAvailable(int(digits), percent)
