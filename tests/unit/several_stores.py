"""One group, several stores and an operator over all of them, in virtual time: what a move between stores is tried on.

Agents and stores are those of `simulation`. Of the operator all that judges is real (`Judging`, `Moves`, what the
status and the records give to the next one); its loops, which only look and hand on, are played here. Each loop looks
at its store in its own time, so that what is known of one store is older than what is known of another.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from servicegroup.forgetting import without
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, GroupSpec, Verdict
from servicegroup.operator.decisions import Notice
from servicegroup.operator.groups import Wanted
from servicegroup.operator.judging import Judging
from servicegroup.operator.moves import Guest, Moves
from servicegroup.operator.stores import StoreConfig
from servicegroup.operator.survey import Survey
from servicegroup.operator.tending import Tended
from servicegroup.operator.writer import due

from tests.unit.simulation import NINETEEN_SEVENTY_PLUS, POLICY, TICK, Agent, SimStore

KEY = GroupKey("test", "compute")
Look = tuple[float, dict[GroupKey, Wanted], dict[GroupKey, Guest], frozenset[GroupKey], Survey]
"""When it was asked, for which groups and guests, whose records are new; and what was read then."""


@dataclass(slots=True)
class Server:
    """The Kubernetes API: `stored` is the status that outlives an operator, `latest` the newest that it offered."""

    stored: dict[str, Any] = field(default_factory=dict)
    offered: Mapping[str, Any] | None = None
    events: list[tuple[float, Notice]] = field(default_factory=list)
    now: float = 0.0

    def latest(self, wanted: Wanted) -> Mapping[str, Any]:
        return wanted.status if self.offered is None else self.offered

    def status(self, _wanted: Wanted, status: Mapping[str, Any]) -> None:
        self.offered = status
        if due(self.stored, status):
            self.stored = json.loads(json.dumps(status))

    def notices(self, _wanted: Wanted, told: list[Notice]) -> None:
        self.events += [(self.now, one) for one in told]


@dataclass(slots=True)
class Shelf(SimStore):
    """A store that takes records as a driver does; `written` is whose publication it holds. It may answer late."""

    written: tuple[str, int] | None = None
    latency: float = 0.0

    def put(self, tended: Tended, *, publisher: str, clock: float, now: float) -> None:
        said = tended.said()
        kept = {} if tended.unpublished else dict(self.members)
        kept.update({member: one for member, one in said.items() if one is not None})
        self.members = {member: one for member, one in kept.items() if said.get(member, one) is not None}
        self.header = tended.header(publisher=publisher, now=clock)
        self.stamp = self.clock(now)
        self.written = (publisher, self.header.publication)

    def restart(self, *, wiped: bool) -> None:
        SimStore.restart(self, wiped=wiped)
        if wiped:
            self.written = None


@dataclass(slots=True)
class Loop:
    """What `StoreLoop` does, but for its threads, in virtual time."""

    name: str
    store: Shelf
    judging: Judging
    zero: float
    next_pass: float
    look: Look | None = None

    def act(self, operator: "Operator", *, now: float, wall: float) -> None:
        if self.look is None and now >= self.next_pass:
            self._ask(operator, now=now, wall=wall)
        if self.look is None or now < self.look[0] + self.store.latency:
            return
        asked, wanted, guests, new, read = self.look
        self.look = None
        self.next_pass = asked + POLICY.pass_seconds
        found = self._found(read, new, now=now, wall=wall)
        for guest in guests.values():
            guest.look(found)
        still = {key: one for key, one in wanted.items() if operator.wanted(self.name).get(key) is one}
        if wanted or guests:
            self.judging.judge(still, found)
            if found.failure is None:
                self._after(still, found, operator, now=now)
        self.judging.let_go(wanted)

    def _ask(self, operator: "Operator", *, now: float, wall: float) -> None:
        wanted, guests = operator.wanted(self.name), dict(operator.moves.of_store(self.name))
        new = {key for key in wanted if not self.judging.recorded(key)}
        new |= {key for key, guest in guests.items() if not guest.recorded}
        clock = now - self.zero
        read = Survey(clock, clock, wall, failure=f"store {self.name}: out")
        if self.store.reachable:
            read = Survey(clock, clock, wall, self.store.epoch, {KEY: self.store.facts(now=now)})
        self.look = (now, wanted, guests, frozenset(new), read)

    def _found(self, read: Survey, new: frozenset[GroupKey], *, now: float, wall: float) -> Survey:
        store, clock = self.store, now - self.zero
        if not (store.reachable and store.writable) or read.epoch != store.epoch:
            return Survey(read.asked, clock, wall, failure=f"store {self.name}: out")
        return replace(
            read,
            now=clock,
            wall=wall,
            records={key: store.record(now=now) for key in new},
            published={} if store.written is None else {KEY: store.written},
        )

    def _after(self, wanted: dict[GroupKey, Wanted], found: Survey, operator: "Operator", *, now: float) -> None:
        for key, one in wanted.items():
            tended = self.judging.known(key)
            if tended is None or tended.waiting:
                continue
            old = tended.old(found)
            rows = dict(self.store.rows)
            for gone in old:
                row = rows.get(gone.member)
                if row is not None and (row.beat.incarnation, row.beat.sequence) == (gone.incarnation, gone.sequence):
                    del rows[gone.member]
            self.store.rows = rows
            if old:
                tended.view, changes = without(tended.view, {gone.member for gone in old})
                self.judging.tell(one, tended, changes, found)
            if tended.yields:
                continue
            self.store.put(tended, publisher=operator.publisher, clock=found.now, now=now)
            tended.unpublished, tended.changes = False, ()
            tended.written = (operator.publisher, tended.view.publication)


@dataclass(slots=True)
class Operator:
    """One start of an operator over the stores that it was configured with."""

    publisher: str
    group: Wanted
    moves: Moves
    loops: list[Loop]

    def wanted(self, store: str) -> dict[GroupKey, Wanted]:
        return {KEY: self.group} if self.group.spec is not None and self.group.spec.store == store else {}

    @property
    def tended(self) -> Tended | None:
        """The group as it is known to the loop that judges it by now."""
        found = [loop.judging.known(KEY) for loop in self.loops if self.wanted(loop.name)]
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Change:
    at: float
    member: str
    before: Published | None
    after: Published | None


@dataclass(slots=True)
class Site:
    """`agents` have each a store that they write into; `bears` is maxBeatsPerSecond by store; `shown` is what was last
    said of each member.
    """

    spec: GroupSpec = field(default_factory=lambda: GroupSpec(KEY, POLICY, store="a"))
    stores: dict[str, Shelf] = field(default_factory=lambda: {name: Shelf() for name in "abc"})
    server: Server = field(default_factory=Server)
    agents: list[tuple[Agent, str]] = field(default_factory=list)
    operator: Operator | None = None
    now: float = 0.0
    wall_step: float = 0.0
    starts: int = 0
    uid: int = 1
    bears: Mapping[str, float] = field(default_factory=dict)
    generation: int = 1
    shown: Mapping[str, Published] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    # What happens.

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            for agent, home in self.agents:
                agent.act(self.stores[home], now=self.now)
            self._operate()

    def start(self, *, configured: str = "abc") -> None:
        """A new operator, in place of the one that may run, with the stores of these names."""
        self.starts += 1
        self.server.offered = None
        zero = self.now - 1000.0 * self.starts
        moves, publisher = Moves(tuple(configured)), f"operator-{self.starts}"
        configs = [StoreConfig(name, "db", beats_per_second=self.bears.get(name)) for name in configured]
        loops = [
            Loop(
                config.name,
                self.stores[config.name],
                Judging(config, self.server, moves, publisher=publisher),
                zero,
                next_pass=self.now + place * TICK,
            )
            for place, config in enumerate(configs)
        ]
        self.operator = Operator(publisher, self._wanted(self.server.stored), moves, loops)

    def stop(self) -> None:
        self.operator = None

    def respec(self, **fields: Any) -> None:
        """An edit of the resource."""
        self.generation += 1
        self.spec = replace(self.spec, **fields)
        if self.operator is not None:
            self.operator.group = self._wanted(self.operator.group.status)

    def recreate(self) -> None:
        """The resource is deleted and made again, and the operator hears of both at once."""
        self.uid += 1
        self.server.stored, self.server.offered = {}, None
        if self.operator is not None:
            self.operator.group = self._wanted({})

    def move(self, store: str) -> None:
        self.respec(store=store)

    def join(self, *members: str, store: str | None = None, soon: bool = False) -> None:
        """New agents, spread over the interval; `soon` is how a pod that replaces another one starts."""
        for place, member in enumerate(members):
            phase = TICK if soon else TICK * (1 + round(place * POLICY.interval / len(members) / TICK))
            agent = Agent(member, f"{member}-{len(self.agents)}", due=self.now + phase, interval=POLICY.interval)
            self.agents.append((agent, store or self.spec.store))

    def kill(self, *members: str) -> None:
        for agent, _ in self.agents:
            agent.alive = agent.alive and agent.member not in members

    def leave(self, member: str) -> None:
        agent, home = self.last(member)
        agent.leave(self.stores[home], now=self.now)

    def follow(self, member: str, *, how: str = "killed") -> None:
        """A member's agent is replaced by one that writes into the group's store; the old one is killed, or leaves
        before, or leaves once the new one has joined.
        """
        agent, home = self.last(member)
        if home == self.spec.store:
            return
        if how == "leaves":
            agent.leave(self.stores[home], now=self.now)
        agent.alive = how == "overlaps"
        self.join(member, soon=True)
        if how == "overlaps":
            self.run(0.6 * POLICY.interval)
            agent.alive = False
            if self.last(member)[0].writes:
                agent.leave(self.stores[home], now=self.now)

    # What is seen.

    def last(self, member: str) -> tuple[Agent, str]:
        """The last agent that was started for a member, and its store."""
        return next((agent, home) for agent, home in reversed(self.agents) if agent.member == member)

    @property
    def tended(self) -> Tended:
        found = None if self.operator is None else self.operator.tended
        if found is None:
            raise LookupError("nobody tends the group")
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        return self.server.stored

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = (one for one in self.status["conditions"] if one["type"] == kind)
        return found["status"], found["reason"]

    def verdict(self, member: str) -> Verdict | None:
        said = self.shown.get(member)
        return None if said is None else said.verdict

    def verdicts(self) -> dict[str, Verdict]:
        return {member: said.verdict for member, said in self.shown.items()}

    def story(self, member: str, *, since: float = 0.0) -> list[Verdict | None]:
        return [after for _, after in self._turns(member, since)]

    def turned(self, member: str, verdict: Verdict | None, *, since: float = 0.0) -> float | None:
        """When a member first turned to a verdict."""
        return next((at for at, after in self._turns(member, since) if after is verdict), None)

    def _turns(self, member: str, since: float) -> Iterator[tuple[float, Verdict | None]]:
        for change in self.changes:
            before, after = (None if one is None else one.verdict for one in (change.before, change.after))
            if change.member == member and change.at >= since and before is not after:
                yield change.at, after

    # How it goes on.

    def _wanted(self, status: Mapping[str, Any]) -> Wanted:
        return Wanted(
            KEY, f"uid-{self.uid}", self.generation, replace(self.spec, generation=self.generation), None, status
        )

    def _operate(self) -> None:
        if self.operator is None:
            return
        self.server.now = self.now
        wall = NINETEEN_SEVENTY_PLUS + self.now + self.wall_step
        for loop in self.operator.loops:
            loop.act(self.operator, now=self.now, wall=wall)
        tended = self.operator.tended
        if tended is not None and not tended.waiting and tended.view.watch.healthy is not None:
            self._show(tended.view.published)

    def _show(self, published: Mapping[str, Published]) -> None:
        if published is self.shown:
            return
        for member in sorted({*self.shown, *published}):
            before, after = self.shown.get(member), published.get(member)
            if before != after:
                self.changes.append(Change(self.now, member, before, after))
        self.shown = published
