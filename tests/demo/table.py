"""Act 1's table: what a reader of the group sees, and what was done to whom. Values come in, a drawing goes out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text
from servicegroup import Member, Verdict

STYLES = {Verdict.UP: "green", Verdict.DOWN: "bold red", Verdict.UNKNOWN: "yellow"}


def draw(names: Sequence[str], members: Mapping[str, Member], deeds: Mapping[str, str]) -> Table:
    """All names are shown, those too that are no members yet or any more."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("MEMBER", "VERDICT", "REASON", "FOR", "ITS AGENT"):
        table.add_column(title, justify="right" if title == "FOR" else "left", no_wrap=True)
    for name in names:
        table.add_row(name, *_row(members.get(name)), deeds.get(name, ""))
    return table


def _row(member: Member | None) -> tuple[Text, str, str]:
    if member is None:
        return Text("-", style="dim"), "", ""
    lasted = (datetime.now(UTC) - member.since).total_seconds()
    return Text(str(member.verdict), style=STYLES[member.verdict]), member.reason, f"{max(0.0, lasted):.0f} s"


def changes(before: Mapping[str, Member], after: Mapping[str, Member]) -> Iterable[str]:
    """A line for each member that is not what it was, for where no table can move."""
    for name in sorted({*before, *after}):
        was, now = _word(before.get(name)), _word(after.get(name))
        if was != now:
            yield f"{name}: {was} -> {now}"


def _word(member: Member | None) -> str:
    return "no member" if member is None else f"{member.verdict} ({member.reason})"
