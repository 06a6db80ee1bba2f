"""What was said of members against what became of them: lives, breaks of sight and verdicts in, figures out. Pure.

Every time is in seconds of the harness's own monotonic clock, at which it did or read something.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

UP, DOWN, UNKNOWN = "Up", "Down", "Unknown"
BY_BEATS = ("Silent", "MassFailure", "Beating", "NotWatching", "StoreUnreachable")
"""Reasons that the beats alone decide; an administrator's word and a service's health are judged by their scenario."""

STORE, OBSERVER = "store", "observer"


@dataclass(frozen=True, slots=True)
class Span:
    start: float
    end: float = math.inf

    def holds(self, at: float) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Break:
    """A time in which the verdict could not be renewed: the store did not serve, or the observer did not look."""

    what: str
    span: Span


@dataclass(frozen=True, slots=True)
class Said:
    """`verdict` is None of who is no member any more."""

    at: float
    member: str
    verdict: str | None
    reason: str = ""


@dataclass(slots=True)
class Life:
    """Of one member: in `silences` it could not beat, being dead, stopped or cut off; the last may have no end. Some of
    them began as it left, at one of `leaves`; `left` is when it did for good.
    """

    member: str
    silences: list[Span] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)
    left: float = math.inf

    def silence(self, at: float) -> Span | None:
        return next((span for span in self.silences if span.holds(at)), None)


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval` and `down_time` are I and T; `grace` is what the machine may add to anything, `held` how long a hold
    may last where most die at once; all in seconds.
    """

    interval: float
    down_time: float
    grace: float
    held: float = 0.0

    @property
    def sight(self) -> float:
        return 2.5 * self.interval


@dataclass(frozen=True, slots=True)
class Figures:
    """`waits` are seconds from a death to Down, `late` those of them after the moment at which it was due. `unknown` is
    how long living members were Unknown, in seconds of all together, `beyond` how much of that no rule excuses;
    `unlooked` for how many seconds nobody looked and nothing that was done explains it.
    """

    members: int
    deaths: int
    false_downs: tuple[str, ...]
    missed: tuple[str, ...]
    risen: tuple[str, ...]
    unknown: float
    beyond: float
    unlooked: float
    waits: tuple[float, ...]
    late: tuple[float, ...]

    @property
    def sound(self) -> bool:
        return not (self.false_downs or self.missed or self.risen or self.beyond)


def figures(
    lives: Mapping[str, Life],
    said: Sequence[Said],
    breaks: Sequence[Break],
    *,
    pace: Pace,
    ended: float,
    gaps: Sequence[Break] = (),
) -> Figures:
    """`breaks` are what was done, `gaps` what was seen of it and of a machine that is too busy."""
    done, breaks = [Span(one.span.start, one.span.end + pace.grace) for one in breaks], [*breaks, *gaps]
    false = [f"{one.member} at {one.at:.1f}" for one in said if _false(one, lives[one.member], pace=pace)]
    missed, risen, waits, late = [], [], [], []
    unknown = beyond = 0.0
    deaths = 0
    for life in lives.values():
        mine = [one for one in said if one.member == life.member]
        if mine and mine[-1].verdict == DOWN and mine[-1].reason in BY_BEATS and not _may_be_down(life, ended, pace):
            false.append(f"{life.member} still at the end")
        for span in life.silences:
            due, found = due_at(span.start, breaks, pace=pace), found_at(mine, span, pace=pace)
            if span.start in life.leaves or (found is None and min(span.end, ended) < due + pace.grace):
                continue  # it left, beat again in time, or nobody had to know yet
            deaths += 1
            if found is None:
                missed.append(life.member)
                continue
            waits.append(found - span.start)
            late.append(max(0.0, found - due))
            if any(one.verdict == UP and found < one.at < span.end for one in mine):
                risen.append(life.member)
        allowed = [*_excused(breaks, pace=pace), *(Span(one.start, one.end + 2 * pace.interval + pace.grace)
                                                   for one in life.silences)]  # fmt: skip
        for span in spans(mine, UNKNOWN, ended=min(ended, life.left)):
            living = sum(part.end - part.start for part in _without(span, life.silences))
            unknown += living
            beyond += sum(part.end - part.start for part in _without(span, allowed))
    return Figures(
        members=len(lives),
        deaths=deaths,
        false_downs=tuple(false),
        missed=tuple(missed),
        risen=tuple(risen),
        unknown=unknown,
        beyond=beyond,
        unlooked=sum(part.end - part.start for one in gaps for part in _without(one.span, done)),
        waits=tuple(waits),
        late=tuple(late),
    )


def due_at(died: float, breaks: Iterable[Break], *, pace: Pace) -> float:
    """When a death is to be Down at the latest: T after it; T after a store that was away came back, C after an
    observer was (rules 3 and 4); and a hold after that, which begins with the first who would be Down (rule 6).
    """
    known = sorted(breaks, key=lambda one: one.span.end)
    due = _put_off(died + pace.down_time, known, pace=pace)
    return _put_off(due + pace.held, known, pace=pace) if pace.held else due


def _put_off(due: float, breaks: Iterable[Break], *, pace: Pace) -> float:
    for one in breaks:
        if one.span.start < due:
            due = max(due, one.span.end + (pace.down_time if one.what == STORE else pace.sight))
    return due


def found_at(mine: Iterable[Said], silence: Span, *, pace: Pace) -> float | None:
    """When who fell silent was first called Down for it."""
    early = silence.start + pace.down_time - pace.interval - pace.grace
    found = (one.at for one in mine if one.verdict == DOWN and early <= one.at <= silence.end + pace.grace)
    return next(found, None)


def _false(one: Said, life: Life, *, pace: Pace) -> bool:
    return one.verdict == DOWN and one.reason in BY_BEATS and not _may_be_down(life, one.at, pace)


def _may_be_down(life: Life, at: float, pace: Pace) -> bool:
    """Its last beat is at most I older than its silence; and who beats again is Up when that was read."""
    return any(
        span.start + pace.down_time - pace.interval - pace.grace <= at <= span.end + pace.interval + pace.grace
        for span in life.silences
    )


def _excused(breaks: Iterable[Break], *, pace: Pace) -> list[Span]:
    """From T after the last sight (a beat may have been I old in it) until the agents' next tries (rule 4). One break
    that begins before the living are back from another is one with it.
    """
    back = 2 * pace.interval + pace.grace
    blind: list[Span] = []
    for span in sorted((one.span for one in breaks), key=lambda span: span.start):
        if blind and span.start <= blind[-1].end + back:
            blind[-1] = Span(blind[-1].start, max(blind[-1].end, span.end))
        else:
            blind.append(span)
    return [
        Span(span.start + pace.down_time - pace.interval - pace.grace, span.end + back)
        for span in blind
        if span.end - span.start > pace.down_time - 2 * pace.interval
    ]


def spans(mine: Sequence[Said], verdict: str, *, ended: float) -> Iterator[Span]:
    """When a member's verdict was this one."""
    for number, one in enumerate(mine):
        until = mine[number + 1].at if number + 1 < len(mine) else ended
        if one.verdict == verdict and one.at < min(until, ended):
            yield Span(one.at, min(until, ended))


def _without(span: Span, others: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    parts = [span]
    for other in others:
        cut: list[Span] = []
        for part in parts:
            cut += [Span(part.start, min(part.end, other.start)), Span(max(part.start, other.end), part.end)]
        parts = [part for part in cut if part.start < part.end]
    return parts
