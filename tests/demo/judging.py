"""The demo's own judgement: evidence comes in, findings go out. Pure.

It believes the decisions' times and figures, not a stopwatch of its own, which would count what this machine does
beside; and it compares them with when the demo did what it did.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.demo.evidence import Decision, Said, Sighting
from tests.demo.steps import AT_ONCE, DOWN_TIME, INTERVAL, PASS, PUBLISHED, SIGHT, Finding

LATEST = float(INTERVAL)
"""Seconds by which a pass may be late on a busy machine, at most: later, and it is the operator that is slow."""

WRITE = 1.0
"""Seconds by which an agent's write may have been late before it died."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How late the operator may be: the longest pause between two of its passes that a reader saw, in seconds, and,
    when it was started meanwhile, the time of its first pass.
    """

    slowest: float
    started: float | None = None

    @property
    def allowed(self) -> float:
        return PASS + min(LATEST, self.slowest)


def verdict(said: Said | None) -> str | None:
    return None if said is None else said.verdict


def of(decisions: Iterable[Decision], member: str, *, after: float) -> list[Decision]:
    return [decision for decision in decisions if decision.member == member and decision.time >= after]


def became(decisions: Iterable[Decision], member: str, wanted: str | None, *, after: float) -> Decision | None:
    """The first decision since that time that made the member so; None stands for gone."""
    found = (decision for decision in of(decisions, member, after=after) if verdict(decision.after) == wanted)
    return next(found, None)


def silent_deaths(decisions: Sequence[Decision], members: Sequence[str], *, at: float, pace: Pace) -> Finding:
    """Whether each of them, stopped at that time, became Down by silence: not before T, and a pass after it."""
    found = {member: became(decisions, member, "Down", after=at) for member in members}
    dead = [decision for decision in found.values() if decision is not None]
    if len(dead) < len(members):
        missing = ", ".join(member for member, decision in found.items() if decision is None)
        return Finding(False, f"not Down: {missing}")
    silences = [decision.silent_for or 0.0 for decision in dead]
    limit = max(_limit(decision, pace=pace) for decision in dead)
    shown = f"Down, silent for {_seconds(silences)} ({DOWN_TIME}.00 to {limit:.2f} allowed)"
    passed = all(_died_in_time(decision, at=at, pace=pace) for decision in dead)
    if not all(decision.watched for decision in dead):
        shown += ", not watched"
    return Finding(passed, shown, max(decision.time for decision in dead) - at)


def _died_in_time(decision: Decision, *, at: float, pace: Pace) -> bool:
    silent, reason = decision.silent_for, "" if decision.after is None else decision.after.reason
    # Its last beat was at most an interval old when it was stopped: true whatever the operator says of the silence.
    early = decision.time - at < DOWN_TIME - INTERVAL - WRITE
    in_time = silent is not None and DOWN_TIME < silent <= _limit(decision, pace=pace)
    return in_time and decision.watched and reason == "Silent" and not early


def _limit(decision: Decision, *, pace: Pace) -> float:
    """Seconds of silence at the decision, at most: T, or C after the operator's start where that is later."""
    last_beat = decision.time - (decision.silent_for or 0.0)
    sight = 0.0 if pace.started is None else pace.started + SIGHT - last_beat
    return max(float(DOWN_TIME), sight) + pace.allowed


def departure(decisions: Sequence[Decision], member: str, *, at: float) -> Finding:
    gone = became(decisions, member, None, after=at)
    if gone is None:
        return Finding(False, f"{member} is still in the group")
    took = gone.time - at
    between = [verdict(decision.after) for decision in of(decisions, member, after=at) if decision is not gone]
    return Finding(took <= AT_ONCE and not between, f"gone after {took:.2f} s", took)


def at_once(
    decisions: Sequence[Decision], member: str, wanted: str, *, reason: str, at: float, told: float | None = None
) -> Finding:
    """Whether it changed its verdict to the wanted one for that reason, without any waiting.

    What was done began at `at`; where it took its time, `told` is when it ended, and the waiting counts from there.
    """
    found = became(decisions, member, wanted, after=at)
    if found is None or found.after is None:
        return Finding(False, f"{member} has not become {wanted}")
    took = max(0.0, found.time - (at if told is None else told))
    passed = took <= AT_ONCE and found.after.reason == reason and verdict(found.before) != wanted
    return Finding(passed, f"{wanted}, {found.after.reason}, after {took:.2f} s", took)


def comeback(decisions: Sequence[Decision], member: str, *, still: str, at: float, pace: Pace) -> Finding:
    """Whether the one came back by a beat that was read at once, and the other one of the dead did not."""
    found = became(decisions, member, "Up", after=at)
    if found is None or verdict(found.before) != "Down":
        return Finding(False, f"{member} has not come back from Down")
    age = found.silent_for or 0.0
    last = next((decision for decision in reversed(decisions) if decision.member == still), None)
    dead = last is not None and verdict(last.after) == "Down"
    shown = f"Up {age:.2f} s after its first beat; {still} {'Down still' if dead else 'not Down'}"
    return Finding(age <= pace.allowed and dead, shown, found.time - at)


def undisturbed(decisions: Sequence[Decision], members: Collection[str], *, since: float) -> Finding:
    """Whether nothing at all was decided of them from then on, when all were Up."""
    moved = [decision for decision in decisions if decision.member in members and decision.time >= since]
    if not moved:
        return Finding(True, f"all {len(members)}: no decision about any of them")
    first = moved[0]
    return Finding(False, f"{first.member} became {verdict(first.after) or 'no member'}, {len(moved)} decisions in all")


def unshaken(
    seen: Sequence[Sighting],
    decisions: Sequence[Decision],
    members: Collection[str],
    *,
    at: float,
    read_down: Collection[str],
) -> Finding:
    """Whether everything published from that time on showed them Up, and nothing was decided of them.

    `read_down` is everyone that a reader of the store was told Down in that time.
    """
    shown = [one for one in seen if one.arrived >= at]
    not_up = {member for one in shown for member in members if verdict(one.members.get(member)) != "Up"}
    shaken = sorted(not_up.union(member for member in members if member in read_down))
    if shaken or not shown:
        return Finding(False, f"not Up: {', '.join(shaken)}" if shaken else "nothing was published")
    calm = undisturbed(decisions, members, since=at)
    told = f"{len(members)} alive: Up in whatever was published, no decision about any"
    return Finding(True, told) if calm.passed else calm


def remembered(before: Mapping[str, Said], seen: Sequence[Sighting], members: Collection[str], *, at: float) -> Finding:
    """Whether everything published from that time on said of the dead what was said before, to the second."""
    alive = [member for member in members if verdict(before.get(member)) != "Down"]
    shown = [one for one in seen if one.arrived >= at]
    changed = sorted({m for one in shown for m in members if one.members.get(m) != before.get(m)})
    if alive or changed or not shown:
        return Finding(
            False, f"not as before, or not Down: {', '.join(sorted({*alive, *changed})) or 'nothing published'}"
        )
    return Finding(True, ", ".join(f"{member} Down since {before[member].since[11:19]}" for member in members))


def publication(decisions: Sequence[Decision], seen: Sequence[Sighting]) -> Finding:
    """How long it took from each decision until the status that arrived here said so."""
    lags = [(_lag(decision, decisions, seen), decision.member) for decision in decisions]
    lost = sorted({member for lag, member in lags if lag is None})
    if not lags or lost:
        return Finding(False, f"not published: {', '.join(lost) or 'anything'}")
    slowest, member = max((lag or 0.0, member) for lag, member in lags)
    return Finding(
        slowest <= PUBLISHED, f"{len(lags)} decisions, the slowest ({member}) after {slowest:.2f} s", slowest
    )


def _lag(decision: Decision, decisions: Sequence[Decision], seen: Sequence[Sighting]) -> float | None:
    """Until the status held that decision, or a later one of the same member: it is written once a second at most."""
    mine = [d for d in decisions if (d.group, d.member) == (decision.group, decision.member)]
    for one in seen:
        made = (d for d in mine if decision.time <= d.time <= one.arrived)
        if one.group == decision.group and any(_shows(one, d) for d in made):
            return one.arrived - decision.time
    return None


def _shows(seen: Sighting, decision: Decision) -> bool:
    said, wanted = seen.members.get(decision.member), decision.after
    if said is None or wanted is None:
        return said is wanted
    return (said.verdict, said.reason) == (wanted.verdict, wanted.reason)


def _seconds(values: Iterable[float]) -> str:
    return " and ".join(f"{value:.2f} s" for value in values)
