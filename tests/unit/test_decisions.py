"""What is told of a pass: an Event's text for each kind of change, and the file of decisions with their evidence."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from servicegroup.evaluation import Transition
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Reason, Verdict
from servicegroup.operator import decisions
from servicegroup.operator.decisions import Notice

KEY = GroupKey("nova", "compute")
WALL = 1_800_000_000.1239
UP = Published(Verdict.UP, Reason.BEATING, WALL - 5000)
DOWN = Published(Verdict.DOWN, Reason.SILENT, WALL)
FORCED = Published(Verdict.DOWN, Reason.FORCED_DOWN, WALL)
UNKNOWN = Published(Verdict.UNKNOWN, Reason.STORE_UNREACHABLE, WALL)
MISSING = Published(Verdict.UNKNOWN, Reason.MISSING, WALL)
DISABLED = Published(Verdict.UP, Reason.BEATING, WALL - 5000, disabled=True)
DRAINING = Published(Verdict.UP, Reason.BEATING, WALL - 5000, draining=True)


def change(member: str, before: Published | None, after: Published | None) -> Transition:
    return Transition(member, before, after, 60.5, watched=True)


def test_of_many_deaths_one_notice_names_the_first_and_counts_the_rest() -> None:
    (told,) = decisions.notices(change(f"node-{number:02}", UP, DOWN) for number in range(37))

    first = ", ".join(f"node-{number:02}" for number in range(10))
    assert told == Notice("MembersDown", f"37 members down (Silent): {first}, ... (+27)", warning=True)


@dataclass(frozen=True)
class Told:
    before: Published | None
    after: Published | None
    reason: str | None
    words: str = ""
    warning: bool = False
    forgotten: bool = False


TOLD = {
    "a member died": Told(UP, DOWN, "MembersDown", "1 member down (Silent): a", warning=True),
    "a member was forced down": Told(UP, FORCED, "MembersDown", "1 member down (ForcedDown): a", warning=True),
    "a dead member was forced down": Told(DOWN, FORCED, "MembersDown", "1 member down (ForcedDown): a", warning=True),
    "a member came back": Told(DOWN, UP, "MembersUp", "1 member up: a"),
    "a member joined": Told(None, UP, "MembersUp", "1 member up: a"),
    "a member left": Told(UP, None, "MembersLeft", "1 member left: a"),
    "a member cannot be judged": Told(
        UP, UNKNOWN, "MembersUnknown", "1 member unknown (StoreUnreachable): a", warning=True
    ),
    "a member was forgotten": Told(DOWN, None, "MembersForgotten", "1 member forgotten: a", forgotten=True),
    "a member is missing": Told(None, MISSING, "MembersUnknown", "1 member unknown (Missing): a", warning=True),
    "a member was disabled": Told(UP, DISABLED, None),
    "a member drains": Told(UP, DRAINING, None),
}


@pytest.mark.parametrize("case", TOLD.values(), ids=TOLD.keys())
def test_what_is_told_when(case: Told) -> None:
    told = decisions.notices([replace(change("a", case.before, case.after), forgotten=case.forgotten)])

    assert told == ([] if case.reason is None else [Notice(case.reason, case.words, warning=case.warning)])


def test_each_kind_of_change_in_a_pass_has_one_notice_of_its_own() -> None:
    told = decisions.notices(
        [
            change("a", UP, DOWN),
            change("b", DOWN, UP),
            change("c", UP, DOWN),
            change("d", UP, None),
            change("e", UP, FORCED),
        ]
    )

    assert [notice.message for notice in told] == [
        "2 members down (Silent): a, c",
        "1 member up: b",
        "1 member left: d",
        "1 member down (ForcedDown): e",
    ]


def test_nothing_changed_and_nothing_is_told() -> None:
    assert decisions.notices([]) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "n0"),
        (10, "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9"),
        (11, "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, ... (+1)"),
    ],
)
def test_ten_names_are_shown(count: int, text: str) -> None:
    assert decisions.shown([f"n{number}" for number in range(count)]) == text


def test_deaths_are_warned_of_in_the_log_and_returns_are_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="servicegroup.operator")
    decisions.log(KEY, decisions.notices([change("a", UP, DOWN), change("b", DOWN, UP)]))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "group nova/compute: 1 member down (Silent): a"),
        ("INFO", "group nova/compute: 1 member up: b"),
    ]


def test_each_transition_is_a_line_of_json_with_its_evidence(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    decisions.append(file, KEY, [change('節點 "7"\u2028', UP, DOWN)], down_time=60.0, wall=WALL)
    joined = Transition("b", None, UP, None, watched=False)
    decisions.append(file, KEY, [joined, change("c", UP, None)], down_time=60.0, wall=WALL + 1)

    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    assert lines[0] == {
        "time": 1_800_000_000.124,
        "group": "nova/compute",
        "member": '節點 "7"\u2028',
        "before": {"verdict": "Up", "reason": "Beating", "since": WALL - 5000},
        "after": {"verdict": "Down", "reason": "Silent", "since": WALL},
        "silentForSeconds": 60.5,
        "downTimeSeconds": 60.0,
        "watched": True,
    }
    assert (lines[1]["before"], lines[1]["silentForSeconds"], lines[1]["watched"]) == (None, None, False)
    assert lines[2]["after"] is None
    assert len(lines) == 3


def test_a_file_that_cannot_be_written_is_no_obstacle_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decisions.append(tmp_path, KEY, [change("a", UP, DOWN)], down_time=60.0, wall=WALL)
    decisions.append(tmp_path / "absent" / "file", KEY, [change("a", UP, DOWN)], down_time=60.0, wall=WALL)

    assert len([record for record in caplog.records if "decisions are not recorded" in record.getMessage()]) == 2
