"""Commands as a person would type them: shown, run, and what they print shown as it comes."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.demo.agents import ROOT
from tests.demo.evidence import Tail
from tests.demo.stage import Stage
from tests.demo.steps import ActEnded
from tests.localcluster import processes

SECONDS_FOR_A_COMMAND = 60.0
BAR = "  | "
LONGEST = 76
"""Characters of a line after the prompt: 80 columns, where our own words are concerned."""


class Commands:
    """Use it with `closing`: what watches goes on until then. `environ` is what the commands see."""

    def __init__(self, *, stage: Stage, folder: Path, environ: Mapping[str, str]) -> None:
        self._stage = stage
        self._folder = folder
        self._environ = environ
        self._children: list[processes.Child] = []

    def run(self, argv: Sequence[str | Path]) -> int:
        """The exit code; its output, errors too, is shown."""
        child = self._start(argv)
        if not self._stage.until(lambda: processes.ended(child), within=SECONDS_FOR_A_COMMAND):
            raise ActEnded(f"`{_typed(argv)}` has not ended for {SECONDS_FOR_A_COMMAND:.0f} s; see whether it hangs.")
        self._show(Tail(child.log).more().decode(errors="replace").splitlines())
        return int(child.popen.returncode)

    def require(self, argv: Sequence[str | Path]) -> None:
        """Raises ActEnded when it fails."""
        if code := self.run(argv):
            raise ActEnded(f"`{_typed(argv)}` ended with code {code}; what it says stands above.")

    def watch(self, argv: Sequence[str | Path], *, shown: bool) -> Path:
        """Run until `close`; the file that its output goes to."""
        log = self._start(argv, announced=shown).log
        if shown:
            tail = _Lines(Tail(log))
            self._stage.polls.append(lambda: self._show(tail.more()))
        return log

    def close(self) -> None:
        for child in self._children:
            processes.kill(child)

    def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._stage.screen.say(BAR + line)

    def _start(self, argv: Sequence[str | Path], *, announced: bool = True) -> processes.Child:
        if announced:
            self._stage.screen.say(f"  $ {_typed(argv)}", style="bold")
        log = self._folder / f"command-{len(self._children)}.log"
        child = processes.start(argv, log=log, environ=self._environ, folder=ROOT)
        self._children.append(child)
        return child


class _Lines:
    """Whole lines of a file that grows."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._rest = b""

    def more(self) -> list[str]:
        *lines, self._rest = (self._rest + self._tail.more()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _typed(argv: Sequence[str | Path]) -> str:
    """As one would type it beside the files, where the programs are on the PATH; a long one in two lines."""
    *words, last = (word.name if isinstance(word, Path) else shlex.quote(word) for word in argv)
    line = " ".join((*words, last))
    return line if len(line) <= LONGEST else f"{' '.join(words)} \\\n      {last}"
