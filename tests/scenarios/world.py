"""One scenario's world: an operator of its own on a real API server, a group and crews in each store, and what is done.

Whatever is done is noted with its time: which store did not serve, when the observer did not look, who could not beat.
The figures come from these notes and from what the operator said.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servicegroup.clock import monotonic

from tests.scenarios.bench import Bench
from tests.scenarios.crews import Crew
from tests.scenarios.gaps import Gaps
from tests.scenarios.hearing import Hearing
from tests.scenarios.ledger import DOWN, OBSERVER, STORE, UP, Break, Figures, Life, Pace, Span, due_at, figures
from tests.scenarios.operators import Operator
from tests.scenarios.pace import DIES
from tests.scenarios.places import Place

STARTS_WITHIN = 180.0
MOST_PATIENT = 10
"""Multiples of T for which the last verdicts are waited for."""


@dataclass
class World:
    """`addresses` are the agents', by place; `findings` what a scenario asserts beyond the figures, and was not so."""

    bench: Bench
    places: Sequence[Place]
    namespace: str
    folder: Path
    heard: Hearing
    operator: Operator
    pace: Pace
    spec: Mapping[str, Any] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    lives: dict[str, dict[str, Life]] = field(default_factory=dict)
    breaks: dict[str, list[Break]] = field(default_factory=dict)
    gaps: dict[str, Gaps] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    _crews: dict[tuple[str, str], Crew] = field(default_factory=dict)
    _all: list[Crew] = field(default_factory=list)
    _publishers: dict[str, str] = field(default_factory=dict)
    _awaited: list[threading.Thread] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)

    def rest(self, seconds: float) -> None:
        """What goes on goes on for so long."""
        time.sleep(seconds)

    # Members.

    def crew(self, place: Place, name: str) -> Crew:
        return self._crews[place.name, name]

    def join(self, place: Place, crew: str, names: Sequence[str], *, clock: str = "", watched: bool = True) -> Crew:
        """More members, or the same ones once more; without `watched` nothing of it is entered into their lives."""
        one = Crew(
            url=self.addresses[place.name],
            group=f"{self.namespace}/{place.name}",
            names=names,
            interval=self.pace.interval,
            lives=self.lives.setdefault(place.name, {}) if watched else {},
            log=self.folder / f"{place.name}-{crew}-{len(self._all)}.log",
            clock=clock or self._clock_of(place),
        )
        self._all.append(one)
        self._crews[place.name, crew] = one
        one.start()
        return one

    def _clock_of(self, place: Place) -> str:
        """Who shares a file shares a machine, and its clock."""
        return "" if place.ways is not None or self.operator.clock is None else str(self.operator.clock)

    def kill(self, crew: str = DIES) -> None:
        """That crew of every store, as their machines lose power."""
        for place in self.places:
            self.crew(place, crew).kill()

    @contextmanager
    def stopped(self, crew: str = DIES) -> Iterator[None]:
        with ExitStack() as stack:
            for place in self.places:
                stack.enter_context(self.crew(place, crew).stopped())
            yield

    # Stores.

    @contextmanager
    def store(
        self, fault: str, *arguments: Any, instead: str = "", at: Sequence[Place] | None = None
    ) -> Iterator[None]:
        """All stores (or those named) that can suffer it do, and the others what is to happen to them instead; the time
        from its beginning to its end is noted as one without sight.
        """
        with ExitStack() as stack:
            for place in self.places if at is None else at:
                found = place.fault(fault) or (place.fault(instead) if instead else None)
                if found is not None:
                    stack.enter_context(self._noted(place, found(*arguments)))
            yield

    @contextmanager
    def _noted(self, place: Place, fault: AbstractContextManager[None]) -> Iterator[None]:
        start = monotonic()
        try:
            with fault:
                yield
        finally:
            self._note(place, STORE, since=start)

    def _note(self, place: Place, what: str, *, since: float) -> None:
        self.breaks.setdefault(place.name, []).append(Break(what, Span(since, monotonic())))

    @contextmanager
    def unheard(self, fault: str, *arguments: Any) -> Iterator[None]:
        """No agent comes to its store any more, which serves everybody else."""
        with ExitStack() as stack:
            for place in self.places:
                found = place.fault(fault)
                for crew in [crew for (name, _), crew in self._crews.items() if name == place.name and found]:
                    crew.silence()
                    stack.callback(crew.heard)
                if found is not None:
                    stack.enter_context(found(*arguments))
            yield

    @contextmanager
    def unnoticed(self, fault: str, *arguments: Any) -> Iterator[None]:
        """It excuses nothing: members go on, and a death is found as at any time."""
        with ExitStack() as stack:
            for place in self.places:
                found = place.fault(fault)
                if found is not None:
                    stack.enter_context(found(*arguments))
            yield

    # The operator.

    @contextmanager
    def unobserved(self) -> Iterator[None]:
        """A time in which no operator looks, or not well enough to be sure."""
        start = monotonic()
        try:
            yield
        finally:
            for place in self.places:
                self._note(place, OBSERVER, since=start)

    @contextmanager
    def operator_gone(self, *, wait: bool = True) -> Iterator[None]:
        """Killed, and started anew at the end; for how long it does not look after that is its own affair. Without
        `wait` that is noted when it does.
        """
        start = monotonic()
        self.operator.kill()
        try:
            yield
        finally:
            self.operator.start()
            again = [threading.Thread(target=self._looks_again, args=(place, start)) for place in self.places]
            for thread in again:
                thread.start()
            self._awaited += again
            if wait:
                self.looks()

    def _looks_again(self, place: Place, start: float) -> None:
        """A new run of it is known by its name: ages are no sign where its clock is wrong."""
        before = self._publishers.get(place.name, "")
        while (found := self.bench.publisher(place, self.namespace)) in ("", before):
            if self._closed.wait(0.1):
                return
        self._publishers[place.name] = found
        self._note(place, OBSERVER, since=start)

    def looks(self) -> None:
        """Until the operator has published every group to its store since it was started."""
        limit = monotonic() + STARTS_WITHIN
        for thread in self._awaited:
            thread.join(limit - monotonic())
            assert not thread.is_alive(), f"the operator does not look:\n{self.operator.log[-3000:]}"
        self._awaited.clear()

    # What is said.

    def status(self, place: Place) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.bench.group(self.namespace, place.name).get("status", {})
        return found

    def find(self, finding: str, *, true: bool) -> None:
        if not true:
            self.findings.append(finding)

    def until(self, condition: Callable[[], bool], *, why: str, seconds: float = 60.0) -> None:
        """It is a finding when it does not become so."""
        met = self.heard.wait(condition, until=monotonic() + seconds)
        self.find(f"not within {seconds:.0f} s: {why}", true=met)

    def verdicts(self, place: Place) -> dict[str, str | None]:
        return {name: one.verdict for name, one in self.heard.now(place.name).items()}

    def settle(self) -> None:
        """Until all is as it must be at the end: the dead are Down, the living Up; or it is too late for that."""
        self.looks()
        pace, limit = self.pace, monotonic() + self.pace.held + MOST_PATIENT * self.pace.down_time
        while not all(self._settled(place) for place in self.places):
            due = max(self._due(place) for place in self.places) + pace.grace + pace.down_time
            if min(due, limit) < monotonic():
                self.find("the operator looked too seldom to judge at all", true=due < limit)
                break
            self.heard.wait(lambda: all(self._settled(place) for place in self.places), until=monotonic() + 1.0)

    def _due(self, place: Place) -> float:
        silences = [span for life in self.lives[place.name].values() for span in life.silences]
        breaks = self.blindness(place)
        return max((due_at(span.start, breaks, pace=self.pace) for span in silences), default=0.0)

    def _settled(self, place: Place) -> bool:
        said, now = self.verdicts(place), monotonic()
        return all(said.get(life.member) == _wanted(life, now) for life in self.lives[place.name].values())

    def blindness(self, place: Place) -> list[Break]:
        """What was done to it and the operator, and when the operator did not look for whatever reason."""
        return [*self.breaks.get(place.name, ()), *self._gaps(place)]

    def _gaps(self, place: Place) -> list[Break]:
        return self.gaps[place.name].found() if place.name in self.gaps else []

    def figures(self) -> dict[str, Figures]:
        now = monotonic()
        return {
            place.name: figures(
                self.lives[place.name],
                self.heard.of(place.name),
                self.breaks.get(place.name, ()),
                pace=self.pace,
                ended=now,
                gaps=self._gaps(place),
            )
            for place in self.places
        }

    def close(self) -> None:
        self._closed.set()
        for one in self.gaps.values():
            one.close()
        for crew in self._all:
            crew.close()
        self.operator.close()
        for place in self.places:
            place.mend()


def _wanted(life: Life, now: float) -> str | None:
    if life.left < now:
        return None
    return UP if life.silence(now) is None else DOWN
