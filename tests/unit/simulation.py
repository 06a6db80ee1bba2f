"""A store, its agents and an observer in virtual time: what the rules are tried on. Deterministic; nothing waits.

All of it moves in ticks of a quarter of a second, exact in binary, so that "exactly T" means that. The agents and the
store are written from the design's sentences, the observer runs the real `evaluation.advance` and goes on from what
was published as a real operator does. Each observer has a
monotonic clock of its own and the store a clock that may be stepped: a time that strays from one to another shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from servicegroup import massfailure
from servicegroup.agent.rhythm import Rhythm
from servicegroup.evaluation import Transition, View, advance
from servicegroup.liveness import Published, restore
from servicegroup.massfailure import Braking, Hold
from servicegroup.model import (
    Beat,
    Fact,
    GroupKey,
    GroupSpec,
    Holder,
    Policy,
    Reason,
    Receipt,
    State,
    Verdict,
)
from servicegroup.observation import Pass, Watch
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.reconcile import LONGEST_DEADLINE
from servicegroup.operator.restore import from_status, with_record
from servicegroup.operator.status import render
from servicegroup.record import Header, Record
from servicegroup.store.base import StoreUnavailable

TICK = 0.25
POLICY = Policy(interval=10.0, down_time=60.0)
NINETEEN_SEVENTY_PLUS = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Row:
    beat: Beat
    stamp: float


Rows = Mapping[str, Row]


@dataclass(slots=True)
class SimStore:
    """One group's rows. `step` is how far its clock was moved; `rows` is replaced, never changed, so it is a
    snapshot. `slow` is how long a write is on its way, `answers` how long its answer is.
    """

    rows: Rows = field(default_factory=dict)
    step: float = 0.0
    slow: float = 0.0
    answers: float = 0.0
    reachable: bool = True
    writable: bool = True
    epochs: int = 1
    header: Header | None = None
    stamp: float = 0.0
    members: Mapping[str, Published] = field(default_factory=dict)

    @property
    def epoch(self) -> str:
        return f"epoch-{self.epochs}"

    def clock(self, now: float) -> float:
        return NINETEEN_SEVENTY_PLUS + now + self.step

    def join(self, beat: Beat, *, now: float) -> Receipt:
        self._check()
        before = self.rows.get(beat.member)
        self._write(beat, now=now)
        other = None if before is None or before.beat.incarnation == beat.incarnation else _holder(before.beat)
        return Receipt(owned=True, interval=self._interval, other=other)

    def beat(self, beat: Beat, *, now: float) -> Receipt:
        self._check()
        row = self.rows.get(beat.member)
        if row is None or not _owns(row, beat):
            return Receipt(owned=False, interval=self._interval, other=None if row is None else _holder(row.beat))
        if beat.sequence > row.beat.sequence:
            self._write(beat, now=now)
        return Receipt(owned=True, interval=self._interval)

    def leave(self, beat: Beat, *, now: float) -> bool:
        self._check()
        row = self.rows.get(beat.member)
        if row is None or not _owns(row, beat):
            return False
        self._write(replace(beat, state=State.LEFT), now=now)
        return True

    def facts(self, *, now: float) -> tuple[Fact, ...]:
        clock = self.clock(now)
        return tuple(_fact(row.beat, age=clock - row.stamp) for row in self.rows.values())

    def publish(self, view: View, *, policy: Policy, clock: float, now: float) -> None:
        watch = view.watch
        back = 0.0 if watch.store_back is None else clock - watch.store_back
        self.header = Header(
            view.publication,
            policy,
            self.epoch,
            back,
            watch.blind_for(now=clock),
            promised=view.promised,
            held_since=0.0 if (hold := view.braking.holding(now=clock)) is None else hold.since,
            held_until=0.0 if hold is None else hold.ends,
            hold_left=0.0 if hold is None else hold.until - clock,
        )
        self.stamp = self.clock(now)
        self.members = view.published

    def record(self, *, now: float) -> Record | None:
        if self.header is None:
            return None
        return Record(self.header, max(0.0, self.clock(now) - self.stamp), self.members)

    def restart(self, *, wiped: bool) -> None:
        """As memcached restarts (wiped) or a database does."""
        self.epochs += 1
        if wiped:
            self.rows, self.header, self.members = {}, None, {}

    @property
    def _interval(self) -> float | None:
        return None if self.header is None else self.header.policy.interval

    def _write(self, beat: Beat, *, now: float) -> None:
        self.rows = {**self.rows, beat.member: Row(beat, self.clock(now))}

    def _check(self) -> None:
        if not (self.reachable and self.writable):
            raise StoreUnavailable("the simulated store is out")


def _owns(row: Row, beat: Beat) -> bool:
    return row.beat.incarnation == beat.incarnation and row.beat.state is not State.LEFT


def _holder(beat: Beat) -> Holder:
    return Holder(beat.incarnation, beat.sequence, beat.state)


def _fact(beat: Beat, *, age: float) -> Fact:
    return Fact(beat.member, beat.incarnation, beat.sequence, beat.interval, beat.state, age)


@dataclass(slots=True)
class Agent:
    """One start of an agent. `writes` are the true times of its beats that the store took; `write` is when the one
    that is on its way began and how long it needs yet, `answer` what comes back of it; nothing gets out of one that is
    `cut` off. Who is `eager` tries again as the shipped agents do, who is not as late as the design allows.
    """

    member: str
    incarnation: str
    due: float
    interval: float = POLICY.interval
    sequence: int = 0
    state: State = State.BEATING
    alive: bool = True
    paused: bool = False
    cut: bool = False
    joined: bool = False
    writes: list[float] = field(default_factory=list)
    displaced: set[str] = field(default_factory=set)
    rival: tuple[Holder, float] | None = None
    write: tuple[float, float] | None = None
    answer: Receipt | None = None
    failures: int = 0
    eager: bool = False

    @property
    def wrote(self) -> float | None:
        return self.writes[-1] if self.writes else None

    def act(self, store: SimStore, *, now: float, served: bool = True) -> None:
        """`served` is whether its way to the store works: a write that is not served takes longer, and may run out."""
        if not self.alive or self.paused or (self.write is None and now < self.due):
            return
        if self.cut:
            self.write, self.answer, self.due = None, None, now + self.interval
            self.sequence += 1
            return
        if self.write is None:
            self.sequence += 1
            self.write = (now, store.slow + store.answers)
        elif served:
            self.write = (self.write[0], self.write[1] - TICK)
        begun, left = self.write
        if served and self.answer is None and left <= store.answers:
            self._land(store, now=now)
        if self.answer is not None and served and left <= 0.0:
            self._served(self.answer, now=now)
        elif self.write is not None and now - begun >= self._rhythm.deadline:
            self._failed(now=now)

    @property
    def _rhythm(self) -> Rhythm:
        return Rhythm(self.interval, self.failures)

    def _failed(self, *, now: float) -> None:
        self.write, self.answer, self.failures = None, None, self.failures + 1
        self.due = now + (max(TICK, self._rhythm.wait(chance=0.0, published=None)) if self.eager else self.interval)

    def _land(self, store: SimStore, *, now: float) -> None:
        try:
            self.answer = self._say(store, now=now)
        except StoreUnavailable:
            self._failed(now=now)
            return
        if self.answer.owned:
            self.writes.append(now)

    def _served(self, receipt: Receipt, *, now: float) -> None:
        self.write, self.answer, self.failures, self.due = None, None, 0, now + self.interval
        if receipt.owned:
            self.rival = None
            self._learn(receipt.interval, now=now)

    def leave(self, store: SimStore, *, now: float) -> None:
        self.alive = False
        if self.cut:
            return
        try:
            store.leave(self._beat, now=now)
        except StoreUnavailable:
            return

    @property
    def _beat(self) -> Beat:
        return Beat(self.member, self.incarnation, self.sequence, self.interval, self.state)

    def _say(self, store: SimStore, *, now: float) -> Receipt:
        if self.joined:
            receipt = store.beat(self._beat, now=now)
            if receipt.owned or not self._may_join(receipt.other, now=now):
                return receipt
        receipt = store.join(self._beat, now=now)
        self.joined = True
        if receipt.other is not None:
            self.displaced.add(receipt.other.incarnation)
        return receipt

    def _may_join(self, owner: Holder | None, *, now: float) -> bool:
        """Rule 9: the row is gone, or its owner has left, was displaced by this agent, or is silent for C."""
        if owner is None or owner.state is State.LEFT or owner.incarnation in self.displaced:
            return True
        if self.rival is None or self.rival[0] != owner:
            self.rival = (owner, now)
        return now - self.rival[1] >= 2.5 * self.interval

    def _learn(self, interval: float | None, *, now: float) -> None:
        """Rule 5: a shorter interval counts at once, a longer one from the beat that promises it, the next."""
        if interval is None:
            return
        if interval < self.interval:
            self.due = now + interval
        self.interval = interval


@dataclass(slots=True)
class Observer:
    """One start of an operator; `zero` is the true time at which its monotonic clock showed 0."""

    zero: float
    spec: GroupSpec
    view: View = field(default_factory=View)
    latency: float = 0.0
    store_above: bool = False
    paused: bool = False
    stall: float = 0.0
    lag: float = 0.0
    next_pass: float = float("-inf")
    asked: float | None = None
    read: tuple[float, tuple[Fact, ...] | None] | None = None
    recorded: bool = False

    def clock(self, now: float) -> float:
        return now - self.zero

    def act(self, store: SimStore, *, now: float, wall: float) -> tuple[Transition, ...]:
        if self.paused:
            self.stall += TICK if self.asked is not None else 0.0
            return ()
        if self.asked is None and now >= self.next_pass:
            self.asked, self.lag = now, max(0.0, now - max(self.next_pass, self.zero))
        if self.asked is None or now < self.asked + store.slow + store.answers:
            return ()
        if self.read is None:
            self.read = (now, store.facts(now=now) if store.reachable else None)
        if now < self.read[0] + self.latency:
            return ()
        return self._finish(store, asked=self.asked, read=self.read, now=now, wall=wall)

    def _finish(
        self, store: SimStore, *, asked: float, read: tuple[float, tuple[Fact, ...] | None], now: float, wall: float
    ) -> tuple[Transition, ...]:
        began, facts = read
        in_time = began - asked <= min(LONGEST_DEADLINE, self.spec.policy.interval)
        healthy = facts is not None and store.reachable and store.writable and in_time
        seen = Pass(
            asked=self.clock(asked),
            now=self.clock(now),
            epoch=store.epoch if healthy else None,
            facts=facts or (),
            stall=self.stall,
            lag=self.lag,
            latency=began - asked,
            read=self.clock(began),
        )
        if healthy:
            self._go_on(store.record(now=now), now=now)
        self.view, changes = advance(self.view, seen, spec=self.spec, wall=wall, store_above=self.store_above)
        self.asked, self.read, self.stall = None, None, 0.0
        self.next_pass = max(asked + self.spec.policy.pass_seconds, now + TICK)
        if healthy:
            store.publish(self.view, policy=self.spec.policy, clock=self.clock(now), now=now)
        return changes

    def _go_on(self, record: Record | None, *, now: float) -> None:
        if record is not None and not self.recorded:
            policy = self.spec.policy
            self.view = with_record(self.view, record, status={}, policy=policy, now=self.clock(now))
        self.recorded = True


@dataclass(frozen=True, slots=True)
class Status:
    """What the API server keeps of a group; `checked` is the true time of the last healthy pass."""

    publication: int = 0
    checked: float | None = None
    members: Mapping[str, Published] = field(default_factory=dict)
    promised: float = 0.0
    hold: Hold | None = None
    """Its end is a true time."""


def resumed(status: Status, *, now: float, zero: float, status_age: float) -> View:
    """Where a new operator starts: from the status. `now` is its own clock."""
    sighted = None if status.checked is None else now - status_age
    judged = restore(status.members, sighted=sighted)
    held = status.hold
    return View(
        watch=Watch(blind=now),
        judged=judged,
        published=status.members,
        publication=status.publication,
        promised=status.promised,
        braking=Braking() if held is None else massfailure.resumed(replace(held, until=held.until - zero), now=now),
    )


@dataclass(frozen=True, slots=True)
class Change:
    at: float
    member: str
    before: Verdict | None
    after: Verdict | None
    transition: Transition


@dataclass(slots=True)
class World:
    """`wall_step` is how far the observer's time of day was moved; `changes` is all that was ever published. With
    `rendered` a new operator starts from the real status, as JSON has it, and not from values. With `gateway` the
    agents beat through the observer's process; they may be `eager`.
    """

    spec: GroupSpec = field(default_factory=lambda: GroupSpec(GroupKey("test", "compute"), POLICY))
    now: float = 0.0
    wall_step: float = 0.0
    latency: float = 0.0
    store: SimStore = field(default_factory=SimStore)
    agents: list[Agent] = field(default_factory=list)
    observer: Observer | None = None
    started: float = 0.0
    gateway: bool = False
    eager: bool = False
    status: Status = field(default_factory=Status)
    changes: list[Change] = field(default_factory=list)
    rendered: bool = False
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        return NINETEEN_SEVENTY_PLUS + self.now + self.wall_step

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            for agent in self.agents:
                agent.act(self.store, now=self.now, served=self._serves())
            self._observe()

    def _serves(self) -> bool:
        return not self.gateway or (self.observer is not None and not self.observer.paused)

    def start(self, *, remember: bool = True) -> None:
        """A new operator, in place of the one that may run; without `remember` nothing was ever published."""
        self.started = self.now
        zero = self.now - 1000.0 * (len(self.changes) + 1)
        age = 0.0 if self.status.checked is None else self.now - self.status.checked
        view = View()
        if remember and self.rendered:
            self._render()
            view = from_status(self.document, now=self.now - zero, wall=self.wall)
        elif remember:
            view = resumed(self.status, now=self.now - zero, zero=zero, status_age=age)
        self.observer = Observer(zero=zero, spec=self.spec, view=view, recorded=not remember)

    def stop(self) -> None:
        self._render()
        self.observer = None

    def _render(self) -> None:
        if self.observer is None or not self.rendered:
            return
        self.document = render(
            self.observer.view,
            spec=self.spec,
            before=self.document,
            driver="db",
            sight=StoreSight(read_once=True),
            now=self.observer.clock(self.now),
            wall=self.wall,
        )

    def pause(self, seconds: float) -> None:
        """SIGSTOP to the operator, and SIGCONT."""
        self.running.paused = True
        self.run(seconds)
        self.running.paused = False

    def respec(self, spec: GroupSpec) -> None:
        self.spec = spec
        if self.observer is not None:
            self.observer.spec = spec

    def outage(self, seconds: float) -> None:
        self.store.reachable = False
        self.run(seconds)
        self.store.reachable = True

    def join(self, *members: str, interval: float | None = None) -> None:
        """New agents, at evenly spread phases of the interval and, in turn, of a second: most write between passes."""
        every = self.spec.policy.interval if interval is None else interval
        for place, member in enumerate(members):
            phase = TICK * (round(place * every / len(members) / TICK) + (1 + len(self.agents)) % 4)
            incarnation = f"{member}-{len(self.agents)}"
            self.agents.append(Agent(member, incarnation, due=self.now + phase, interval=every, eager=self.eager))

    def agent(self, member: str) -> Agent:
        """The last one that was started for a member."""
        return next(agent for agent in reversed(self.agents) if agent.member == member)

    def kill(self, *members: str) -> None:
        for member in members:
            self.agent(member).alive = False

    def leave(self, member: str) -> None:
        self.agent(member).leave(self.store, now=self.now)

    @property
    def running(self) -> Observer:
        if self.observer is None:
            raise LookupError("no operator runs")
        return self.observer

    def said(self, member: str) -> Published | None:
        members = self.status.members if self.observer is None else self.running.view.published
        return members.get(member)

    def verdict(self, member: str) -> Verdict | None:
        said = self.said(member)
        return None if said is None else said.verdict

    def verdicts(self) -> set[Verdict]:
        return {said.verdict for said in self.status.members.values()}

    def story(self, member: str, *, since: float = 0.0) -> list[Verdict | None]:
        """The verdicts that a member turned to, in order."""
        mine = [c for c in self.changes if c.member == member and c.at >= since and c.before is not c.after]
        return [change.after for change in mine]

    def reasons_of(self, member: str) -> set[Reason]:
        """All that were ever published of it."""
        said = [change.transition.after for change in self.changes if change.member == member]
        return {one.reason for one in said if one is not None}

    def turned(self, member: str, verdict: Verdict | None, *, since: float = 0.0) -> float | None:
        """When a member first turned to a verdict."""
        return next((c.at for c in self.changes if (c.member, c.after) == (member, verdict) and c.at >= since), None)

    def blind_for(self) -> float:
        observer = self.running
        return observer.view.watch.blind_for(now=observer.clock(self.now))

    def _observe(self) -> None:
        if self.observer is None:
            return
        self.observer.latency = self.latency
        for change in self.observer.act(self.store, now=self.now, wall=self.wall):
            self.changes.append(_change(change, at=self.now))
        view = self.observer.view
        healthy = view.watch.healthy
        checked = self.status.checked if healthy is None else healthy + self.observer.zero
        hold = view.braking.holding(now=self.observer.clock(self.now))
        held = None if hold is None else replace(hold, until=hold.until + self.observer.zero)
        self.status = Status(view.publication, checked, view.published, view.promised, held)


def _change(change: Transition, *, at: float) -> Change:
    before = None if change.before is None else change.before.verdict
    after = None if change.after is None else change.after.verdict
    return Change(at, change.member, before, after, change)
