"""The table of steps and the score: what is judged, in which order, and how many there are, known before anything runs.

Pure. A step that could not run has failed, so the total never depends on what happened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

INTERVAL, DOWN_TIME = 2, 12
"""I and T of the demo's groups, in seconds: the resource's own defaults, 10 and 60, would take too long to watch."""

SIGHT = 2.5 * INTERVAL
"""C: how long a new operator looks before it may say that somebody is silent."""

PASS = min(1.0, INTERVAL / 10)
"""Seconds between two looks of the operator at the store (design, rule 3)."""

AT_ONCE = 3.0
"""Seconds for what waits for no silence: an agent's write and a pass or two, on a machine that has other work."""

PUBLISHED = 3.0
"""Seconds from a decision's time until the resource's status shows it."""

FIRST_VERDICT = 60.0


class ActEnded(Exception):
    """An act cannot go on; the message says why and what to do, ready to be shown."""


@dataclass(frozen=True, slots=True)
class Step:
    key: str
    act: int
    title: str
    expected: str


STEPS = (
    Step("first", 1, "the first verdict is seen", f"within {FIRST_VERDICT:.0f} s of the start"),
    Step("joined", 1, "twelve agents join", "12 of 12 Up"),
    Step("left", 1, "node-03 leaves (SIGTERM)", "gone at once"),
    Step("killed", 1, "node-01 and node-02 are SIGKILLed", f"Down after {DOWN_TIME} s of silence, not before"),
    Step("paused", 1, "node-04 is paused (SIGSTOP)", f"Down after {DOWN_TIME} s of silence, not before"),
    Step("resumed", 1, "node-04 is resumed (SIGCONT)", "Up at once"),
    Step("returned", 1, "node-01 returns, node-02 does not", "node-01 Up by its first beat, node-02 still Down"),
    Step("spared", 1, "all that while: the eight left alone", "Up, without a break"),
    Step("up", 2, "two groups; eight agents join one, two the other", "8/8 and 2/3 Up in the resources' status"),
    Step("available", 2, "kubectl wait --for=condition=Available", "exit code 0"),
    Step("left2", 2, "node-3 leaves (SIGTERM)", "gone at once"),
    Step("forced", 2, "node-5 is forced down by kubectl patch", "Down at once, ForcedDown, though it beats"),
    Step("is-up", 2, "a scheduler asks: servicegroup is-up ... node-5", "exit code 1, which is Down"),
    Step("killed2", 2, "node-1 and node-2 are SIGKILLed", f"Down after {DOWN_TIME} s of silence, not before"),
    Step("paused2", 2, "node-4 is paused (SIGSTOP)", f"Down after {DOWN_TIME} s of silence, not before"),
    Step("resumed2", 2, "node-4 is resumed (SIGCONT)", "Up at once"),
    Step("returned2", 2, "node-1 returns, node-2 does not", "node-1 Up by its first beat, node-2 still Down"),
    Step("restart", 2, "the operator is SIGKILLed and started again", "nobody alive is anything but Up"),
    Step("remembered", 2, "the dead, over that restart", "Down still, `since` unchanged"),
    Step("found", 2, "node-6 dies together with the operator", f"the new one finds it Down, after {DOWN_TIME} s"),
    Step("freed", 2, "node-5's override is taken back", "Up at once"),
    Step("edge", 2, "all that while: the other group", "r4-1, r4-2 Up; r4-3, never seen, Unknown: Missing"),
    Step("published", 2, "every verdict, from decision to status", f"within {PUBLISHED:.0f} s"),
)
TOTAL = len(STEPS)
_BY_KEY = {step.key: (number, step) for number, step in enumerate(STEPS, start=1)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a step; `took` is in seconds, None when there was nothing to measure."""

    passed: bool
    shown: str
    took: float | None = None


NOT_RUN = Finding(False, "did not run")


@dataclass(slots=True)
class Score:
    _findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, key: str, finding: Finding) -> tuple[int, Step]:
        """Number and row of the step; it counts as it was found first."""
        self._findings.setdefault(key, finding)
        return _BY_KEY[key]

    def close(self, *acts: int) -> list[int]:
        """Numbers of the steps of these acts that nothing was found of until now: they have failed."""
        missed = {key: at for key, (at, step) in _BY_KEY.items() if step.act in acts and key not in self._findings}
        self._findings |= dict.fromkeys(missed, NOT_RUN)
        return list(missed.values())

    def failed(self) -> list[int]:
        """Numbers of the steps that did not pass, those that never ran among them."""
        return [number for key, (number, _) in _BY_KEY.items() if not self._passed(key)]

    def last_line(self) -> str:
        failed = len(self.failed())
        return f"demo: {TOTAL - failed} passed, {failed} failed"

    def _passed(self, key: str) -> bool:
        return key in self._findings and self._findings[key].passed


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers for people: ``4-6, 9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
