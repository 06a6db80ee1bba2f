"""How late the beat of a living agent may be through no fault of its own: what each pass met comes in, seconds go out.

Pure. The essay of `observation` says what follows from it.
"""

from dataclasses import dataclass, field, replace

from servicegroup.model import Policy


@dataclass(frozen=True, slots=True)
class Span:
    """What the passes since `begun` met: the slowest write, and for how long the observer was kept from looking."""

    begun: float = float("-inf")
    slowest: float = 0.0
    absent: float = 0.0


@dataclass(frozen=True, slots=True)
class Lateness:
    """Two spans of T, the one that runs and the one before: what a pass met counts for T, and for 2T at most."""

    running: Span = field(default_factory=Span)
    before: Span = field(default_factory=Span)

    def seconds(self, policy: Policy) -> float:
        """By how much longer than T the silence of one who is called dead must be."""
        slowest = max(self.running.slowest, self.before.slowest)
        return min(slowest + self.running.absent + self.before.absent, policy.longest_lateness)


def met(known: Lateness, *, write: float, absent: float, policy: Policy, now: float) -> Lateness:
    """After a pass in which a write took so long, and the observer was absent for so long."""
    if now - known.running.begun >= 2 * policy.down_time:
        known = Lateness(Span(now))
    elif now - known.running.begun >= policy.down_time:
        known = Lateness(Span(now), known.running)
    running = known.running
    counted = absent if absent > policy.pass_seconds else 0.0
    after = replace(running, slowest=max(running.slowest, write), absent=running.absent + counted)
    return replace(known, running=after)


def worst(one: Lateness, other: Lateness) -> Lateness:
    """Of two stores where a member may beat."""
    return Lateness(_worst(one.running, other.running), _worst(one.before, other.before))


def _worst(one: Span, other: Span) -> Span:
    return Span(max(one.begun, other.begun), max(one.slowest, other.slowest), max(one.absent, other.absent))
