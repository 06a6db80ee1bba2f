"""What a `ComputeServiceGroup` asks for, and what is refused with a sentence though no API server saw it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from servicegroup.model import GroupKey, GroupSpec, MinAvailable, Override, Policy
from servicegroup.operator.manifest import InvalidSpec, key_of, spec_of


def body(spec: Any = None, **metadata: Any) -> dict[str, Any]:
    found = {"kind": "ComputeServiceGroup", "metadata": {"name": "compute", "namespace": "nova", **metadata}}
    return found if spec is None else found | {"spec": spec}


def test_all_that_most_people_type_is_a_name() -> None:
    minimal = {"apiVersion": "servicegroup.dev/v1alpha1", "kind": "ComputeServiceGroup", "metadata": {"name": "c"}}

    assert spec_of(minimal) == GroupSpec(
        key=GroupKey("default", "c"),
        policy=Policy(10.0, 60.0),
        store="default",
        min_available=MinAvailable(51, percent=True),
        forget_after=86_400.0,
    )


@pytest.mark.parametrize("spec", [None, {}])
def test_an_empty_spec_is_no_spec(spec: Mapping[str, Any] | None) -> None:
    assert spec_of(body({})) == spec_of(body() | {"spec": spec})


def test_every_field_is_taken_in() -> None:
    spec = spec_of(
        body(
            {
                "store": "edge",
                "reportIntervalSeconds": 2,
                "serviceDownTimeSeconds": 5,
                "minAvailable": 3,
                "forgetAfterSeconds": 3600,
                "expectedMembers": ["node-1", "10.0.0.1:6640", "機架 七"],
                "overrides": [
                    {"member": "node-1", "forcedDown": True, "reason": "fenced"},
                    {"member": "node-2", "disabled": True},
                    {"member": "node-3", "forcedDown": False},
                ],
            },
            generation=4,
        )
    )

    assert spec == GroupSpec(
        key=GroupKey("nova", "compute"),
        policy=Policy(2.0, 5.0),
        store="edge",
        generation=4,
        expected=frozenset({"node-1", "10.0.0.1:6640", "機架 七"}),
        overrides={
            "node-1": Override(forced_down=True, reason="fenced"),
            "node-2": Override(disabled=True),
            "node-3": Override(),
        },
        min_available=MinAvailable(3, percent=False),
        forget_after=3600.0,
    )


@dataclass(frozen=True)
class Refused:
    """A spec, and words of its error: the field, the value, what is allowed."""

    spec: Any
    words: tuple[str, ...]


I_RANGE = ("spec.reportIntervalSeconds", "1 to 3600")
T_RANGE = ("spec.serviceDownTimeSeconds", "1 to 86400")
FORGET_RANGE = ("spec.forgetAfterSeconds", "60 to 604800")
MIN_ALLOWED = ("spec.minAvailable", "0% to 100%")
REFUSED = {
    "an interval of zero": Refused({"reportIntervalSeconds": 0}, ("'0'", *I_RANGE)),
    "a negative interval": Refused({"reportIntervalSeconds": -1}, ("'-1'", *I_RANGE)),
    "an interval of more than an hour": Refused({"reportIntervalSeconds": 3601}, ("'3601'", *I_RANGE)),
    "an interval of half a second": Refused({"reportIntervalSeconds": 0.5}, ("'0.5'", *I_RANGE)),
    "an interval in words": Refused({"reportIntervalSeconds": "10"}, ("'10'", *I_RANGE)),
    "an interval that is true": Refused({"reportIntervalSeconds": True}, ("'True'", *I_RANGE)),
    "an interval that is a list": Refused({"reportIntervalSeconds": [10]}, I_RANGE),
    "no interval at all, written so": Refused({"reportIntervalSeconds": None}, I_RANGE),
    "a time of silence of more than a day": Refused({"serviceDownTimeSeconds": 86401}, ("'86401'", *T_RANGE)),
    "a time of silence in words": Refused({"serviceDownTimeSeconds": "a minute"}, ("'a minute'", *T_RANGE)),
    "forgetting before a minute": Refused({"forgetAfterSeconds": 59}, ("'59'", *FORGET_RANGE)),
    "forgetting after more than seven days": Refused({"forgetAfterSeconds": 604_801}, ("'604801'", *FORGET_RANGE)),
    "forgetting in words": Refused({"forgetAfterSeconds": "1d"}, ("'1d'", *FORGET_RANGE)),
    "forgetting that is true": Refused({"forgetAfterSeconds": True}, FORGET_RANGE),
    "forgetting after part of a second": Refused({"forgetAfterSeconds": 60.5}, FORGET_RANGE),
    "24 s of silence at 10 s of interval": Refused(
        {"serviceDownTimeSeconds": 24}, ("spec.serviceDownTimeSeconds", "24", "2.5", "10", "25")
    ),
    "12 s of silence at 5 s of interval": Refused(
        {"reportIntervalSeconds": 5, "serviceDownTimeSeconds": 12}, ("spec.serviceDownTimeSeconds", "12.5")
    ),
    "an interval too long for the usual minute": Refused(
        {"reportIntervalSeconds": 25}, ("spec.serviceDownTimeSeconds", "60", "62.5")
    ),
    "a negative number of members": Refused({"minAvailable": -1}, ("'-1'", *MIN_ALLOWED)),
    "101 per cent of the members": Refused({"minAvailable": "101%"}, ("'101%'", *MIN_ALLOWED)),
    "half a per cent": Refused({"minAvailable": "0.5%"}, ("'0.5%'", *MIN_ALLOWED)),
    "a negative percentage": Refused({"minAvailable": "-1%"}, ("'-1%'", *MIN_ALLOWED)),
    "a percentage of nothing": Refused({"minAvailable": "%"}, ("'%'", *MIN_ALLOWED)),
    "a percentage twice": Refused({"minAvailable": "5%%"}, ("'5%%'", *MIN_ALLOWED)),
    "members in words": Refused({"minAvailable": "most"}, ("'most'", *MIN_ALLOWED)),
    "digits of another script": Refused({"minAvailable": "\u0665%"}, MIN_ALLOWED),
    "a number of members that is true": Refused({"minAvailable": True}, MIN_ALLOWED),
    "a number of members of five thousand digits": Refused({"minAvailable": "9" * 5000 + "%"}, MIN_ALLOWED),
    "an expected member of 300 characters": Refused({"expectedMembers": ["x" * 300]}, ("300", "253")),
    "an expected member with a control character": Refused({"expectedMembers": ["a\x07"]}, ("U+0007",)),
    "an expected member without a name": Refused({"expectedMembers": [""]}, ("0 characters",)),
    "expected members that are one word, not a list": Refused({"expectedMembers": "node-1"}, ("spec.expectedMembers",)),
    "expected members that are a number": Refused({"expectedMembers": 5}, ("spec.expectedMembers",)),
    "an override of a member of 300 characters": Refused(
        {"overrides": [{"member": "x" * 300, "disabled": True}]}, ("300", "253")
    ),
    "an override of nobody": Refused({"overrides": [{"forcedDown": True}]}, ("spec.overrides", "member")),
    "an override that is a name": Refused({"overrides": ["node-1"]}, ("spec.overrides",)),
    "overrides by name, not a list": Refused({"overrides": {"node-1": {"forcedDown": True}}}, ("spec.overrides",)),
    "a member forced down by a word": Refused(
        {"overrides": [{"member": "node-1", "forcedDown": "false"}]}, ("forcedDown", "true or false")
    ),
    "a member disabled by a number": Refused(
        {"overrides": [{"member": "node-1", "disabled": 0}]}, ("disabled", "true or false")
    ),
    "a spec that is a list": Refused([{"store": "default"}], ("spec",)),
    "a spec that is a word": Refused("compute", ("spec",)),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_field_value_and_what_is_allowed_is(case: Refused) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec_of(body(case.spec))

    for word in case.words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 400


def test_annotations_that_are_no_names_and_texts_are_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"metadata\.annotations is 'held'"):
        spec_of(body({}, annotations="held"))


@pytest.mark.parametrize(("interval", "down_time"), [(10, 25), (2, 5), (1, 3), (24, 60), (3600, 9000)])
def test_exactly_two_and_a_half_intervals_of_silence_are_enough(interval: int, down_time: int) -> None:
    spec = spec_of(body({"reportIntervalSeconds": interval, "serviceDownTimeSeconds": down_time}))

    assert spec.policy == Policy(float(interval), float(down_time))


@pytest.mark.parametrize("seconds", [60, 604_800])
def test_members_are_forgotten_after_a_minute_at_least_and_seven_days_at_most(seconds: int) -> None:
    assert spec_of(body({"forgetAfterSeconds": seconds})).forget_after == seconds


@dataclass(frozen=True)
class Needed:
    given: int | str
    of: Mapping[int, int]


NEEDED = {
    "a number": Needed(3, {0: 3, 3: 3, 10: 3}),
    "a number as text": Needed("3", {10: 3}),
    "none": Needed(0, {0: 0, 10: 0}),
    "a percentage, rounded up": Needed("51%", {0: 0, 1: 1, 2: 2, 3: 2, 100: 51, 101: 52, 10_000: 5100}),
    "a third, rounded up": Needed("34%", {3: 2, 100: 34}),
    "all": Needed("100%", {1: 1, 7: 7}),
    "no per cent": Needed("0%", {7: 0}),
}


@pytest.mark.parametrize("case", NEEDED.values(), ids=NEEDED.keys())
def test_how_many_must_be_up(case: Needed) -> None:
    needed = spec_of(body({"minAvailable": case.given})).min_available

    assert {total: needed.of(total) for total in case.of} == dict(case.of)


def test_the_key_of_a_resource_without_a_namespace_is_in_default() -> None:
    assert key_of({"metadata": {"name": "compute"}}) == GroupKey("default", "compute")
    assert key_of(body()) == GroupKey("nova", "compute")
