"""What the roster knows of pods, told one word after another: who ought to beat, whose service runs, since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from servicegroup.model import GroupKey, Policy
from servicegroup.pods import NO_POD, Duty, Pod, Service, follow, main_containers, services

POLICY = Policy(interval=10.0, down_time=60.0)
SETTLED = POLICY.sight
KEY = GroupKey("nova", "compute")
BEFORE = Pod(KEY, "node-1", "uid", 90.0, running=50.0, ran=60.0)
RUNS: Mapping[str, Any] = {"running": {}}
CRASHED: Mapping[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}}
PULLED: Mapping[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
NOW = 100.0


def body(
    *,
    node: str | None = "node-1",
    labels: Mapping[str, str] | None = None,
    phase: str = "Running",
    main: Mapping[str, Any] = RUNS,
    deleted: bool = False,
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    uid: str = "uid",
) -> dict[str, Any]:
    metadata = {
        "name": "pod",
        "namespace": "nova",
        "uid": uid,
        "labels": labels or {"servicegroup.dev/group": "compute"},
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    status = {"name": "main", "state": main, "restartCount": restarts}
    if main != PULLED:
        status |= {"containerID": "containerd://1", **({} if last is None else {"lastState": {"terminated": last}})}
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "main"}], **({} if node is None else {"nodeName": node})},
        "status": {"phase": phase, "containerStatuses": [status]},
    }


def told(before: Pod | None, now: float = NOW, *, asked: float | None = None, **given: Any) -> Pod | None:
    return follow(before, body(**given), now=now, policy=POLICY, asked=asked)


NOT_COUNTED: dict[str, Mapping[str, Any]] = {
    "one that is on no node": {"node": None},
    "one that succeeded": {"phase": "Succeeded"},
    "one that failed": {"phase": "Failed"},
    "one without the label": {"labels": {"app": "compute"}},
    "one with an empty label": {"labels": {"servicegroup.dev/group": ""}},
}


@pytest.mark.parametrize("given", NOT_COUNTED.values(), ids=NOT_COUNTED)
@pytest.mark.parametrize("before", [None, BEFORE], ids=["new", "known"])
def test_who_is_not_counted(before: Pod | None, given: Mapping[str, Any]) -> None:
    assert told(before, **given) is None


@dataclass(frozen=True)
class Word:
    given: Mapping[str, Any]
    after: Pod
    before: Pod | None = BEFORE
    asked: float | None = None


NEW = Pod(KEY, "node-1", "uid", NOW)


def ran_for(seconds: int) -> Mapping[str, Any]:
    return {"startedAt": "2026-11-23T12:00:00Z", "finishedAt": f"2026-11-23T12:00:{seconds:02}Z"}


STOPPED = replace(BEFORE, ran=None, stopped=80.0, ended=1)

WORDS = {
    "one that runs, seen first": Word({}, replace(NEW, running=NOW, ran=NOW), None),
    "one that is still pulled": Word(
        {"phase": "Pending", "main": PULLED}, replace(NEW, stopped=NOW), None
    ),
    "one that goes on": Word({}, replace(BEFORE, heard=NOW)),
    "one whose container crashes": Word({"main": CRASHED}, replace(BEFORE, heard=NOW, ran=None, stopped=NOW, ended=1)),
    "one whose container stays away": Word({"main": CRASHED}, replace(STOPPED, heard=NOW), STOPPED),
    "asked for, it is confirmed": Word(
        {"main": CRASHED}, replace(STOPPED, heard=NOW, confirmed=99.0), STOPPED, asked=99.0
    ),
    "a word of the watch takes no confirmation away": Word(
        {"main": CRASHED}, replace(STOPPED, heard=NOW, confirmed=95.0), replace(STOPPED, confirmed=95.0)
    ),
    "one that runs again is confirmed in nothing": Word(
        {"restarts": 1}, replace(STOPPED, heard=NOW, ran=NOW), replace(STOPPED, confirmed=95.0), asked=99.0
    ),
    "one that runs again has not recovered yet": Word({"restarts": 1}, replace(STOPPED, heard=NOW, ran=NOW), STOPPED),
    "one that crashes again was never up": Word(
        {"main": CRASHED, "restarts": 1},
        replace(STOPPED, heard=NOW, ended=2),
        replace(STOPPED, ran=NOW - SETTLED + 0.1),
    ),
    "one that ran for C and crashes has only now stopped": Word(
        {"main": CRASHED, "restarts": 1},
        replace(STOPPED, heard=NOW, stopped=NOW, ended=2),
        replace(STOPPED, ran=NOW - SETTLED),
    ),
    "one that ran for less, as its node tells, was never up": Word(
        {"main": CRASHED, "restarts": 1, "last": ran_for(3)},
        replace(STOPPED, heard=NOW, ended=2),
        replace(STOPPED, ran=NOW - SETTLED),
    ),
    "one that has run for C is well": Word(
        {"restarts": 1},
        replace(BEFORE, heard=NOW, ran=NOW - SETTLED, ended=1),
        replace(STOPPED, ran=NOW - SETTLED, confirmed=85.0),
    ),
    "one that was restarted unseen runs since now": Word(
        {"restarts": 1, "last": ran_for(3)}, replace(BEFORE, heard=NOW, ran=NOW, ended=1)
    ),
    "one that ran for less than C unseen has stopped as before": Word(
        {"main": CRASHED, "restarts": 1, "last": ran_for(24)}, replace(STOPPED, heard=NOW, ended=2), STOPPED
    ),
    "one that ran for C unseen has only now stopped": Word(
        {"main": CRASHED, "restarts": 1, "last": ran_for(25)},
        replace(STOPPED, heard=NOW, stopped=NOW, ended=2),
        STOPPED,
    ),
    "one that ran unseen, nobody tells for how long": Word(
        {"main": CRASHED, "restarts": 1}, replace(STOPPED, heard=NOW, stopped=NOW, ended=2), STOPPED
    ),
    "one that ran twice unseen": Word(
        {"main": CRASHED, "restarts": 2, "last": ran_for(1)}, replace(STOPPED, heard=NOW, stopped=NOW, ended=3), STOPPED
    ),
    "one that ended for the first time, unseen": Word(
        {"main": {"terminated": ran_for(25)}}, replace(STOPPED, heard=NOW, stopped=NOW), replace(STOPPED, ended=0)
    ),
    "one that is being deleted is not expected": Word(
        {"deleted": True}, replace(BEFORE, heard=NOW, running=None, leaving=True)
    ),
    "another one of its name begins anew": Word(
        {"uid": "other"}, replace(NEW, uid="other", running=NOW, ran=NOW), STOPPED
    ),
    "one on another node begins anew": Word(
        {"node": "node-2"}, replace(NEW, member="node-2", running=NOW, ran=NOW), STOPPED
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS.values(), ids=WORDS)
def test_a_word_of_a_pod(case: Word) -> None:
    assert told(case.before, asked=case.asked, **case.given) == case.after


def named(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


OURS, KUBECTL = "servicegroup.dev/container", "kubectl.kubernetes.io/default-container"
MAIN: dict[str, tuple[Mapping[str, str], Sequence[str], list[str]]] = {
    "the first": ({}, ("nova-compute", "logs"), ["nova-compute"]),
    "the first that is not the agent": ({}, ("servicegroup-agent", "nova-compute"), ["nova-compute"]),
    "the one that kubectl takes": ({KUBECTL: "nova-compute"}, ("proxy", "nova-compute"), ["nova-compute"]),
    "the one that is named": ({KUBECTL: "proxy", OURS: "nova-compute"}, ("proxy", "nova-compute"), ["nova-compute"]),
    "several that are named": ({OURS: "b, a"}, ("a", "b", "c"), ["a", "b"]),
    "the first where a name is wrong": ({OURS: "typo"}, ("a", "b"), ["a"]),
}


@pytest.mark.parametrize("case", MAIN.values(), ids=MAIN)
def test_which_container_is_the_main_one(case: tuple[Mapping[str, str], Sequence[str], list[str]]) -> None:
    annotations, containers, main = case

    assert main_containers(annotations, {"containers": named(*containers)}) == main


def test_all_containers_that_are_named_must_run() -> None:
    both = body()
    both["metadata"]["annotations"] = {OURS: "main,ssh"}
    both["spec"]["containers"] = named("main", "ssh")
    after = follow(None, both, now=NOW, policy=POLICY)

    assert after is not None
    assert after.ran is None


LEAVING = replace(BEFORE, uid="old", running=None, leaving=True)

TOGETHER = {
    "one that runs": ([BEFORE], Service(expected=50.0, ran=60.0)),
    "one that is being deleted": ([LEAVING], Service(leaving=True)),
    "one that is being deleted beside a new one": (
        [LEAVING, replace(STOPPED, running=None)],
        Service(stopped=80.0),
    ),
    "one that runs beside one that does not": ([STOPPED, BEFORE], Service(expected=50.0, ran=60.0)),
    "two that do not run, one of them not confirmed": (
        [replace(STOPPED, stopped=70.0, confirmed=95.0), STOPPED],
        Service(expected=50.0, stopped=80.0),
    ),
    "two that do not run": (
        [replace(STOPPED, confirmed=95.0), replace(STOPPED, running=40.0, stopped=70.0, confirmed=90.0)],
        Service(expected=40.0, stopped=80.0, confirmed=90.0),
    ),
}


@pytest.mark.parametrize("case", TOGETHER.values(), ids=TOGETHER)
def test_the_pods_of_a_node_together(case: tuple[Sequence[Pod], Service]) -> None:
    pods, service = case

    assert services(pods) == {"node-1": service}


def test_who_is_due_and_of_whom_nobody_can_tell() -> None:
    known = {"due": Service(expected=39.9), "young": Service(expected=40.0), "leaving": Service(leaving=True)}
    full, untold = Duty(known), Duty(known, told=False)

    assert full.due(POLICY, now=NOW) == untold.due(POLICY, now=NOW) == {"due"}
    assert full.awaited(["due", "young", "leaving", "stranger"]) == {"due", "young"}
    assert untold.awaited(["due", "young", "leaving", "stranger"]) == {"due", "young", "stranger"}
    assert (full.of("stranger"), untold.of("stranger")) == (NO_POD, None)
