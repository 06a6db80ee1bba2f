"""The demo's score, evidence and what it keeps: the parts that need no cluster."""

import inspect
import io
import json
import os
from pathlib import Path

import pytest
from servicegroup.liveness import Judgement, Moment, judge
from servicegroup.model import Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch

from tests.demo import agents, kept, sabotage
from tests.demo.evidence import Decisions, Said, Sightings, Tail
from tests.demo.screen import WIDTH, Screen
from tests.demo.steps import STEPS, TOTAL, ActEnded, Finding, Score, ranges
from tests.localcluster import processes

PASSED = Finding(True, "as expected", 1.0)
FAILED = Finding(False, "otherwise")


def test_steps_that_never_ran_have_failed() -> None:
    assert Score().last_line() == f"demo: 0 passed, {TOTAL} failed"


def test_all_steps_together_make_the_total() -> None:
    score = Score()
    for step in STEPS:
        score.add(step.key, PASSED)
    assert score.last_line() == f"demo: {TOTAL} passed, 0 failed"
    assert len({step.key for step in STEPS}) == TOTAL


def test_a_step_counts_as_it_was_found_first() -> None:
    score = Score()
    score.add("joined", FAILED)
    score.add("joined", PASSED)
    assert 2 in score.failed()


def test_an_act_that_ended_early_is_told_once() -> None:
    score = Score()
    score.add("first", PASSED)
    rest = score.close(1)
    assert rest == [number for number, step in enumerate(STEPS, start=1) if step.act == 1][1:]
    assert score.close(1) == []


RANGES = {"none": ([], ""), "one": ([4], "4"), "a run": ([4, 5, 6], "4-6"), "both": ([1, 4, 5, 9], "1, 4-5, 9")}


@pytest.mark.parametrize(("numbers", "text"), RANGES.values(), ids=RANGES.keys())
def test_numbers_are_told_in_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


def test_every_step_fits_the_screen_and_carries_no_colour_into_a_file() -> None:
    stream = io.StringIO()
    with Screen(stream) as screen:
        for number, step in enumerate(STEPS, start=1):
            screen.step(number, step, Finding(True, "", 1000.0))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3 * TOTAL
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in stream.getvalue()


def test_half_a_decision_waits_for_its_other_half(tmp_path: Path) -> None:
    file = tmp_path / "decisions"
    decisions = Decisions(Tail(file))
    assert decisions.poll() == []
    said = {"verdict": "Up", "reason": "Beating", "since": 1.5}
    line = json.dumps(
        {
            "time": 2.0,
            "group": "default/g",
            "member": "rack:1 ü",
            "before": None,
            "after": said,
            "silentForSeconds": 0.1,
            "watched": False,
        },
        ensure_ascii=False,
    )
    data = f"{line}\n".encode()
    middle = data.index("ü".encode()) + 1
    file.write_bytes(data[:middle])
    assert decisions.poll() == []
    with file.open("ab") as more:
        more.write(data[middle:])
    (decision,) = decisions.poll()
    assert (decision.member, decision.before, decision.after) == ("rack:1 ü", None, Said("Up", "Beating", "1.5"))
    assert decisions.poll() == []


def test_documents_are_read_as_they_arrive(tmp_path: Path) -> None:
    file = tmp_path / "watch"
    members = [{"member": "a", "verdict": "Up", "reason": "Beating", "since": "then"}]
    group = {"metadata": {"namespace": "default", "name": "g"}, "status": {"members": members}}
    text = json.dumps({"metadata": group["metadata"]}, indent=2) + "\n" + json.dumps(group, indent=2) + "\n"
    sightings = Sightings(Tail(file))
    file.write_text(text[:-30], encoding="utf-8")
    assert [dict(seen.members) for seen in sightings.poll()] == [{}]
    with file.open("a", encoding="utf-8") as more:
        more.write(text[-30:])
    assert [dict(seen.members) for seen in sightings.poll()] == [{"a": Said("Up", "Beating", "then")}]


def test_the_sabotaged_operator_finds_nobody_dead_and_nothing_else() -> None:
    seen = Observation("one", 5, 10.0, State.BEATING, beat=0.0, fresh=None)
    watch = Watch(sight=0.0, store_back=0.0, healthy=100.0)
    moment = Moment(now=100.0, wall=100.0, healthy=True, last_sight=99.0)
    before = Judgement(Verdict.UP, Reason.BEATING, 1.0, 1.0)
    said = sabotage.deaf(before, seen, policy=Policy(10.0, 60.0), watch=watch, moment=moment)
    assert said is not None
    assert (said.verdict, said.reason) == (Verdict.UP, Reason.BEATING)


def test_the_sabotaged_rule_is_called_as_the_rule_is() -> None:
    assert inspect.signature(sabotage.deaf) == inspect.signature(judge)


def test_what_is_kept_stands_under_the_state_folder() -> None:
    assert kept.folder({"XDG_STATE_HOME": "/state"}) == Path("/state/servicegroup/demo")
    assert kept.folder({"XDG_STATE_HOME": "relative"}) == kept.folder({})


def test_nothing_kept_is_nothing_to_stop(tmp_path: Path) -> None:
    assert "nothing to stop" in kept.stop(tmp_path / "demo")


def test_a_folder_in_which_nothing_runs_goes(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with kept.claimed(home):
        assert home.is_dir()
    assert not home.exists()


def test_one_demo_is_kept_at_a_time_and_stopped_by_its_records(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with kept.claimed(home):
        child = processes.start(["sleep", "600"], log=home / "log", environ=os.environ, folder=home)
        processes.record({"agent": child}, file=home / agents.RECORD)
    assert home.is_dir()
    with pytest.raises(ActEnded, match="make demo-stop"), kept.claimed(home):
        pass
    assert "Stopped 1 processes" in kept.stop(home)
    assert processes.ended(child, within=5.0)
    assert not home.exists()
