"""What the demo prints: on a terminal a picture that moves below lines that stay, elsewhere lines alone.

Colours, and anything that is drawn over, only on a terminal. The lines fit 80 columns, but for what kubectl prints.
"""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tests.demo.steps import TOTAL, Finding, Step

WIDTH = 80
SECONDS_BETWEEN_LINES = (10.0, 60.0)
"""A log that nobody watches is told this often what is waited for, in the first minute and then."""


class Screen:
    """Use it as a context: a terminal gets its cursor back at the end."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, force_terminal=stream.isatty(), highlight=False, markup=False)
        self.moving = self._console.is_terminal and not self._console.is_dumb_terminal
        self._clock = clock
        self._picture: Callable[[], RenderableType] | None = None
        self._doing = ""
        self._background: Callable[[], str] | None = None
        self._since = self._told_at = clock()
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=5, transient=True)

    def __enter__(self) -> Self:
        if self.moving:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._picture, self._doing, self._background = None, "", None
        self._live.stop()

    def say(self, text: str = "", *, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def picture(self, draw: Callable[[], RenderableType] | None) -> None:
        """What moves on a terminal from now on; what was there before stays as it is."""
        if self._picture is not None and self.moving:
            self._console.print(self._picture())
        self._picture = draw

    def doing(self, text: str) -> None:
        """What is waited for from now on."""
        self._doing = text
        self._since = self._told_at = self._clock()

    def background(self, text: Callable[[], str] | None) -> None:
        """What goes on beside that."""
        self._background = text

    def tell(self) -> None:
        """Call it often: where nothing moves, a line says now and then what is waited for."""
        now = self._clock()
        first, then = SECONDS_BETWEEN_LINES
        pause = first if now - self._since <= then else then
        if self._doing and not self.moving and now - self._told_at >= pause:
            self._told_at = now
            for line in self._lines():
                self.say(f"  {line}", style="dim")

    def step(self, number: int, step: Step, finding: Finding) -> None:
        word, style = ("passed", "bold green") if finding.passed else ("FAILED", "bold red")
        took = "" if finding.took is None else f"{finding.took:.1f} s"
        line = Text(f"{number:2}/{TOTAL} ")
        line.append(word, style=style)
        title = f"  {step.title}"
        line.append(title.ljust(WIDTH - len(line) - 8) + f"{took:>8}" if took else title, style="bold")
        self._console.print(line, soft_wrap=True)
        self.say(f"        expected  {step.expected}", style="dim")
        self.say(f"        shown     {finding.shown}", style="" if finding.passed else "red")

    def _lines(self) -> Iterator[str]:
        if self._doing:
            yield f"... {self._doing} ({self._clock() - self._since:.0f} s)"
        if self._background is not None:
            yield f"... {self._background()}"

    def _render(self) -> RenderableType:
        parts = [] if self._picture is None else [self._picture()]
        lines = [Text(line, style="cyan", no_wrap=True, overflow="ellipsis") for line in self._lines()]
        return Group(*parts, *lines)
