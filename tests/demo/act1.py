"""Act 1, which needs nothing but this package: agents, an operator and a SQLite file, seen with a scheduler's eyes.

The operator runs without Kubernetes: the same rules in the same loop, published to the store alone.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import RenderableType
from servicegroup import ServiceGroup

from tests.demo import BEGUN, table
from tests.demo.agents import Agents, environment
from tests.demo.evidence import Decisions, Tail
from tests.demo.judging import Pace, at_once, became, comeback, departure, silent_deaths, undisturbed
from tests.demo.reader import Reader
from tests.demo.stage import STOPPING, Stage
from tests.demo.steps import AT_ONCE, DOWN_TIME, FIRST_VERDICT, INTERVAL, Finding

GROUP = "compute"
NAMES = tuple(f"node-{number:02}" for number in range(1, 13))
KILLED, LEAVES, PAUSED, SPARED = NAMES[:2], NAMES[2], NAMES[3], NAMES[4:]
BETWEEN_STARTS = 0.3
"""Twelve interpreters that start at once would keep the first verdict waiting for the last of them."""

PATIENCE = 10.0
"""Seconds after which something that is late is taken for something that never comes."""

STARTING = 60.0


def run(*, folder: Path, stage: Stage, sabotage: bool) -> None:
    """Raises OSError, ActEnded and LocalClusterError."""
    decisions = folder / "decisions"
    with (
        Agents(folder=folder, database=folder / "servicegroup.db") as agents,
        ServiceGroup(agents.url, GROUP) as group,
    ):
        agents.operate(*_configuration(folder, url=agents.url), sabotage=sabotage, environ=environment())
        act = _Act(stage, agents, Reader(group), Decisions(Tail(decisions)))
        stage.polls[:] = [act.look, agents.require_operator]
        stage.witness = agents.why_late
        stage.screen.picture(act.draw)
        act.assemble()
        act.strike()
        act.revive()
        stage.clear()
        stage.screen.doing(STOPPING)


def _configuration(folder: Path, *, url: str) -> list[str]:
    """The operator's files and flags; JSON is YAML."""
    spec = {"reportIntervalSeconds": INTERVAL, "serviceDownTimeSeconds": DOWN_TIME}
    files = {
        "groups": {"kind": "ComputeServiceGroup", "metadata": {"name": GROUP}, "spec": spec},
        "stores": {"stores": {"default": {"driver": "db", "url": url}}},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return [word for name in (*files, "decisions") for word in (f"--{name}", str(folder / name))]


@dataclass(slots=True)
class _Act:
    stage: Stage
    agents: Agents
    reader: Reader
    decisions: Decisions
    deeds: dict[str, str] = field(default_factory=dict)
    struck: float = 0.0
    first: float | None = None

    def look(self) -> None:
        before = self.reader.members
        self.reader.poll()
        self.decisions.poll()
        if self.first is None and self.reader.members:
            self.first = time.monotonic() - BEGUN
            shown = ", ".join(f"{member.name} {member.verdict}" for member in self.reader.members.values())
            self.stage.judge("first", Finding(self.first <= FIRST_VERDICT, shown, self.first))
        if not self.stage.screen.moving:
            for line in table.changes(before, self.reader.members):
                self.stage.screen.say(f"  {time.monotonic() - BEGUN:6.1f} s  {line}", style="dim")

    def draw(self) -> RenderableType:
        return table.draw(NAMES, self.reader.members, self.deeds)

    def assemble(self) -> None:
        begun = time.time()
        self.stage.screen.doing("twelve agents and an operator start")
        for name in NAMES:
            self.agents.join(name, group=GROUP)
            self.deeds[name] = f"runs, pid {self.agents.pid(name)}"
            self.stage.rest(BETWEEN_STARTS)
        passed = self.stage.until(lambda: self.reader.are("Up", set(NAMES)), within=STARTING)
        if self.first is None:
            self.stage.judge("first", Finding(False, f"nothing within {STARTING:.0f} s"))
        up = sum(member.is_up for member in self.reader.members.values())
        self.stage.judge("joined", Finding(passed, f"{up} of {len(NAMES)} Up", time.time() - begun))
        if not passed:
            raise self.agents.not_all_joined()

    def strike(self) -> None:
        """Two die, one leaves and one is paused in the same second; then T is waited for once."""
        self.stage.screen.doing("each beats once more, under the operator's eyes")
        self.stage.rest(INTERVAL + 1)
        self.reader.forget_slowest()
        self.struck = time.time()
        for name in KILLED:
            self.agents.kill(name)
            self.deeds[name] = "SIGKILLed"
        left = self.agents.leave(LEAVES)
        self.deeds[LEAVES] = "left (SIGTERM)"
        paused = self.agents.pause(PAUSED)
        self.deeds[PAUSED] = "paused (SIGSTOP)"
        self.stage.screen.doing(f"{LEAVES} leaves")
        self.stage.until(lambda: self._has_become(LEAVES, None, after=left), within=AT_ONCE)
        self.stage.judge("left", departure(self.decisions.all, LEAVES, at=left))
        self.stage.screen.doing(f"two are dead and one is paused: Down after {DOWN_TIME} s of silence")
        self.stage.until(lambda: self.reader.are("Down", {*KILLED, PAUSED}), within=DOWN_TIME + PATIENCE)
        pace = Pace(self.reader.slowest)
        self.stage.judge("killed", silent_deaths(self.decisions.all, KILLED, at=self.struck, pace=pace))
        self.stage.judge("paused", silent_deaths(self.decisions.all, [PAUSED], at=paused, pace=pace))

    def revive(self) -> None:
        returns, stays = KILLED
        self.reader.forget_slowest()
        resumed = self.agents.resume(PAUSED)
        self.deeds[PAUSED] = "resumed (SIGCONT)"
        started = self.agents.join(returns, group=GROUP)
        self.deeds[returns] = f"started again, pid {self.agents.pid(returns)}"
        self.stage.screen.doing(f"{PAUSED} is resumed, {returns} starts again")
        self.stage.until(lambda: self._has_become(PAUSED, "Up", after=resumed), within=AT_ONCE)
        self.stage.judge("resumed", at_once(self.decisions.all, PAUSED, "Up", reason="Beating", at=resumed))
        # Who was not Down before will not become Up.
        within = STARTING if self.reader.are("Down", {returns}) else 0.0
        self.stage.until(lambda: self._has_become(returns, "Up", after=started), within=within)
        pace = Pace(self.reader.slowest)
        self.stage.judge("returned", comeback(self.decisions.all, returns, still=stays, at=started, pace=pace))
        self.stage.judge("spared", undisturbed(self.decisions.all, SPARED, since=self.struck))

    def _has_become(self, member: str, verdict: str | None, *, after: float) -> bool:
        return became(self.decisions.all, member, verdict, after=after) is not None
