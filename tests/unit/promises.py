"""What the rules promise, checked against the truth at every tick of a simulated world.

The truth is the simulation's own: when an agent's beat was taken, when the store or the operator was not there. Each
check is one sentence of the essay at the head of `liveness`, and says its formula.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from servicegroup.announcement import AHEAD
from servicegroup.liveness import Published
from servicegroup.model import Announced, Fact, MassFailure, Policy, Reason, Verdict
from servicegroup.observation import Observation

from tests.unit.simulation import TICK, Change, World

UP, DOWN, UNKNOWN = Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN
HOLD = 120.0
PASSES = 2.5
"""Seconds: the pass that sees a fault, the one that sees a death, and the tick between."""

NEVER = -math.inf


@dataclass(slots=True)
class Sighting:
    """A living member's last sight, and the shortest T since; `doubted` is a first look that could not believe it."""

    at: float
    down_time: float
    doubted: bool = False


@dataclass(slots=True)
class Promises:
    """`store` and `operator` are when each was last not there, or not as before; for a new operator the store was not
    there when it finds no record, or one older than T. `rows` is when rows or the clock changed otherwise than by a
    beat; `untrusted` are members whose rows told a new operator nothing.
    """

    world: World
    living: tuple[str, ...]
    store: float = 0.0
    operator: float = 0.0
    rows: float = 0.0
    forward: float = NEVER
    respecced: float = NEVER
    wall_forward: bool = False
    lost: bool = False
    gone: set[str] = field(default_factory=set)
    untrusted: dict[str, float] = field(default_factory=dict)
    sightings: dict[str, Sighting] = field(default_factory=dict)
    protected: dict[str, float] = field(default_factory=dict)
    held: float = NEVER
    waits: bool = False
    _checked: int = 0
    _facts: tuple[Fact, ...] | None = None
    _healthy: tuple[float, float] | None = None
    _looked: float = NEVER

    @classmethod
    def begun(cls, living: Sequence[str], mortal: Sequence[str]) -> Self:
        """A world that has run well for a while."""
        world = World(rendered=True)
        world.respec(replace(world.spec, mass_failure=MassFailure(longest_hold=HOLD)))
        told = cls(world, tuple(living))
        world.join(*living, *mortal)
        world.start()
        told.run(2 * world.spec.policy.down_time)
        assert {world.verdict(member) for member in (*living, *mortal)} == {UP}
        return told

    # What the world does to itself.

    def store_restarted(self, *, wiped: bool) -> None:
        self.store = self.world.now
        self.lost |= wiped
        self.rows = self.world.now if wiped else self.rows

    def rows_hurt(self) -> None:
        self.rows = self.world.now

    def clock_stepped(self, step: float) -> None:
        self.rows = self.world.now
        if step > 0:
            self.forward = self.world.now

    @property
    def clock_is_steady(self) -> bool:
        """A clock that steps forward again and again between a beat and its read hides that anybody beats."""
        return self.world.now - self.forward > 2 * self._stretched(None).down_time

    def wall_stepped(self, step: float) -> None:
        self.wall_forward |= step > 0
        self.protected.clear()

    def respec(self, policy: Policy) -> None:
        """Passes come at another pace, and a gap is another."""
        self.world.respec(replace(self.world.spec, policy=policy))
        self.operator = self.respecced = self.world.now

    def start(self) -> None:
        for sighting in self.sightings.values():
            sighting.doubted |= self.wall_forward
        self.wall_forward = False
        self.world.start()
        self.operator = self.world.now
        self.held, self.waits = NEVER, self.world.spec.announced is not None

    def _hear(self) -> None:
        """A new operator goes by the time of day, as there is nothing else; a begin that lies ahead is waited for."""
        said = self.world.spec.announced
        if self.waits and said is not None and said.since - self.world.wall <= AHEAD:
            self.held, self.waits = self.world.now + said.until - self.world.wall, False

    def announce(self, length: float | None) -> None:
        """A hold of this length, or the end of one."""
        said = None if length is None else Announced(self.world.wall, self.world.wall + length)
        self.world.respec(replace(self.world.spec, announced=said))
        self.held, self.waits = self.world.now + (length or 0.0), False

    def join(self, member: str) -> None:
        self.world.join(member)
        self.gone.discard(member)
        self.protected.clear()

    def left(self, member: str) -> None:
        self.gone.add(member)
        self.protected.clear()

    def mass_cut(self, members: Sequence[str]) -> None:
        """Those who beat until now, when they are more than half of who is Up and no earlier hold has caught them."""
        learnt = self.world.now - self.respecced > 2 * self._stretched(None).interval
        if self.world.observer is None or self.protected or not learnt:
            return
        view = self.world.running.view
        judged = view.judged
        counted = [member for member, said in judged.items() if said.definite is UP]
        interval = self.world.spec.policy.interval
        cut = [member for member in members if member in counted and self._since(member) <= interval + TICK]
        fresh = view.braking.hold is None and not any(judged[member].caught for member in cut)
        if fresh and len(cut) > len(counted) / 2 and len(cut) >= MassFailure().members:
            self.protected = dict.fromkeys(cut, self.world.now + HOLD)

    def back(self, member: str) -> None:
        if member in self.protected:
            self.protected.clear()

    # What is checked.

    def run(self, seconds: float) -> None:
        end = self.world.now + seconds
        while self.world.now < end:
            before = self.world.observer
            self.world.run(TICK)
            self._take_in(looked=before is self.world.observer)
            self._nobody_is_falsely_down()
            self._nobody_living_is_unknown_for_long()
            self._the_dead_are_found()

    def _take_in(self, *, looked: bool) -> None:
        world, observer = self.world, self.world.observer
        store = world.store
        if not (store.reachable and store.writable) or world.latency:
            self.store = world.now
        if observer is None or observer.paused or not looked:
            self.operator = world.now
        if observer is None:
            return
        self._hear()
        healthy = observer.view.watch.healthy
        mark = None if healthy is None else (observer.zero, healthy)
        if mark is not None and mark != self._healthy:
            facts = store.facts(now=world.now) if self._facts is None else self._facts
            self._sight(facts or (), first=self._healthy is None or self._healthy[0] != observer.zero)
            self._healthy = mark
        self._facts = observer.read[1] if observer.read is not None else None

    def _sight(self, facts: Sequence[Fact], *, first: bool) -> None:
        """A healthy look has ended that had read these rows."""
        now, down_time = self.world.now, self.world.spec.policy.down_time
        rows = {fact.member: fact for fact in facts}
        if first:
            unseen = now - self._looked > down_time - PASSES or self.forward >= self._looked
            self.store = now if unseen or self.lost else self.store
            self.untrusted = {
                member: now
                for member in self.world.running.view.judged
                if member not in rows or rows[member].age < self._since(member)
            }
        self._looked, self.lost = now, False
        for member in self.living:
            row, known = rows.get(member), self.sightings.get(member)
            down_time = self._stretched(member).down_time
            old = row is None or row.age > down_time
            if not old and self._since(member) <= down_time:
                self.sightings[member] = Sighting(now, down_time)
            elif known is not None and first and old:
                known.doubted = True

    def _nobody_is_falsely_down(self) -> None:
        for change in self.world.changes[self._checked :]:
            if change.after is DOWN:
                self._down(change)
            elif change.after is UP:
                self._up(change)
        self._checked = len(self.world.changes)

    def _down(self, change: Change) -> None:
        member, now = change.member, self.world.now
        assert member not in self.living, f"{member} beats and is Down at {now}"
        if change.transition.after is None or change.transition.after.reason is not Reason.SILENT:
            return
        if max(self.forward, self.rows) < self._wrote(member):  # its last beat was there to be read
            silent = self._since(member)
            assert silent > self._stretched(member).down_time - PASSES, f"{member} wrote {silent} s ago and is Down"
        assert now >= self.held, f"{member} is Down at {now}, in a hold that was announced until {self.held}"
        held = self.protected.get(member, NEVER)
        assert now >= held, f"{member} was cut off with most others and is Down at {now}, before {held}"

    def _up(self, change: Change) -> None:
        """The dead never rise without a beat."""
        for earlier in reversed(self.world.changes[: self.world.changes.index(change)]):
            if earlier.member != change.member or earlier.after is UNKNOWN:
                continue
            after = earlier.transition.after
            if after is not None and after.reason is Reason.SILENT:
                wrote = self._wrote(change.member)
                slack = self.world.latency + PASSES
                assert wrote > earlier.at - slack, f"{change.member} is raised at {change.at}, it wrote at {wrote}"
            return

    def _nobody_living_is_unknown_for_long(self) -> None:
        """Unknown only when it was not seen for T, so of a blindness of B at most B - T, and the time to its beat."""
        if self.world.observer is None:
            return
        for member, sighting in self.sightings.items():
            sighting.down_time = min(sighting.down_time, self._stretched(member).down_time)
            if self.world.verdict(member) is UNKNOWN and not sighting.doubted:
                unseen = self.world.now - sighting.at
                assert unseen > sighting.down_time, f"{member} is Unknown, seen {unseen} s ago"

    def _the_dead_are_found(self) -> None:
        """By the latest of its last beat, the store's return and a lost row + T, the observer's start + C, and the end
        of an announced hold; when they are held after a mass failure, by as much later as a hold lasts.
        """
        if self.world.observer is None:
            return
        alive = {agent.member for agent in self.world.agents if agent.alive}
        for member, said in self.world.running.view.published.items():
            if member in alive or member in self.gone or said.reason is Reason.SILENT:
                continue
            due = self._due(member, said)
            assert self.world.now <= due, f"{member} is {said.reason} at {self.world.now}, Down was due at {due}"

    def _due(self, member: str, said: Published) -> float:
        policy = self._stretched(member)
        since = max(self._wrote(member), self.store, self.rows, self.untrusted.get(member, NEVER))
        due = max(since + policy.down_time, self.operator + policy.sight, self.held)
        held = said.reason is Reason.MASS_FAILURE or self.world.running.view.judged[member].held
        return due + PASSES + self.world.latency + (HOLD if held else 0.0)

    def heal(self) -> None:
        """Whatever it was, it ends: then the living are Up after an interval, and the dead Down by the formula."""
        world = self.world
        world.store.reachable = world.store.writable = True
        world.latency = 0.0
        if world.observer is None:
            self.start()
        world.running.paused = False
        longest = self._stretched(None)
        self.announce(None)
        self.run(longest.interval + PASSES)
        assert {world.verdict(member) for member in self.living} == {UP}
        self.run(longest.down_time + HOLD + PASSES)

    def _wrote(self, member: str) -> float:
        return max(
            (agent.writes[-1] for agent in self.world.agents if agent.member == member and agent.writes), default=NEVER
        )

    def _since(self, member: str) -> float:
        return self.world.now - self._wrote(member)

    def _stretched(self, member: str | None) -> Policy:
        """As the operator has it, by what it has read of a member's promise; of nobody, by the longest there can be."""
        policy, observer = self.world.spec.policy, self.world.observer
        if member is None:
            return policy.stretched(max(agent.interval for agent in self.world.agents))
        seen: Observation | None = None if observer is None else observer.view.observations.get(member)
        return policy if seen is None else policy.stretched(seen.interval)
