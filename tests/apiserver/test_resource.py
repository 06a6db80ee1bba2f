"""The ComputeServiceGroup of crds/ on a real API server: what it takes, what it refuses in which words, what it shows.

Nothing but an API server enforces a schema and its rules. Each rule has its cases in the tables here: what is taken,
and what is refused with the sentence that a person reads.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from servicegroup.model import InvalidName, check_member

Body = dict[str, Any]
Kubectl = Callable[..., str]

DEFINITION = Path(__file__).parents[2] / "crds" / "computeservicegroup.yaml"
API_VERSION = "servicegroup.dev/v1alpha1"
KIND = "ComputeServiceGroup"
MERGE = "application/merge-patch+json"
WHEN = "2026-01-31T23:59:59Z"


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one namespace, as a client sees them that may do anything."""

    api: Any
    """A CustomObjectsApi, whose stubs know neither `_content_type` nor that anything is returned."""
    namespace: str

    @property
    def place(self) -> dict[str, str]:
        group, version = API_VERSION.split("/")
        return {"group": group, "version": version, "namespace": self.namespace, "plural": "computeservicegroups"}

    def create(self, *, name: str = "compute", dry_run: str | None = None, strict: bool = False, **parts: Any) -> Body:
        """`parts` are spec and status. Returns what the server made of it."""
        validation = "Strict" if strict else None
        created: Body = self.api.create_namespaced_custom_object(
            **self.place, body=manifest(name=name, **parts), dry_run=dry_run, field_validation=validation
        )
        return created

    def read(self) -> Body:
        found: Body = self.api.get_namespaced_custom_object(**self.place, name="compute")
        return found

    def merge(self, **parts: Any) -> Body:
        merged: Body = self.api.patch_namespaced_custom_object(
            **self.place, name="compute", body=parts, _content_type=MERGE
        )
        return merged

    def merge_status(self, status: Body, **parts: Any) -> Body:
        merged: Body = self.api.patch_namespaced_custom_object_status(
            **self.place, name="compute", body={"status": status, **parts}, _content_type=MERGE
        )
        return merged

    def apply(self, *, manager: str, **parts: Any) -> Body:
        """Server-side apply without force: somebody else's field is a conflict."""
        return self._apply("", parts=parts, fieldManager=manager)

    def apply_status(self, status: Body, *, manager: str = "operator") -> Body:
        return self._apply("/status", parts={"status": status}, fieldManager=manager, force="true")

    def _apply(self, subresource: str, *, parts: Body, **query: str) -> Body:
        sender = self.api.api_client
        request = sender.param_serialize(
            "PATCH",
            f"/apis/{API_VERSION}/namespaces/{self.namespace}/computeservicegroups/compute{subresource}",
            query_params=list(query.items()),
            header_params={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
            body=yaml_text(manifest(**parts)),
            auth_settings=["BearerToken"],
        )
        response = sender.call_api(*request)
        response.read()
        answer: Body = sender.response_deserialize(response, {"200": "object", "201": "object"}).data
        return answer


def yaml_text(body: Body) -> str:
    """An apply patch is YAML, which takes no JSON pair of surrogates: the client's own JSON fails beyond U+FFFF."""
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", json.dumps(body, ensure_ascii=False))


def manifest(*, name: str = "compute", **parts: Any) -> Body:
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, **parts}


def refusal(attempt: Callable[..., object], *args: Any, **kwargs: Any) -> Body:
    """The API server's answer to an attempt that it must refuse."""
    with pytest.raises(client.ApiException) as refused:
        attempt(*args, **kwargs)
    answer: Body = json.loads(refused.value.body or "{}")
    return answer


def sentences(answer: Body) -> str:
    """What kubectl shows of it: the field and the message of each cause."""
    assert answer["reason"] == "Invalid", answer["message"]
    return "\n".join(f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"])


@pytest.fixture
def groups(admin: client.ApiClient, namespace: str) -> Groups:
    return Groups(api=client.CustomObjectsApi(admin), namespace=namespace)


DEFAULTS: Body = {
    "store": "default",
    "reportIntervalSeconds": 10,
    "serviceDownTimeSeconds": 60,
    "forgetAfterSeconds": 86400,
    "minAvailable": "51%",
    "massFailure": {"thresholdPercent": 50, "minMembers": 3, "maxHoldSeconds": 600},
}

LEFT_OUT: Mapping[str, Body] = {
    "no spec": {},
    "an empty spec": {"spec": {}},
    "a spec that is null": {"spec": None},
    "settings that are null": {"spec": dict.fromkeys(DEFAULTS)},
}


@pytest.mark.parametrize("parts", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out_gets_its_default(groups: Groups, parts: Body) -> None:
    assert groups.create(**parts)["spec"] == DEFAULTS


def test_a_setting_given_alone_leaves_the_others_at_their_defaults(groups: Groups) -> None:
    assert groups.create(spec={"serviceDownTimeSeconds": 90})["spec"] == DEFAULTS | {"serviceDownTimeSeconds": 90}


def intervals(interval: object, down_time: object) -> Body:
    return {"reportIntervalSeconds": interval, "serviceDownTimeSeconds": down_time}


def override(**parts: Any) -> Body:
    return {"overrides": [{"member": "node-7", **parts}]}


TAKEN: Mapping[str, Body] = {
    "a down time of exactly 2.5 intervals, the smallest": intervals(2, 5),
    "a down time of exactly 2.5 intervals of the default": intervals(10, 25),
    "a down time just above 2.5 odd intervals": intervals(3, 8),
    "the shortest interval with the shortest down time": intervals(1, 3),
    "the longest interval with the shortest down time for it": intervals(3600, 9000),
    "the longest interval with the longest down time": intervals(3600, 86400),
    "forgetting after a minute, the shortest": {"forgetAfterSeconds": 60},
    "forgetting after seven days, the longest": {"forgetAfterSeconds": 604_800},
    "a store of one letter": {"store": "a"},
    "a store of a digit, a hyphen and letters": {"store": "2-db"},
    "a store of 63 characters": {"store": "s" * 63},
    "no mass failure but by all": {
        "massFailure": {"thresholdPercent": 99, "minMembers": 100_000, "maxHoldSeconds": 86_400}
    },
    "no hold": {"massFailure": {"thresholdPercent": 1, "minMembers": 1, "maxHoldSeconds": 0}},
    "no member need be up": {"minAvailable": 0},
    "a number of members": {"minAvailable": 3},
    "the largest number of members": {"minAvailable": 100_000},
    "no per cent": {"minAvailable": "0%"},
    "one digit per cent": {"minAvailable": "7%"},
    "two digits per cent": {"minAvailable": "99%"},
    "all members": {"minAvailable": "100%"},
    "no expected members": {"expectedMembers": []},
    "no overrides": {"overrides": []},
    "a member that is forced down, with a reason": override(forcedDown=True, reason="fenced by Ana, INC-42"),
    "a member that is disabled": override(disabled=True),
    "an override that says false": override(forcedDown=False, disabled=False),
    "a reason of 256 characters": override(disabled=True, reason="ü" * 256),
}


@pytest.mark.parametrize("spec", TAKEN.values(), ids=TAKEN)
def test_taken_as_it_is(groups: Groups, spec: Body) -> None:
    assert groups.create(spec=spec)["spec"] == DEFAULTS | spec


TOO_SHORT = (
    "spec.serviceDownTimeSeconds: Invalid value: "
    "serviceDownTimeSeconds must be at least 2.5 times reportIntervalSeconds, so that a single lost beat is not taken "
    "for a death: it is {0} with reportIntervalSeconds {1}; raise serviceDownTimeSeconds to {2} or more, or lower "
    "reportIntervalSeconds to {3} or less"
)
NO_STORE = (
    "the name of a store consists of lower-case letters, digits and hyphens, "
    "and begins and ends with a letter or a digit"
)
NO_AMOUNT = (
    "minAvailable must be a whole number of members from 0 to 100000, "
    'or a whole percentage of them in quotes, from "0%" to "100%"'
)
NO_EFFECT = "spec.overrides[0]: Invalid value: an override must set forcedDown or disabled"

REFUSED: Mapping[str, tuple[Body, str]] = {
    "a down time below 2.5 intervals": (intervals(10, 24), TOO_SHORT.format(24, 10, 25, 9)),
    "a down time just below 2.5 odd intervals": (intervals(3, 7), TOO_SHORT.format(7, 3, 8, 2)),
    "an interval alone, too long for the default down time": (
        {"reportIntervalSeconds": 30},
        TOO_SHORT.format(60, 30, 75, 24),
    ),
    "a down time alone, too short for the default interval": (
        {"serviceDownTimeSeconds": 20},
        TOO_SHORT.format(20, 10, 25, 8),
    ),
    "the longest interval with a down time a second too short": (
        intervals(3600, 8999),
        TOO_SHORT.format(8999, 3600, 9000, 3599),
    ),
    "an interval of 0": (intervals(0, 60), "spec.reportIntervalSeconds in body should be greater than or equal to 1"),
    "an interval above an hour": (
        intervals(3601, 86400),
        "spec.reportIntervalSeconds in body should be less than or equal to 3600",
    ),
    "an interval with a fraction": (
        intervals(1.5, 60),
        'spec.reportIntervalSeconds in body must be of type integer: "number"',
    ),
    "an interval in words": (
        intervals("10s", 60),
        'spec.reportIntervalSeconds in body must be of type integer: "string"',
    ),
    "a down time of 2": (intervals(1, 2), "spec.serviceDownTimeSeconds in body should be greater than or equal to 3"),
    "a down time above a day": (
        intervals(10, 86401),
        "spec.serviceDownTimeSeconds in body should be less than or equal to 86400",
    ),
    "a threshold above all": (
        {"massFailure": {"thresholdPercent": 101}},
        "spec.massFailure.thresholdPercent in body should be less than or equal to 100",
    ),
    "a threshold of none": (
        {"massFailure": {"thresholdPercent": 0}},
        "spec.massFailure.thresholdPercent in body should be greater than or equal to 1",
    ),
    "a hold of two days": (
        {"massFailure": {"maxHoldSeconds": 172_800}},
        "spec.massFailure.maxHoldSeconds in body should be less than or equal to 86400",
    ),
    "forgetting sooner than after a minute": (
        {"forgetAfterSeconds": 59},
        "spec.forgetAfterSeconds in body should be greater than or equal to 60",
    ),
    "forgetting later than after seven days": (
        {"forgetAfterSeconds": 604_801},
        "spec.forgetAfterSeconds in body should be less than or equal to 604800",
    ),
    "forgetting after a duration in words": (
        {"forgetAfterSeconds": "24h"},
        'spec.forgetAfterSeconds in body must be of type integer: "string"',
    ),
    "forgetting after a fraction": (
        {"forgetAfterSeconds": 60.5},
        'spec.forgetAfterSeconds in body must be of type integer: "number"',
    ),
    "a store without a name": ({"store": ""}, "spec.store in body should be at least 1 chars long"),
    "a store in capitals": ({"store": "Default"}, f'spec.store: Invalid value: "Default": {NO_STORE}'),
    "a store with an underscore": ({"store": "db_2"}, NO_STORE),
    "a store with a dot": ({"store": "db.eu"}, NO_STORE),
    "a store in another script": ({"store": "ß"}, NO_STORE),
    "a store that begins with a hyphen": ({"store": "-db"}, NO_STORE),
    "a store that ends with a hyphen": ({"store": "db-"}, NO_STORE),
    "a store that ends with a line break": ({"store": "db\n"}, NO_STORE),
    "a store of 64 characters": ({"store": "s" * 64}, "spec.store: Too long: may not be more than 63"),
    "fewer members than none": ({"minAvailable": -1}, f"spec.minAvailable: Invalid value: -1: {NO_AMOUNT}"),
    "more members than a group can have": ({"minAvailable": 100_001}, NO_AMOUNT),
    "a number of members in quotes": ({"minAvailable": "51"}, f'spec.minAvailable: Invalid value: "51": {NO_AMOUNT}'),
    "more than all members": ({"minAvailable": "101%"}, NO_AMOUNT),
    "three digits per cent": ({"minAvailable": "051%"}, NO_AMOUNT),
    "a fraction of a per cent": ({"minAvailable": "51.5%"}, NO_AMOUNT),
    "per cent of nothing": ({"minAvailable": "%"}, NO_AMOUNT),
    "per cent with a space": ({"minAvailable": "51 %"}, NO_AMOUNT),
    "per cent with a line break": ({"minAvailable": "51%\n"}, NO_AMOUNT),
    "members in words": ({"minAvailable": "half"}, NO_AMOUNT),
    "no word for how many members": ({"minAvailable": ""}, NO_AMOUNT),
    "65 characters for how many members": (
        {"minAvailable": "1" * 65},
        "spec.minAvailable: Too long: may not be more than 64",
    ),
    "a fraction of the members": ({"minAvailable": 0.5}, "spec.minAvailable in body must be of type integer,string"),
    "an override without an effect": (override(), NO_EFFECT),
    "an override with nothing but a reason": (override(reason="why not"), NO_EFFECT),
    "an override whose effect is null": (override(forcedDown=None), NO_EFFECT),
    "an override without a member": ({"overrides": [{"disabled": True}]}, "spec.overrides[0].member: Required value"),
    "a reason of 257 characters": (
        override(disabled=True, reason="r" * 257),
        "spec.overrides[0].reason: Too long: may not be more than 256",
    ),
    "two overrides of one member": (
        {"overrides": [{"member": "node-7", "disabled": True}, {"member": "node-7", "forcedDown": True}]},
        'spec.overrides[1]: Duplicate value: {"member":"node-7"}',
    ),
    "more expected members than 10000": (
        {"expectedMembers": [f"node-{number}" for number in range(10_001)]},
        "spec.expectedMembers: Too many: 10001: must have at most 10000 items",
    ),
    "more overrides than 1000": (
        {"overrides": [{"member": f"node-{number}", "disabled": True} for number in range(1_001)]},
        "spec.overrides: Too many: 1001: must have at most 1000 items",
    ),
}


@pytest.mark.parametrize(("spec", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_sentence(groups: Groups, spec: Body, sentence: str) -> None:
    assert sentence in sentences(refusal(groups.create, spec=spec))


def test_a_change_is_refused_with_the_same_sentence(groups: Groups) -> None:
    groups.create()
    refused = refusal(groups.merge, spec={"reportIntervalSeconds": 30})
    assert TOO_SHORT.format(60, 30, 75, 24) in sentences(refused)


LEGAL_NAMES: Mapping[str, str] = {
    "one character": "n",
    "a host with a domain": "node-7.eu.example.org",
    "colons, spaces and a slash": "rack 4: blade/7",
    "spaces at both ends": " node-7 ",
    "nothing but a space": " ",
    "the last character before the controls": "node~",
    "the first character after the controls": "node\u00a0",
    "other scripts": "узел-7 ノード נתיב",
    "a character outside the basic plane": "node-\U0001f5a5",
    "253 characters": "n" * 253,
    "253 characters of four bytes each": "\U00010348" * 253,
}

NO_CONTROLS = (
    "the name of a member must not contain control characters "
    "(U+0000 to U+001F and U+007F to U+009F: tab, line break and the like)"
)

ILLEGAL_NAMES: Mapping[str, tuple[str, str]] = {
    "no character": ("", "in body should be at least 1 chars long"),
    "254 characters": ("n" * 254, "Too long: may not be more than 253"),
    "254 characters of four bytes each": ("\U00010348" * 254, "Too long: may not be more than 253"),
    "the null character": ("node\0", NO_CONTROLS),
    "a tab": ("node\t7", NO_CONTROLS),
    "a line break": ("node-7\n", NO_CONTROLS),
    "the last of the low controls": ("node\x1f", NO_CONTROLS),
    "delete": ("\x7fnode", NO_CONTROLS),
    "the first of the high controls": ("node\x80", NO_CONTROLS),
    "the last of the high controls": ("node\x9f", NO_CONTROLS),
}

NAMED_IN: Mapping[str, Callable[[str], Body]] = {
    "spec.expectedMembers[0]": lambda name: {"expectedMembers": [name]},
    "spec.overrides[0].member": lambda name: {"overrides": [{"member": name, "disabled": True}]},
}


@pytest.mark.parametrize("field", NAMED_IN)
@pytest.mark.parametrize("name", LEGAL_NAMES.values(), ids=LEGAL_NAMES)
def test_a_member_may_be_named_with(groups: Groups, name: str, field: str) -> None:
    spec = NAMED_IN[field](name)
    assert groups.create(spec=spec)["spec"] == DEFAULTS | spec


@pytest.mark.parametrize("field", NAMED_IN)
@pytest.mark.parametrize(("name", "sentence"), ILLEGAL_NAMES.values(), ids=ILLEGAL_NAMES)
def test_a_member_must_not_be_named_with(groups: Groups, name: str, sentence: str, field: str) -> None:
    refused = sentences(refusal(groups.create, spec=NAMED_IN[field](name)))
    assert sentence in refused
    assert refused.startswith(f"{field}:")


def test_stores_and_the_api_refuse_the_same_characters(groups: Groups) -> None:
    characters = [chr(code) for code in (*range(0x250), *range(0x2000, 0x2070), 0xFEFF, 0xFFFD, 0x10FFFF)]
    refused = refusal(groups.create, spec={"expectedMembers": characters})
    fields = {cause["field"] for cause in refused["details"]["causes"]}
    assert fields == {f"spec.expectedMembers[{place}]" for place, name in enumerate(characters) if not legal(name)}


def legal(name: str) -> bool:
    try:
        check_member(name)
    except InvalidName:
        return False
    return True


def test_the_largest_legal_spec_is_within_the_budget_of_the_rules(groups: Groups) -> None:
    names = [f"{number:05}".ljust(253, "n") for number in range(10_000)]
    spec = {
        "expectedMembers": names,
        "overrides": [{"member": name, "forcedDown": True, "disabled": True} for name in names[:1_000]],
    }
    # Dry, since etcd takes no object of this size; the rules are judged before it is asked.
    assert groups.create(spec=spec, dry_run="All")["spec"] == DEFAULTS | spec


def test_ten_thousand_expected_members_and_a_thousand_overrides_are_stored(groups: Groups) -> None:
    names = [f"node-{number:05}.eu.example.org" for number in range(10_000)]
    spec = {
        "expectedMembers": names,
        "overrides": [{"member": name, "disabled": True, "reason": "firmware"} for name in names[:1_000]],
    }
    assert groups.apply(manager="git", spec=spec)["spec"] == DEFAULTS | spec
    groups.apply_status(STATUS)
    assert groups.read()["status"] == STATUS


def overrides(group: Body) -> dict[str, Body]:
    return {entry["member"]: entry for entry in group["spec"].get("overrides", [])}


def test_two_field_managers_keep_their_overrides_apart(groups: Groups) -> None:
    from_git: Body = {"member": "node-7", "disabled": True}
    from_fencing: Body = {"member": "rack 4: blade/7", "forcedDown": True, "reason": "fenced"}
    groups.apply(manager="git", spec={"overrides": [from_git]})
    both = groups.apply(manager="fencing", spec={"overrides": [from_fencing]})
    assert overrides(both) == {"node-7": from_git, "rack 4: blade/7": from_fencing}
    again = groups.apply(manager="git", spec={"overrides": [from_git]})
    assert overrides(again) == overrides(both)
    taken_back = groups.apply(manager="fencing", spec={})
    assert overrides(taken_back) == {"node-7": from_git}


def test_two_field_managers_share_an_override_of_one_member(groups: Groups) -> None:
    groups.apply(manager="git", spec={"overrides": [{"member": "node-7", "disabled": True}]})
    shared = groups.apply(manager="fencing", spec={"overrides": [{"member": "node-7", "forcedDown": True}]})
    assert overrides(shared) == {"node-7": {"member": "node-7", "disabled": True, "forcedDown": True}}
    taken_back = groups.apply(manager="fencing", spec={})
    assert overrides(taken_back) == {"node-7": {"member": "node-7", "disabled": True}}


def test_the_expected_members_have_one_writer_and_another_is_told_whose_they_are(groups: Groups) -> None:
    groups.apply(manager="git", spec={"expectedMembers": ["node-7"]})
    with pytest.raises(client.ApiException, match='conflict with \\\\"git\\\\"'):
        groups.apply(manager="inventory", spec={"expectedMembers": ["node-8"]})
    assert groups.read()["spec"]["expectedMembers"] == ["node-7"]


def test_whoever_applied_an_empty_spec_may_change_it_after_the_operator_has_written(groups: Groups) -> None:
    groups.apply(manager="git", spec={})
    groups.apply_status(STATUS)
    assert groups.apply(manager="git", spec={"minAvailable": 3})["spec"] == DEFAULTS | {"minAvailable": 3}


def test_whoever_applied_no_spec_meets_a_conflict_when_adding_one(groups: Groups) -> None:
    """Kubernetes remembers nobody who applied no field: examples for server-side apply write `spec: {}`."""
    groups.apply(manager="git")
    refused = refusal(groups.apply, manager="git", spec={"minAvailable": 3})
    assert 'conflict with "before-first-apply"' in refused["message"]


def test_an_unknown_setting_is_dropped_or_refused_when_asked_to_be_strict(groups: Groups) -> None:
    spec = {"reportInterval": 5}
    assert groups.create(name="lenient", spec=spec)["spec"] == DEFAULTS
    refused = refusal(groups.create, spec=spec, strict=True)
    assert 'strict decoding error: unknown field "spec.reportInterval"' in refused["message"]
    refused = refusal(groups.apply, manager="git", spec=spec)
    assert ".spec.reportInterval: field not declared in schema" in refused["message"]


def condition(kind: str, status: str = "True", **parts: Any) -> Body:
    return {
        "type": kind,
        "status": status,
        "reason": "EnoughUp",
        "message": "9998 of 10000 members are up, 5100 are needed.",
        "lastTransitionTime": WHEN,
        "observedGeneration": 1,
        **parts,
    }


def member(name: str, **parts: Any) -> Body:
    return {"member": name, "verdict": "Down", "reason": "Silent", "since": WHEN, **parts}


STATUS: Body = {
    "observedGeneration": 1,
    "publication": 2**63 - 1,
    "store": "new",
    "movingFrom": ["old", "older"],
    "driver": "db",
    "effective": {"reportIntervalSeconds": 10, "serviceDownTimeSeconds": 60, "promisedIntervalSeconds": 100},
    "checkedTime": WHEN,
    "counts": {
        "total": 10_000,
        "up": 9_998,
        "down": 2,
        "unknown": 0,
        "forcedDown": 1,
        "disabled": 3,
        "draining": 4,
        "missing": 0,
        "summary": "9998/10000",
    },
    "notUp": [member("node-9"), member("node-7", reason="ForcedDown")],
    "notUpTruncated": False,
    "notUpSummary": "node-9,node-7",
    "members": [
        member("node-1", verdict="Up", reason="Beating", disabled=True, draining=True),
        {"member": "node-2", "verdict": "Unknown", "reason": "Missing"},
    ],
    "conditions": [condition("Available"), condition("Ready", reason="Watching")],
}


def test_a_status_is_kept_as_the_operator_applies_it(groups: Groups) -> None:
    groups.create()
    assert groups.apply_status(STATUS)["status"] == STATUS
    assert groups.read()["metadata"]["generation"] == 1


def test_a_status_loses_what_the_operator_no_longer_applies(groups: Groups) -> None:
    groups.create()
    groups.apply_status(STATUS)
    assert groups.apply_status({"driver": "mc"})["status"] == {"driver": "mc"}


def test_a_writer_of_the_counts_replaces_them_all(groups: Groups) -> None:
    """Counts of two passes must never mix: their sum would be wrong."""
    groups.create()
    groups.apply_status({"counts": STATUS["counts"], "effective": STATUS["effective"]})
    after = groups.apply_status({"counts": {"up": 1}, "effective": {"reportIntervalSeconds": 5}}, manager="newer")
    assert after["status"] == {"counts": {"up": 1}, "effective": {"reportIntervalSeconds": 5}}


LONGEST = ["\U00010348" * 253] * 100

STATUS_TAKEN: Mapping[str, Body] = {
    "a hundred members not up with the longest names": {"notUp": [member(name) for name in LONGEST]},
    "a hundred members with the longest names": {"members": [member(name) for name in LONGEST]},
    "a word of 64 characters": {"notUp": [member("n", reason="R" * 64)]},
    "a message of 1024 characters": {"conditions": [condition("Ready", message="m" * 1024)]},
    "an empty message": {"conditions": [condition("Ready", message="")]},
    "a condition with a prefix": {"conditions": [condition("example.org/Paged")]},
    "16 stores that the group was moved from": {"movingFrom": [f"{'s' * 61}{number:02}" for number in range(16)]},
    "a promise of nobody": {"effective": {"promisedIntervalSeconds": 0}},
    "an interval and a time far longer than a spec's": {
        "effective": {
            "reportIntervalSeconds": 11_112,
            "serviceDownTimeSeconds": 266_688,
            "promisedIntervalSeconds": 11_112,
        }
    },
    "16 conditions": {"conditions": [condition(f"C{number}") for number in range(16)]},
    "a summary of 256 characters": {"notUpSummary": "ü" * 256},
    "a fraction of a second": {"checkedTime": "2026-01-31T23:59:59.123456Z"},
}


@pytest.mark.parametrize("status", STATUS_TAKEN.values(), ids=STATUS_TAKEN)
def test_a_status_may_hold(groups: Groups, status: Body) -> None:
    groups.create()
    assert groups.apply_status(status)["status"] == status


STATUS_REFUSED: Mapping[str, tuple[Body, str]] = {
    "101 members not up": ({"notUp": [member("n")] * 101}, "status.notUp: Too many: 101: must have at most 100 items"),
    "101 members": ({"members": [member("n")] * 101}, "status.members: Too many: 101: must have at most 100 items"),
    "a member of 254 characters": ({"notUp": [member("n" * 254)]}, "status.notUp[0].member: Too long"),
    "a verdict nobody knows": (
        {"notUp": [member("n", verdict="Dead")]},
        'status.notUp[0].verdict: Unsupported value: "Dead": supported values: "Up", "Down", "Unknown"',
    ),
    "a member without a verdict": ({"members": [{"member": "n"}]}, "status.members[0].verdict: Required value"),
    "a word of 65 characters": ({"notUp": [member("n", reason="R" * 65)]}, "status.notUp[0].reason: Too long"),
    "a store of 64 characters": ({"store": "s" * 64}, "status.store: Too long"),
    "17 stores that the group was moved from": (
        {"movingFrom": [f"s{number}" for number in range(17)]},
        "status.movingFrom: Too many: 17: must have at most 16 items",
    ),
    "a store of 64 characters that the group was moved from": (
        {"movingFrom": ["s" * 64]},
        "status.movingFrom[0]: Too long",
    ),
    "a driver of 64 characters": ({"driver": "d" * 64}, "status.driver: Too long"),
    "members up in 65 characters": ({"counts": {"summary": "1" * 65}}, "status.counts.summary: Too long"),
    "a summary of 257 characters": ({"notUpSummary": "n" * 257}, "status.notUpSummary: Too long"),
    "a time of 65 characters": ({"checkedTime": f"2026-01-31T23:59:59.{'0' * 44}Z"}, "status.checkedTime: Too long"),
    "a verdict that began at no time": (
        {"notUp": [member("n", since="now")]},
        'notUp[0].since in body must be of type date-time: "now"',
    ),
    "a member's verdict that began at no time": (
        {"members": [member("n", since="now")]},
        'members[0].since in body must be of type date-time: "now"',
    ),
    "a condition since no time": (
        {"conditions": [condition("Ready", lastTransitionTime="now")]},
        'conditions[0].lastTransitionTime in body must be of type date-time: "now"',
    ),
    "one of all members with a name of 254 characters": (
        {"members": [member("n" * 254)]},
        "status.members[0].member: Too long",
    ),
    "one of all members with a verdict nobody knows": (
        {"members": [member("n", verdict="Dead")]},
        'status.members[0].verdict: Unsupported value: "Dead"',
    ),
    "one of all members with a word of 65 characters": (
        {"members": [member("n", reason="R" * 65)]},
        "status.members[0].reason: Too long",
    ),
    "a member not up without a verdict": ({"notUp": [{"member": "n"}]}, "status.notUp[0].verdict: Required value"),
    "a condition's word of 65 characters": (
        {"conditions": [condition("Ready", reason="R" * 65)]},
        "status.conditions[0].reason: Too long",
    ),
    "a condition of 317 characters": ({"conditions": [condition("C" * 317)]}, "status.conditions[0].type: Too long"),
    "a condition named with a space": (
        {"conditions": [condition("Is Ready")]},
        "conditions[0].type in body should match",
    ),
    "a condition without a message": (
        {"conditions": [{"type": "Ready", "status": "True", "reason": "Fine", "lastTransitionTime": WHEN}]},
        "status.conditions[0].message: Required value",
    ),
    "a time that is none": ({"checkedTime": "now"}, 'checkedTime in body must be of type date-time: "now"'),
    "a message of 1025 characters": (
        {"conditions": [condition("Ready", message="m" * 1025)]},
        "status.conditions[0].message: Too long: may not be more than 1024",
    ),
    "a condition that is perhaps true": (
        {"conditions": [condition("Ready", "Maybe")]},
        'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
    ),
    "a condition without a reason": (
        {"conditions": [condition("Ready", reason="")]},
        "conditions[0].reason in body should be at least 1 chars long",
    ),
    "a condition whose reason is a sentence": (
        {"conditions": [condition("Ready", reason="All is well")]},
        "conditions[0].reason in body should match",
    ),
    "17 conditions": (
        {"conditions": [condition(f"C{number}") for number in range(17)]},
        "status.conditions: Too many: 17: must have at most 16 items",
    ),
}


@pytest.mark.parametrize(("status", "sentence"), STATUS_REFUSED.values(), ids=STATUS_REFUSED)
def test_a_status_must_not_hold(groups: Groups, status: Body, sentence: str) -> None:
    groups.create()
    assert sentence in sentences(refusal(groups.apply_status, status))


COUNTED = [name for name, value in STATUS["counts"].items() if isinstance(value, int)]

TOO_LOW: Mapping[str, Body] = {
    "status.observedGeneration": {"observedGeneration": -1},
    "status.publication": {"publication": -1},
    "status.effective.reportIntervalSeconds": {"effective": {"reportIntervalSeconds": 0}},
    "status.effective.serviceDownTimeSeconds": {"effective": {"serviceDownTimeSeconds": 0}},
    "status.effective.promisedIntervalSeconds": {"effective": {"promisedIntervalSeconds": -1}},
    "status.conditions[0].observedGeneration": {"conditions": [condition("Ready", observedGeneration=-1)]},
    **{f"status.counts.{name}": {"counts": {name: -1}} for name in COUNTED},
}


@pytest.mark.parametrize(("field", "status"), TOO_LOW.items(), ids=TOO_LOW)
def test_a_number_of_the_status_must_not_be_lower_than_can_be(groups: Groups, field: str, status: Body) -> None:
    groups.create()
    refused = sentences(refusal(groups.apply_status, status))
    assert re.fullmatch(rf"{re.escape(field)}: .* in body should be greater than or equal to [01]", refused)


def test_conditions_of_two_managers_merge_by_type(groups: Groups) -> None:
    groups.create()
    groups.apply_status({"conditions": [condition("Available"), condition("Ready")]})
    groups.apply_status({"conditions": [condition("example.org/Paged")]}, manager="pager")
    after = groups.apply_status({"conditions": [condition("Available", "False", reason="TooFewUp")]})
    said = {entry["type"]: entry["status"] for entry in after["status"]["conditions"]}
    assert said == {"Available": "False", "example.org/Paged": "True"}


def test_an_unknown_field_of_the_status_is_dropped_but_never_applied(groups: Groups) -> None:
    """An operator newer than its definition cannot write at all by server-side apply: crds/ is upgraded first."""
    groups.create()
    merged = groups.merge_status({"driver": "db", "mood": "good", "notUp": [member("n", colour="red")]})
    assert merged["status"] == {"driver": "db", "notUp": [member("n")]}
    refused = refusal(groups.apply_status, {"driver": "db", "mood": "good"})
    assert ".status.mood: field not declared in schema" in refused["message"]


def test_the_status_is_written_through_its_own_door_only(groups: Groups) -> None:
    assert "status" not in groups.create(status=STATUS)
    assert "status" not in groups.merge(status=STATUS)
    changed = groups.merge_status({"driver": "db"}, spec={"store": "other"})
    assert (changed["status"], changed["spec"]) == ({"driver": "db"}, DEFAULTS)


COLUMNS = ["NAME", "UP", "DOWN", "UNKNOWN", "AVAILABLE", "REASON", "CHECKED", "AGE"]
WIDE_COLUMNS = ["DRIVER", "INTERVAL", "TIMEOUT", "MISSING", "NOT-UP"]


def table(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines()]


def test_kubectl_get_shows_a_group_in_one_line(groups: Groups, kubectl: Kubectl) -> None:
    groups.create()
    groups.apply_status(STATUS | {"checkedTime": datetime.now(tz=UTC).isoformat()})
    header, row = table(kubectl("get", "csg", "-n", groups.namespace))
    assert header == COLUMNS
    assert row[:6] == ["compute", "9998/10000", "2", "0", "True", "EnoughUp"]
    assert all(re.fullmatch(r"\d+s", age) for age in row[6:])


def test_kubectl_get_wide_adds_the_settings_and_who_is_not_up(groups: Groups, kubectl: Kubectl) -> None:
    groups.create()
    groups.apply_status(STATUS)
    header, row = table(kubectl("get", "csg", "-n", groups.namespace, "-o", "wide"))
    assert header == COLUMNS + WIDE_COLUMNS
    assert row[len(COLUMNS) :] == ["db", "10", "60", "0", "node-9,node-7"]


def test_kubectl_get_shows_a_group_that_no_operator_has_seen(groups: Groups, kubectl: Kubectl) -> None:
    groups.create()
    header, row = table(kubectl("get", "csg", "-n", groups.namespace))
    assert (header, len(row), row[0]) == (COLUMNS, 2, "compute")


@pytest.mark.parametrize("word", ["csg", "computeservicegroup", "computeservicegroups", "servicegroup"])
def test_kubectl_finds_groups_by(groups: Groups, kubectl: Kubectl, word: str) -> None:
    groups.create()
    shown = kubectl("get", word, "-n", groups.namespace, "-o", "name")
    assert shown == "computeservicegroup.servicegroup.dev/compute\n"


def test_kubectl_waits_for_a_group_to_be_available(groups: Groups, kubectl: Kubectl) -> None:
    groups.create()
    groups.apply_status(STATUS)
    kubectl("wait", "--for=condition=Available", "--timeout=5s", "-n", groups.namespace, "csg/compute")


EXPLAINED: Mapping[str, str] = {
    "csg": "one service and its members",
    "csg.spec": "Seconds of silence after which the operator calls a member Down. At least 2.5 times",
    "csg.spec.overrides": "true makes the member Down at once, whatever it beats",
    "csg.status": "When the operator last judged the members on sight of the store.",
    "csg.status.notUp.verdict": "Evacuate only what is Down.",
}


@pytest.mark.parametrize(("path", "words"), EXPLAINED.items(), ids=EXPLAINED)
def test_kubectl_explains(kubectl: Kubectl, path: str, words: str) -> None:
    assert words in " ".join(kubectl("explain", path).split())


def schema_fields(schema: Body, *, path: str = "") -> Iterator[tuple[str, Body]]:
    """Each field of the shipped schema with its path, lists' items among them."""
    inner = {f"{path}.{name}": field for name, field in schema.get("properties", {}).items()}
    if "items" in schema:
        inner[f"{path}[]"] = schema["items"]
    for where, field in inner.items():
        yield where, field
        yield from schema_fields(field, path=where)


def fields_of_definition() -> dict[str, Body]:
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    return dict(schema_fields(version["schema"]["openAPIV3Schema"]))


def test_every_field_is_described() -> None:
    assert [path for path, field in fields_of_definition().items() if not field.get("description")] == []


def test_every_list_and_string_is_bounded() -> None:
    fields = fields_of_definition()
    lists = [path for path, field in fields.items() if field.get("type") == "array" and "maxItems" not in field]
    strings = [path for path, field in fields.items() if is_text(field) and not {"maxLength", "enum"} & field.keys()]
    assert (lists, strings) == ([], [])


def is_text(field: Body) -> bool:
    return field.get("type") == "string" or "x-kubernetes-int-or-string" in field


def test_nothing_unknown_is_preserved() -> None:
    assert "preserve-unknown-fields" not in DEFINITION.read_text(encoding="utf-8")


def test_helm_uninstall_keeps_the_groups() -> None:
    definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
    assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
