"""Rule 8 under random faults: a container starts and stops, its kubelet tells the API server, a watch tells the roster,
or does not; operators come and go. Nobody is called down whose service ran, and whose did not is found.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from servicegroup.evaluation import View, advance
from servicegroup.liveness import restore
from servicegroup.model import Fact, GroupKey, GroupSpec, Reason, State, Verdict
from servicegroup.observation import Pass, Watch
from servicegroup.operator.roster import Roster

from tests.unit.simulation import POLICY

T, C = POLICY.down_time, POLICY.sight
KEY = GroupKey("nova", "compute")
SPEC = GroupSpec(KEY, POLICY)
LATE = 20.0
"""Seconds that the operator takes at most: it asks again after 15."""


@dataclass(slots=True)
class Pod:
    """A pod's main container: when its runs began and ended, in whole seconds."""

    number: int
    born: float
    runs: list[tuple[float, float | None]] = field(default_factory=list)

    @property
    def runs_now(self) -> bool:
        return bool(self.runs) and self.runs[-1][1] is None

    def well_until(self, now: float) -> float:
        """When it last ran as part of a run that took C."""
        ends = [end or now for begin, end in self.runs if (end or now) - begin >= C]
        return max([self.born, *ends])

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {"name": "main", "restartCount": max(0, len(self.runs) - 1), "state": {"waiting": {}}}
        over = [(begin, end) for begin, end in self.runs if end is not None]
        if self.runs_now:
            status["state"] = {"running": {"startedAt": _stamp(self.runs[-1][0])}}
        if over:
            begin, end = over[-1]
            status["lastState"] = {"terminated": {"startedAt": _stamp(begin), "finishedAt": _stamp(end)}}
        labels = {"servicegroup.dev/group": KEY.name}
        return {
            "metadata": {"name": "pod", "namespace": KEY.namespace, "uid": str(self.number), "labels": labels},
            "spec": {"nodeName": "a", "containers": [{"name": "main"}]},
            "status": {"phase": "Running", "containerStatuses": [status]},
        }


def _stamp(seconds: float) -> str:
    return (datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


@dataclass(slots=True)
class World:
    """One member that beats all the while; `downs` are the times at which its service was called down."""

    now: float = 0.0
    pod: Pod = field(default_factory=lambda: Pod(0, 0.0))
    watched: bool = True
    reachable: bool = True
    downs: list[float] = field(default_factory=list)
    view: View = field(default_factory=View)
    sequence: int = 0
    told: dict[str, Any] | None = None
    roster: Roster = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new operator, which knows what was published."""
        self.view = View(
            watch=Watch(blind=self.now),
            judged=restore(self.view.published, sighted=self.now),
            published=self.view.published,
        )
        self.roster, self.told = Roster(lambda _: POLICY, clock=lambda: self.now), None

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            self._tell()
            self._judge()

    def _tell(self) -> None:
        body = self.pod.body()
        if self.reachable and not self.roster.told:
            self.roster.put(body, asked=self.now)
            self.roster.called([("nova", "pod")], asked=self.now)
        if self.reachable and self.watched and body != self.told:
            self.roster.put(body)
            self.told = body
        for _ in self.roster.in_doubt() if self.reachable else ():
            self.roster.put(body, asked=self.now)

    def _judge(self) -> None:
        self.sequence += self.now % POLICY.interval == 0
        fact = Fact("a", "one", self.sequence, POLICY.interval, State.BEATING, self.now % POLICY.interval)
        seen = Pass(self.now, self.now, "e", (fact,))
        self.view, changes = advance(self.view, seen, spec=SPEC, wall=self.now, duty=self.roster.duty(KEY))
        self.downs += [self.now for one in changes if one.after is not None and one.after.verdict is Verdict.DOWN]

    def stop(self) -> None:
        if self.pod.runs_now:
            self.pod.runs[-1] = (self.pod.runs[-1][0], self.now)

    def begin(self) -> None:
        if not self.pod.runs_now:
            self.pod.runs.append((self.now, None))

    def replace(self) -> None:
        self.pod = Pod(self.pod.number + 1, self.now)

    def heal(self) -> None:
        self.watched = self.reachable = True

    def says(self, reason: Reason) -> bool:
        return "a" in self.view.published and self.view.published["a"].reason is reason


def _set(**fields: bool) -> Callable[[World], None]:
    def fault(world: World) -> None:
        for name, value in fields.items():
            setattr(world, name, value)

    return fault


FAULTS: dict[str, Callable[[World], None]] = {
    "the container stops": World.stop,
    "the container starts": World.begin,
    "another pod": World.replace,
    "the watch stalls": _set(watched=False),
    "the watch goes on": _set(watched=True),
    "the API server is away": _set(reachable=False),
    "the API server is back": _set(reachable=True),
    "another operator": World.start,
}
HISTORIES = st.lists(
    st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from((0, 1, 2, 5, 24, 25, 31, 61, 66, 130))),
    min_size=3,
    max_size=16,
)
WILD = os.environ.get("SERVICEGROUP_EXAMPLES")
FEW = settings(max_examples=int(WILD or 40), deadline=None, derandomize=WILD is None)


def played(history: list[tuple[str, int]]) -> World:
    world = World()
    world.begin()
    world.run(2 * C)
    for name, seconds in history:
        FAULTS[name](world)
        before = len(world.downs)
        away = world.now - world.pod.well_until(world.now)
        world.run(seconds)
        for at in world.downs[before:]:
            assert not world.pod.runs_now
            assert away + at - (world.now - seconds) > T - 1.0
    return world


RAN_UNSEEN = [
    ("the container stops", 1),
    ("the API server is away", 1),
    ("the container starts", 31),
    ("the container stops", 31),
    ("the API server is back", 2),
]


@given(HISTORIES)
@example(RAN_UNSEEN)
@FEW
def test_nobody_is_called_down_whose_service_ran_in_the_last_t(history: list[tuple[str, int]]) -> None:
    """Ran for C at a stretch, that is; and the operator may be a second late."""
    played(history)


@given(HISTORIES)
@FEW
def test_a_service_that_does_not_run_is_found_and_one_that_runs_is_up(history: list[tuple[str, int]]) -> None:
    world = played(history)
    world.heal()
    world.stop()
    world.run(2 * T + LATE)
    assert world.says(Reason.SERVICE_NOT_RUNNING)
    world.begin()
    world.run(C + 2.0)
    assert world.says(Reason.BEATING)


@given(st.lists(st.tuples(st.sampled_from((1, 2, 5, 24)), st.sampled_from((1, 10, 40, 300))), min_size=4, max_size=12))
@FEW
def test_a_container_that_crashes_again_and_again_is_called_down_once(spells: list[tuple[int, int]]) -> None:
    world = played([])
    for ran, away in spells:
        world.stop()
        world.run(away)
        world.begin()
        world.run(ran)

    assert len(world.downs) <= 1
