"""`servicegroup forget` before it asks: whom it refuses, and what it tells to do."""

import argparse
from collections.abc import Mapping
from typing import Any

import pytest
from servicegroup.__main__ import main
from servicegroup.cli.forget import add, refusal
from servicegroup.model import GroupKey
from servicegroup.operator.manifest import FORGET, spec_of

KEY = GroupKey("nova", "compute")


def group(verdict: str, reason: str, *, listed: str = "members", **spec: Any) -> Mapping[str, Any]:
    said = {"member": "node-1", "verdict": verdict, "reason": reason, "since": "2027-01-15T08:00:00Z"}
    return {"spec": spec, "status": {listed: [said], "notUpTruncated": False}}


FORCED = [{"member": "node-1", "forcedDown": True}]
REFUSED = {
    "who beats": (group("Up", "Beating"), "it is Up, Beating: stop its agent first"),
    "who beats and is ill": (group("Down", "ServiceUnhealthy"), "stop its agent first"),
    "who is forced down": (group("Down", "ForcedDown"), "servicegroup force-down nova/compute node-1 --undo"),
    "who is forced down since": (group("Down", "Silent", overrides=FORCED), "force-down nova/compute node-1 --undo"),
    "who is expected": (group("Down", "Silent", expectedMembers=["node-1"]), "spec.expectedMembers names it"),
    "who is missing": (group("Unknown", "Missing"), "or delete its pod"),
    "who is held": (group("Unknown", "MassFailure"), "servicegroup release nova/compute"),
    "who is held as was announced": (group("Unknown", "HoldAnnounced"), "servicegroup release nova/compute"),
    "who cannot be judged": (group("Unknown", "NotWatching"), "wait until it is Down"),
    "who is nobody": ({"status": {"members": []}}, "it is no member"),
    "who is not among those who are not up": ({"status": {"notUp": [], "notUpTruncated": False}}, "it is no member"),
}


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_with_what_to_do(given: Mapping[str, Any], words: str) -> None:
    assert words in (refusal(given, KEY, "node-1") or "")


ASKED = {
    "who is silent": group("Down", "Silent"),
    "who is silent in a large group": group("Down", "Silent", listed="notUp"),
    "who was forced down": group("Down", "Silent", overrides=[{"member": "node-1", "disabled": True}]),
    "who is not named, among more than the status names": {"status": {"notUp": [], "notUpTruncated": True}},
}


@pytest.mark.parametrize("given", ASKED.values(), ids=ASKED)
def test_the_operator_is_asked(given: Mapping[str, Any]) -> None:
    assert refusal(given, KEY, "node-1") is None


def test_a_since_that_is_no_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["forget", "compute", "node-1", "--since", "yesterday"])
    assert ended.value.code == 64
    assert "'yesterday' is no time" in capsys.readouterr().err


@pytest.mark.parametrize("since", ["2027-01-15T08:00:00Z", "2027-01-15 08:00:00Z", "20270115T090000+01:00"])
def test_the_operator_reads_the_time_however_it_was_written(since: str) -> None:
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    given = parser.parse_args(["forget", "compute", "node 1", "--since", since])
    annotations = {f"{FORGET}x": f"{given.since} {given.member}"}
    assert spec_of({"metadata": {"name": "compute", "annotations": annotations}}).forget == {"node 1": 1_800_000_000.0}
