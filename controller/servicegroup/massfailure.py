"""The brake on mass failures (rule 6): how many are silent at once goes in, whether Down waits comes out. Pure.

A rack that loses power looks like this, and so does a switch, a firewall's new rule or an agent's bad release: many
hosts live on, and nobody hears them. Sixty dead of a hundred can wait for a person; sixty evacuated that live can not.

* The count is taken in healthy passes, of members whose last definite verdict is Up. Silent among them is whoever has
  not beaten for longer than C, or T - I where that is less: the brake trips before the first of them reaches T. Who has
  left, is forced down, or whose pod is being deleted is in neither number. An outage counts nobody: nothing is read in
  it, and for as long after it nobody can have been heard; until then the brake stays what it was.
* The brake is on while more than the threshold's share is silent, and at least so many, of the group or of all groups
  of its store together, and for T after that. One group is no store: what its owner set holds for it.
* A hold begins with the first whom the brake keeps from Down and ends after `longest_hold` seconds, or when it is
  released; it is never extended. It catches a member once in a silence, who is judged without a brake then. After a
  release the brake catches nobody until it was off. Who was never seen to beat is not caught at all.
* Who is Down already, for an illness, and falls silent with the others keeps that reason under the brake: it too would
  be evacuated for silence.
* Recovery is never slowed: a fresh beat is Up.
* While an announced hold is in force the brake counts, and catches nobody: it is not to be spent on planned work.

A hold that is read back from what was published keeps the brake on for T: the next observer must count first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from servicegroup.announcement import Announcement, heard
from servicegroup.liveness import Brake, Judgement, Moment
from servicegroup.model import NO_OVERRIDE, GroupSpec, MassFailure, Override, Policy, Verdict
from servicegroup.observation import Observation
from servicegroup.pods import Duty


@dataclass(frozen=True, slots=True)
class Count:
    """Members that are silent, of those whose last definite verdict is Up."""

    silent: int = 0
    of: int = 0

    def above(self, rule: MassFailure) -> bool:
        return self.silent >= rule.members and self.silent * 100 > self.of * rule.percent


@dataclass(frozen=True, slots=True)
class Hold:
    """`since` and `ends` are times of day, to be shown; `until` is the observer's time of its end, by which it ends."""

    since: float
    ends: float
    until: float
    released: bool = False


@dataclass(frozen=True, slots=True)
class Braking:
    """What one observer remembers of a group's brake: the last count, when it was last above, the hold if any, and the
    hold that was announced.
    """

    count: Count = field(default_factory=Count)
    above: float = float("-inf")
    on: bool = False
    hold: Hold | None = None
    announcement: Announcement | None = None

    def announced(self, *, now: float) -> Announcement | None:
        """The one that is in force."""
        one = self.announcement
        return None if one is None or not one.in_force(now=now) else one

    def holding(self, *, now: float) -> Hold | None:
        """The hold that is in force."""
        hold = self.hold
        return None if hold is None or hold.released or hold.until <= now else hold

    def brake(self, *, now: float) -> Brake:
        announced = self.announced(now=now) is not None
        if not self.on or (self.hold is not None and self.hold.released):
            return Brake(announced=announced)
        return Brake(catches=not announced, holds=self.holding(now=now) is not None, announced=announced)


def resumed(hold: Hold, *, now: float) -> Braking:
    """Where an observer begins that reads a hold back."""
    return Braking(above=now, on=True, hold=hold) if hold.until > now else Braking()


def count(
    judged: Mapping[str, Judgement],
    observations: Mapping[str, Observation],
    *,
    policy: Policy,
    overrides: Mapping[str, Override],
    duty: Duty,
    now: float,
) -> Count:
    silent = of = 0
    for member, said in judged.items():
        if said.definite is not Verdict.UP or overrides.get(member, NO_OVERRIDE).forced_down:
            continue
        service = duty.of(member)
        if service is not None and service.leaving:
            continue
        of += 1
        seen = observations.get(member)
        silent += seen is not None and seen.silent_for(now=now) > early(policy.stretched(seen.interval))
    return Count(silent, of)


def early(policy: Policy) -> float:
    """Seconds of silence that count: before T, so that the brake is on when the first would become Down."""
    return min(policy.sight, policy.down_time - policy.interval)


def told(before: Braking, spec: GroupSpec, *, now: float, wall: float) -> Braking:
    """With what a person announced, in any pass."""
    announcement = heard(before.announcement, spec.announced, now=now, wall=wall)
    return before if announcement is before.announcement else replace(before, announcement=announcement)


def counts(policy: Policy, *, now: float, store_back: float) -> bool:
    """Whether who lives had time to beat since the store is back."""
    return now - store_back > early(policy)


def braked(before: Braking, found: Count | None, *, spec: GroupSpec, store_above: bool, now: float) -> Braking:
    """After the count of a healthy pass, before anyone is judged in it; None where there was no time to count."""
    if found is None:  # nor is there anything that all groups of the store together could go by
        return _released(replace(before, count=Count()), before.hold, spec=spec)
    above = now if store_above or found.above(spec.mass_failure) else before.above
    on = now - above <= spec.policy.down_time
    after = replace(before, count=found, above=above, on=on)
    return _released(after, before.hold if on else None, spec=spec)


def _released(before: Braking, hold: Hold | None, *, spec: GroupSpec) -> Braking:
    if hold is not None and spec.released is not None and int(hold.since) == int(spec.released):
        hold = replace(hold, released=True)
    return replace(before, hold=hold)


def settled(
    before: Braking,
    earlier: Mapping[str, Judgement],
    judged: Mapping[str, Judgement],
    *,
    spec: GroupSpec,
    moment: Moment,
) -> Braking:
    """After the verdicts of a pass: a hold begins with the first who is caught, and is over with the last."""
    hold = before.hold
    held = [member for member, said in judged.items() if said.held]
    if not held:
        return before if hold is None or hold.released else replace(before, hold=None)
    if hold is not None and moment.now < hold.until:
        return before
    # Who is ill stays caught while nobody may judge: that is no beginning.
    if all(member in earlier and earlier[member].held for member in held):
        return before
    longest = spec.mass_failure.longest_hold
    return replace(before, hold=Hold(moment.wall, moment.wall + longest, moment.now + longest))


def of_store(counts: Iterable[Count], *, rule: MassFailure) -> bool:
    """Whether too many are silent in all groups of a store together."""
    several = [one for one in counts if one.of]
    if len(several) < 2:  # noqa: PLR2004 - two groups make a store
        return False
    return Count(sum(one.silent for one in several), sum(one.of for one in several)).above(rule)
