"""The conditions of a group: what was seen of its members and its store comes in, Kubernetes conditions go out. Pure.

A dead hypervisor never makes `Ready` false: Helm and Flux wait for `Ready` (design, section 5).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from servicegroup.model import MinAvailable

NAMES_SHOWN = 10
LONGEST_MESSAGE = 1024
"""Characters, as in the resource's schema."""

SHORTEST_SHOWN = 0.1
"""Seconds; less is no news to anybody."""

OLD_STORE_UNREAD = "OldStoreUnread"
"""Nobody has read the store that a group was judged by since it left it. The next operator goes by this reason."""


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class StoreSight:
    """What the last passes say of the store: `failing` is the error of the last pass, after more than one failed;
    `slow` and `evicting` are warnings of a store that serves; `writing` and `reading` are the slowest canary and read
    of the last minute, in seconds.
    """

    failing: str | None = None
    read_once: bool = False
    slow: bool = False
    writing: float = 0.0
    reading: float = 0.0
    evicting: bool = False


class RosterSight(Protocol):
    """Whether the API server told of all pods, or why it refuses to."""

    @property
    def told(self) -> bool: ...
    @property
    def refused(self) -> str | None: ...


def available(
    *,
    up: int,
    unknown: int,
    total: int,
    needed: MinAvailable,
    blind: bool,
    read_once: bool,
    held: int = 0,
    announced: int = 0,
) -> Condition:
    required = needed.of(total)
    if blind or not read_once:
        return Condition("Available", "Unknown", "StoreUnreachable" if blind else "Starting", "the store is not read")
    if total == 0:
        return Condition("Available", "False", "NoMembers", "no member has joined and none is expected")
    if up >= required:
        return Condition("Available", "True", "EnoughUp", f"{up} of {total} members are up, {required} are needed")
    if up + unknown >= required:
        reason, what = "MembersUnknown", f"{unknown} cannot be judged"
        if held or announced:
            reason = "MassFailure" if held else "HoldAnnounced"
            what = f"{held} are held after a mass failure" if held else f"{announced} are held as was announced"
        message = f"{up} of {total} members are up, {what}, {required} are needed"
        return Condition("Available", "Unknown", reason, message)
    return Condition("Available", "False", "TooFewUp", f"{up} of {total} members are up, {required} are needed")


def shown(seconds: float) -> str:
    """Rounded up to 1, 2 or 5 of a power of ten: a figure that changed with each look would be a write with each."""
    if seconds <= SHORTEST_SHOWN:
        return f"{SHORTEST_SHOWN:g} s"
    power = 10.0 ** math.floor(math.log10(seconds))
    return f"{next(step * power for step in (1, 2, 5, 10) if seconds <= step * power):g} s"


def ready(
    *, blind_for: float, down_time: float, interval: float, lateness: float = 0.0, absent: float = 0.0
) -> Condition:
    """`lateness` is by how much longer than the down time who is called Down is silent, `absent` for how long the
    operator was kept from looking; both in seconds.
    """
    if blind_for > 2 * down_time:
        message = (
            f"for more than {2 * down_time:.0f} s no death could have been found: the store, or the operator, never "
            "lasts long enough; see StoreReachable, the operator's restarts and whether it lacks CPU"
        )
        return Condition("Ready", "False", "NotWatching", message)
    if absent > interval / 4:
        message = (
            f"the operator was kept from looking for up to {shown(absent)} at a time: give it more CPU; "
            f"deaths are found up to {shown(lateness)} later than after the down time"
        )
        return Condition("Ready", "True", "Late", message)
    if lateness > interval / 4:
        message = f"deaths are found up to {shown(lateness)} later than after the down time; see StoreReachable"
        return Condition("Ready", "True", "Late", message)
    return Condition("Ready", "True", "Evaluating", "the group is being evaluated")


def store_reachable(sight: StoreSight) -> Condition:
    if sight.failing is not None:
        return Condition("StoreReachable", "False", "StoreUnavailable", sight.failing)
    if not sight.read_once:
        return Condition("StoreReachable", "Unknown", "Starting", "the store was not read yet")
    if sight.evicting:
        message = "the store evicts items to make room: give it more memory (-m), and run it for beats alone with -M"
        return Condition("StoreReachable", "True", "Evicting", message)
    if sight.slow:
        message = (
            f"a look at the store takes more than a quarter of the interval (a write up to {shown(sight.writing)}, "
            f"reading all members up to {shown(sight.reading)}): look for what slows it down, or set "
            "maxBeatsPerSecond; a look that takes twice as long sees no deaths"
        )
        return Condition("StoreReachable", "True", "Slow", message)
    return Condition("StoreReachable", "True", "Answering", "the store takes and gives back what is written")


def stalled(problem: str | None, *, reason: str = "InvalidSpec") -> Condition:
    if problem is None:
        return Condition("Stalled", "False", "SpecAccepted", "nothing needs a change of the spec")
    return Condition("Stalled", "True", reason, problem)


@dataclass(frozen=True, slots=True)
class AnnouncedHold:
    """As a person announced it, in the status's times; `members` are silent and would be Down without it."""

    since: str
    until: str
    why: str
    members: int


def held(
    members: int, *, until: str | None, announced: AnnouncedHold | None = None, unheard: str | None = None
) -> Condition:
    """`unheard` is what is wrong with an announcement that is none."""
    messages, reason = [] if unheard is None else [f"ignored: {unheard}"], "MassFailure"
    if announced is not None:
        reason = "Announced"
        messages.append(
            f"announced at {announced.since} until {announced.until} ({announced.why or 'no reason given'}): nobody "
            f"becomes Down for silence, {announced.members} are held as Unknown; it ends by servicegroup release"
        )
    if until is not None:
        messages.append(
            f"{members} fell silent together with most others and are held as Unknown until {until}: look for what "
            "they share (network, store address, agent release); if they are really gone, release them (servicegroup "
            "release)"
        )
    if announced is None and until is None:
        reason = "NoMassFailure" if unheard is None else "InvalidHold"
        messages.append("each member is judged by its own silence")
        return Condition("Held", "False", reason, "; ".join(messages))
    return Condition("Held", "True", reason, "; ".join(messages))


def duplicate(members: Iterable[str]) -> Condition:
    names = ", ".join(members)
    if not names:
        return Condition("DuplicateMember", "False", "OneAgentEach", "each member has one agent")
    message = f"two agents take these members from each other, let one run per node: {names}"
    return Condition("DuplicateMember", "True", "TwoAgents", message)


def roster_known(sight: RosterSight, *, before: Mapping[str, Any]) -> Condition:
    """A new operator lists the pods within seconds: what the one before it said stays until then."""
    if sight.refused is not None:
        message = (
            "who has a pod and never beat is not found, nor whose main container does not run: let the operator get, "
            f"list and watch pods (deploy/operator-role.yaml); {sight.refused}"
        )
        return Condition("RosterKnown", "False", "PodsForbidden", message)
    if sight.told:
        return Condition("RosterKnown", "True", "Watching", "the pods that ought to beat are known")
    for item in before.get("conditions") or ():
        if item.get("type") == "RosterKnown":
            return Condition("RosterKnown", *(str(item.get(one, "")) for one in ("status", "reason", "message")))
    return Condition("RosterKnown", "Unknown", "Starting", "the pods were not listed yet")


def moving(
    *, stores: Sequence[str], alone: Sequence[str], unread: Sequence[str], unrecorded: Sequence[str] = ()
) -> Condition:
    if not stores:
        return Condition("Moving", "False", "Settled", "the members beat in the group's own store")
    old = ", ".join(stores)
    if missing := ", ".join(sorted({*unread, *unrecorded})):
        message = (
            f"store {missing}, which the group was moved from, is not read: who may beat there is not called "
            "Down; if it is gone for good, take it out of the operator's stores"
        )
        return Condition("Moving", "True", OLD_STORE_UNREAD if unrecorded else "OldStoreUnreachable", message)
    if not alone:
        return Condition("Moving", "True", "Arriving", f"nobody beats in store {old} alone; it is watched for a while")
    names = ", ".join(alone[:NAMES_SHOWN]) + (
        f", ... (+{len(alone) - NAMES_SHOWN})" if len(alone) > NAMES_SHOWN else ""
    )
    beating = "1 member beats" if len(alone) == 1 else f"{len(alone)} members beat"
    message = f"{beating} in store {old} still, give each agent the new one: {names}"
    return Condition("Moving", "True", "MembersElsewhere", message)


def render(
    conditions: Iterable[Condition], *, before: Mapping[str, Any], generation: int, now: str
) -> list[dict[str, Any]]:
    """As metav1.Condition; the transition time of one whose status is as `before` is kept."""
    earlier = {item.get("type"): item for item in before.get("conditions") or ()}
    return [_rendered(condition, earlier.get(condition.type), generation, now) for condition in conditions]


def _rendered(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: str) -> dict[str, Any]:
    since = (
        before.get("lastTransitionTime") if before is not None and before.get("status") == condition.status else None
    )
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:LONGEST_MESSAGE],
        "lastTransitionTime": since or now,
        "observedGeneration": generation,
    }
