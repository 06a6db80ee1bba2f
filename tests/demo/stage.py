"""What an act stands on: it looks at everything again and again while it waits, and judges steps in public.

One thread: whoever waits for something polls all the rest meanwhile, so that nothing arrives late in the evidence.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.demo.screen import Screen
from tests.demo.steps import TOTAL, Finding, Score, ranges

TICK = 0.05
"""Seconds between two looks: by so much are arrivals late, at most."""

STOPPING = "what was started is stopped"


@dataclass(slots=True)
class Stage:
    screen: Screen
    score: Score
    polls: list[Callable[[], object]] = field(default_factory=list)
    witness: Callable[[], Iterable[str]] = tuple
    """Lines that are shown beside a step that failed."""

    def until(self, seen: Callable[[], bool], *, within: float) -> bool:
        """Whether it came true within so many seconds."""
        limit = time.monotonic() + within
        try:
            while not self._look_for(seen):
                if time.monotonic() > limit:
                    return False
                time.sleep(TICK)
        except BaseException:
            self.screen.doing(STOPPING)
            raise
        return True

    def _look_for(self, seen: Callable[[], bool]) -> bool:
        for poll in self.polls:
            poll()
        self.screen.tell()
        return seen()

    def rest(self, seconds: float) -> None:
        self.until(lambda: False, within=seconds)

    def judge(self, key: str, finding: Finding) -> None:
        self.screen.step(*self.score.add(key, finding), finding)
        for line in () if finding.passed else self.witness():
            self.screen.say(f"        {line}", style="dim")

    def clear(self) -> None:
        """The act is over: what it looked at is gone."""
        self.polls.clear()
        self.witness = tuple
        self.screen.picture(None)

    def close(self, *acts: int) -> None:
        """What has not run by now has failed."""
        if numbers := self.score.close(*acts):
            self.screen.say(f"did not run, so failed: {ranges(numbers)} of {TOTAL}", style="red")
