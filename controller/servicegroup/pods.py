"""Which pods ought to beat, and whether their main containers run: pods as the API server tells them come in. Pure.

A pod belongs to the group of its label, in its own namespace, and its node is the member. It ought to beat while it
runs: not before it is scheduled and started, not when it is being deleted, not after it has ended.

A word of the API server's is news and no evidence: a watch may have stalled just when a container restarted, and who
believed it minutes later would call a living service dead. So a container that does not run counts only once the API
server, asked again, still says so (`confirmed`).

A container may also have run for minutes while nobody told of it, and have stopped again: between two words, the number
of its runs that ended and the length of the last one (two times of the same node's) show that.

Two times say how a service fares. `stopped` is since when it has not run; a spell of running that is shorter than C
does not end it, so that a container that crashes again and again is not up in between. `ran` is since when it runs now.
All times are the observer's; no clock of a node is compared with its.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from servicegroup.model import GroupKey, InvalidName, Policy, check_member

LABEL = "servicegroup.dev/group"

MAIN = ("servicegroup.dev/container", "kubectl.kubernetes.io/default-container")
"""Annotations that name the main container, the first that there is; else it is the first container of the pod. Not all
of them: what ships logs beside a service may crash without harm to it.
"""

AGENT = "servicegroup-agent"
"""The agent's container, in a pod to which it was added as a plain container."""

ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is on a node and has not ended.

    `uid` is which pod of its name; `heard` when the API server last told of it; `running` since when it runs as a whole
    (None: it does not, or is being deleted: `leaving`); `ended` how many runs of its main containers have ended; the
    rest as in `Service`.
    """

    key: GroupKey
    member: str
    uid: str
    heard: float
    leaving: bool = False
    running: float | None = None
    ran: float | None = None
    stopped: float | None = None
    confirmed: float | None = None
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A member's pods together, as far as they are not being deleted; `leaving`: all of them are.

    `expected` is since when one of them runs and ought to beat; `ran` since when a main container runs, `stopped` since
    when none does, `confirmed` when the API server last said so on being asked.
    """

    leaving: bool = False
    expected: float | None = None
    ran: float | None = None
    stopped: float | None = None
    confirmed: float | None = None


NO_POD = Service()


@dataclass(frozen=True, slots=True)
class Duty:
    """What is known of the pods of one group, by member. Until all of them were `told`, one that is not among them says
    nothing; it is never when the API server `refused` to tell.
    """

    services: Mapping[str, Service] = field(default_factory=dict)
    told: bool = True
    refused: bool = False

    def of(self, member: str) -> Service | None:
        """None: nothing is known of it."""
        return self.services.get(member, NO_POD if self.told else None)

    def due(self, policy: Policy, *, now: float) -> set[str]:
        """Who ought to have beaten by now: their pods have run for T."""
        return {
            member
            for member, service in self.services.items()
            if service.expected is not None and now - service.expected > policy.down_time
        }

    def awaited(self, members: Collection[str]) -> set[str]:
        """Of these members those who ought to beat, however long already, or of whom nobody can tell yet."""
        if not self.told:
            return set(members) - {m for m, service in self.services.items() if service.expected is None}
        return {m for m in members if self.services.get(m, NO_POD).expected is not None}


UNTOLD = Duty(told=False)


def follow(
    before: Pod | None, body: Mapping[str, Any], *, now: float, policy: Policy, asked: float | None = None
) -> Pod | None:
    """The pod after one more word of it; None when it does not count. `asked` is when the API server was asked for it;
    of a watch's event nobody can tell how old it is.
    """
    metadata, spec, status = _part(body, "metadata"), _part(body, "spec"), _part(body, "status")
    name, node = _part(metadata, "labels").get(LABEL), spec.get("nodeName")
    if not name or not node or status.get("phase") in ENDED:
        return None
    try:
        key, member = GroupKey(str(metadata.get("namespace") or "default"), str(name)), check_member(str(node))
    except InvalidName:
        return None
    uid = str(metadata.get("uid", ""))
    if before is None or (before.uid, before.member, before.key) != (uid, member, key):
        before = Pod(key, member, uid, now)
    leaving = metadata.get("deletionTimestamp") is not None
    runs = status.get("phase") == "Running" and not leaving
    main = _main(metadata, spec, status)
    ran, stopped = _spells(before, main, now=now, policy=policy)
    return Pod(
        key=key,
        member=member,
        uid=uid,
        heard=now,
        leaving=leaving,
        running=(now if before.running is None else before.running) if runs else None,
        ran=ran,
        stopped=stopped,
        confirmed=None if ran is not None else before.confirmed if asked is None else asked,
        ended=main.ended,
    )


@dataclass(frozen=True, slots=True)
class _Main:
    """The main containers by one word: whether all run, how many runs of theirs have ended, and how many seconds the
    last one of those took, None when that is not told.
    """

    running: bool
    ended: int
    last_run: float | None


def _spells(before: Pod, main: _Main, *, now: float, policy: Policy) -> tuple[float | None, float | None]:
    """`ran` and `stopped` afterwards; `stopped` is kept through a spell of running, until that has lasted C."""
    stopped = None if _recovered(before, main, now=now, policy=policy) else before.stopped
    if main.running:
        same = before.ran is not None and main.ended == before.ended
        return before.ran if same else now, stopped
    return None, now if stopped is None else stopped


def _recovered(before: Pod, main: _Main, *, now: float, policy: Policy) -> bool:
    """Whether it ran for C since it had stopped; also where that is possible, and nobody can tell."""
    ended = main.ended - before.ended
    length = None if before.ran is None else now - before.ran
    if ended == 0:
        return length is not None and length >= policy.sight
    if ended == 1 and main.last_run is not None:
        length = main.last_run
    return ended != 1 or length is None or length >= policy.sight


def _main(metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]) -> _Main:
    names = main_containers(_part(metadata, "annotations"), spec)
    found = {one.get("name"): one for one in _parts(status, "containerStatuses")}
    told = [found[name] for name in names if name in found]
    states = [_part(one, "state") for one in told]
    ends = [
        _part(state, "terminated") or _part(_part(one, "lastState"), "terminated")
        for one, state in zip(told, states, strict=True)
    ]
    ended = [
        int(one.get("restartCount") or 0) + ("running" not in state and bool(end or one.get("containerID")))
        for one, state, end in zip(told, states, ends, strict=True)
    ]
    lengths = [_length(end) for end in ends if end]
    return _Main(
        running=len(told) == len(names) and all("running" in state for state in states),
        ended=sum(ended),
        last_run=None if not lengths or None in lengths else max(one for one in lengths if one is not None),
    )


def _length(ended: Mapping[str, Any]) -> float | None:
    try:
        begin, end = (datetime.fromisoformat(str(ended.get(one))) for one in ("startedAt", "finishedAt"))
        return (end - begin).total_seconds()
    except (TypeError, ValueError):  # TypeError: one with a time zone and one without
        return None


def main_containers(annotations: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str]:
    """Of the containers that the pod has those that its annotations name, else the first."""
    there = [str(one.get("name")) for one in _parts(spec, "containers") if one.get("name") != AGENT]
    for annotation in MAIN:
        named = [name.strip() for name in str(annotations.get(annotation) or "").split(",")]
        if found := [name for name in there if name in named]:
            return found
    return there[:1]


def services(pods: Iterable[Pod]) -> dict[str, Service]:
    """By member. Of several pods on one node, as in a rolling update, one whose main container runs is enough."""
    by_member: dict[str, list[Pod]] = {}
    for pod in pods:
        by_member.setdefault(pod.member, []).append(pod)
    return {member: _together(found) for member, found in by_member.items()}


def _together(pods: list[Pod]) -> Service:
    staying = [pod for pod in pods if not pod.leaving]
    if not staying:
        return Service(leaving=True)
    expected = min((pod.running for pod in staying if pod.running is not None), default=None)
    running = [pod.ran for pod in staying if pod.ran is not None]
    if running:
        return Service(expected=expected, ran=min(running))
    confirmed = [pod.confirmed for pod in staying]
    return Service(
        expected=expected,
        stopped=max((pod.stopped for pod in staying if pod.stopped is not None), default=None),
        confirmed=None if None in confirmed else min(one for one in confirmed if one is not None),
    )


def _part(value: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = value.get(field)
    return found if isinstance(found, Mapping) else {}


def _parts(value: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    found = value.get(field)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []
