"""Act 2's scenes: what is done to agents and operator, in which order, and which step is judged by what of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.demo import judging
from tests.demo.agents import OPERATOR, Agents
from tests.demo.apiserver import ApiServer
from tests.demo.evidence import Decisions, Said, Sightings
from tests.demo.judging import Pace, became, verdict
from tests.demo.reader import Reader
from tests.demo.stage import Stage
from tests.demo.steps import AT_ONCE, DOWN_TIME, INTERVAL, PUBLISHED, Finding

COMPUTE, EDGE = "default/compute", "default/edge"
NODES = tuple(f"node-{number}" for number in range(1, 9))
RETURNS, STAYS_DEAD, LEAVES, PAUSED, FORCED, DIES_UNSEEN, *UNTOUCHED = NODES
ALIVE = (RETURNS, PAUSED, *UNTOUCHED)
"""Who is Up when the operator is killed, and stays alive."""

EDGE_NODES, NEVER_SEEN = ("r4-1", "r4-2"), "r4-3"
FORCE = {"spec": {"overrides": [{"member": FORCED, "forcedDown": True}]}}
FREE = {"spec": {"overrides": None}}

BETWEEN_STARTS = 0.2
PATIENCE = 10.0
"""Seconds after which something that is late is taken for something that never comes."""

STARTING = 60.0


@dataclass(slots=True)
class Scenes:
    """`operate` starts the operator."""

    stage: Stage
    api: ApiServer
    agents: Agents
    reader: Reader
    decisions: Decisions
    sightings: Sightings
    operate: Callable[[], None]
    struck: float = 0.0
    paused: float = 0.0

    def play(self) -> None:
        self.assemble()
        self.strike()
        self.bury()
        self.revive()
        self.restart_operator()
        self.close()

    def look(self) -> None:
        self.reader.poll()
        self.decisions.poll()
        self.sightings.poll()

    def assemble(self) -> None:
        begun = time.time()
        self.stage.screen.doing("the operator starts, and ten agents")
        for group, names in (("compute", NODES), ("edge", EDGE_NODES)):
            for name in names:
                self.agents.join(name, group=group)
                self.stage.rest(BETWEEN_STARTS)
        wanted = {COMPUTE: dict.fromkeys(NODES, "Up"), EDGE: dict.fromkeys(EDGE_NODES, "Up") | {NEVER_SEEN: "Unknown"}}
        passed = self.stage.until(lambda: {g: self._verdicts(g) for g in wanted} == wanted, within=STARTING)
        shown = ", ".join(f"{group} {_summary(self._verdicts(group))}" for group in wanted)
        self.stage.judge("up", Finding(passed, shown, time.time() - begun))
        if not passed:
            raise self.agents.not_all_joined()
        begun = time.time()
        code = self.api.kubectl("wait", "--for=condition=Available", "--timeout=30s", "csg/compute")
        self.stage.judge("available", Finding(code == 0, f"exit code {code}", time.time() - begun))

    def strike(self) -> None:
        """Two die, one leaves, one is paused and one is forced down; T is waited for once."""
        self.stage.screen.doing("each beats once more, under the operator's eyes")
        self.stage.rest(INTERVAL + 1)
        self.reader.forget_slowest()
        self.struck = time.time()
        for name in (RETURNS, STAYS_DEAD):
            self.agents.kill(name)
        left = self.agents.leave(LEAVES)
        self.paused = self.agents.pause(PAUSED)
        self.stage.screen.doing(f"{LEAVES} leaves; two are dead, one is paused")
        self._until(LEAVES, None, after=left)
        self.stage.judge("left2", judging.departure(self.decisions.all, LEAVES, at=left))
        self._patch("forced", FORCE, becomes="Down", reason="ForcedDown")
        # A decision comes before its publication, and the gateway keeps a record for half a second.
        self.stage.until(lambda: self.reader.are("Down", {FORCED}), within=PUBLISHED)
        begun = time.time()
        code = self.api.servicegroup("is-up", "compute", FORCED)
        self.stage.judge("is-up", Finding(code == 1, f"exit code {code}", time.time() - begun))

    def bury(self) -> None:
        """T after it all began."""
        self.stage.screen.doing(f"two are dead and one is paused: Down after {DOWN_TIME} s of silence")
        silent = {RETURNS, STAYS_DEAD, PAUSED}
        left = self.struck + DOWN_TIME + PATIENCE - time.time()
        self.stage.until(lambda: self._are("Down", silent), within=left)
        pace = Pace(self.reader.slowest)
        dead = judging.silent_deaths(self.decisions.all, (RETURNS, STAYS_DEAD), at=self.struck, pace=pace)
        self.stage.judge("killed2", dead)
        self.stage.judge("paused2", judging.silent_deaths(self.decisions.all, [PAUSED], at=self.paused, pace=pace))
        self.api.kubectl("get", "csg", "-o", "wide")

    def revive(self) -> None:
        was_down = self._are("Down", {RETURNS})  # by the status: a reader is told half a second later
        self.reader.forget_slowest()
        resumed = self.agents.resume(PAUSED)
        started = self.agents.join(RETURNS, group="compute")
        self.stage.screen.doing(f"{PAUSED} is resumed, {RETURNS} starts again")
        self._until(PAUSED, "Up", after=resumed)
        found = judging.at_once(self.decisions.all, PAUSED, "Up", reason="Beating", at=resumed)
        self.stage.judge("resumed2", found)
        # Who was not Down before will not become Up.
        self._until(RETURNS, "Up", after=started, within=STARTING if was_down else 0.0)
        pace = Pace(self.reader.slowest)
        found = judging.comeback(self.decisions.all, RETURNS, still=STAYS_DEAD, at=started, pace=pace)
        self.stage.judge("returned2", found)
        # The status follows within a second or two: the next scene begins with all of it published.
        self.stage.until(lambda: self._are("Up", set(ALIVE)), within=PUBLISHED)

    def restart_operator(self) -> None:
        before = self._latest(COMPUTE)
        self.reader.down.clear()
        at = self.agents.kill(OPERATOR)
        self.agents.kill(DIES_UNSEEN)
        self.operate()
        self.stage.screen.doing("the operator was SIGKILLed and starts again")
        self.stage.until(lambda: self.reader.renewed > at, within=STARTING)
        started = time.time()
        self.reader.forget_slowest()
        self.stage.screen.doing(f"the new operator looks; {DIES_UNSEEN} is silent, the others beat")
        self.stage.until(lambda: self._are("Down", {DIES_UNSEEN}), within=DOWN_TIME + PATIENCE)
        self.stage.rest(INTERVAL)
        seen = self.sightings.of(COMPUTE)
        calm = judging.unshaken(seen, self.decisions.all, ALIVE, at=at, read_down=self.reader.down)
        self.stage.judge("restart", replace(calm, took=started - at))
        self.stage.judge("remembered", judging.remembered(before, seen, (STAYS_DEAD, FORCED), at=at))
        pace = Pace(self.reader.slowest, started)
        self.stage.judge("found", judging.silent_deaths(self.decisions.all, [DIES_UNSEEN], at=at, pace=pace))

    def close(self) -> None:
        self._patch("freed", FREE, becomes="Up", reason="Beating")
        calm = judging.undisturbed(self.decisions.all, EDGE_NODES, since=self.struck)
        missing = self._latest(EDGE).get(NEVER_SEEN)
        right = missing is not None and (missing.verdict, missing.reason) == ("Unknown", "Missing")
        shown = f"{calm.shown}; {NEVER_SEEN} {f'{missing.verdict}: {missing.reason}' if missing else 'not shown'}"
        self.stage.judge("edge", Finding(calm.passed and right, shown))
        self.stage.until(lambda: self._publication().passed, within=PUBLISHED)
        self.stage.judge("published", self._publication())
        self.api.kubectl("get", "csg")

    def _patch(self, key: str, patch: object, *, becomes: str, reason: str) -> None:
        at = time.time()
        words = ("patch", "csg", "compute", "--type=merge", f"--patch={json.dumps(patch, separators=(',', ':'))}")
        self.api.kubectl(*words)
        told = time.time()
        self._until(FORCED, becomes, after=at)
        found = judging.at_once(self.decisions.all, FORCED, becomes, reason=reason, at=at, told=told)
        self.stage.judge(key, found)

    def _until(self, member: str, wanted: str | None, *, after: float, within: float = AT_ONCE) -> None:
        self.stage.until(lambda: became(self.decisions.all, member, wanted, after=after) is not None, within=within)

    def _publication(self) -> Finding:
        return judging.publication(self.decisions.all, self.sightings.all)

    def _latest(self, group: str) -> dict[str, Said]:
        seen = self.sightings.of(group)
        return dict(seen[-1].members) if seen else {}

    def _verdicts(self, group: str) -> dict[str, str]:
        return {member: said.verdict for member, said in self._latest(group).items()}

    def _are(self, wanted: str, names: set[str]) -> bool:
        latest = self._latest(COMPUTE)
        return all(verdict(latest.get(name)) == wanted for name in names)


def _summary(verdicts: dict[str, str]) -> str:
    return f"{list(verdicts.values()).count('Up')}/{len(verdicts)} Up"
