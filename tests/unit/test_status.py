"""The status of the resource: what it says, that it stays small and still, and that the next operator can read it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from servicegroup.evaluation import View, advance
from servicegroup.liveness import Published
from servicegroup.model import Fact, GroupKey, GroupSpec, Override, Policy, Reason, State, Verdict
from servicegroup.observation import Pass, Watch
from servicegroup.operator.conditions import StoreSight
from servicegroup.operator.status import Moving, published_in, refuse, render, timestamp

KIBIBYTES = 1024
NOW = 5000.0
WALL = 1_800_000_000.0
SPEC = GroupSpec(key=GroupKey("nova", "compute"), policy=Policy(10.0, 60.0), generation=3)
ANSWERING = StoreSight(None, read_once=True)
SEEN = Watch(ended=NOW, healthy=NOW, sight=0.0, store_back=0.0, epoch="e")

UP = Published(Verdict.UP, Reason.BEATING, WALL - 5000)
DOWN = Published(Verdict.DOWN, Reason.SILENT, WALL - 500)
FORCED = Published(Verdict.DOWN, Reason.FORCED_DOWN, WALL - 400)
MISSING = Published(Verdict.UNKNOWN, Reason.MISSING, WALL - 300)


def view(members: Mapping[str, Published], *, watch: Watch = SEEN, publication: int = 7) -> View:
    return View(watch=watch, published=members, publication=publication)


def status_of(seen: View, *, before: Mapping[str, Any] | None = None, sight: StoreSight = ANSWERING) -> dict[str, Any]:
    return render(seen, spec=SPEC, before=before or {}, driver="db", sight=sight, now=NOW, wall=WALL)


def condition(status: Mapping[str, Any], kind: str) -> tuple[str, str]:
    (found,) = (item for item in status["conditions"] if item["type"] == kind)
    return found["status"], found["reason"]


def kept_by_the_server(status: Mapping[str, Any]) -> int:
    """Bytes as Go writes JSON: UTF-8, and six bytes for each character that could end a script in HTML."""
    text = json.dumps(status, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) + sum(5 * text.count(c) for c in "<>&") + sum(3 * text.count(c) for c in "\u2028\u2029")


def test_a_group_of_all_kinds_of_members_is_counted_and_the_counts_add_up() -> None:
    status = status_of(
        view(
            {
                "a": UP,
                "b": replace(UP, disabled=True),
                "c": replace(UP, draining=True),
                "d": DOWN,
                "e": replace(FORCED, disabled=True),
                "f": MISSING,
                "g": replace(MISSING, reason=Reason.NOT_WATCHING),
            }
        )
    )

    assert status["counts"] == {
        "total": 7,
        "up": 3,
        "down": 2,
        "unknown": 2,
        "forcedDown": 1,
        "disabled": 2,
        "draining": 1,
        "missing": 1,
        "summary": "3/7",
    }


def test_what_a_status_says_beside_its_members() -> None:
    status = status_of(view({"a": UP}))

    assert {name: status[name] for name in ("observedGeneration", "publication", "driver", "effective")} == {
        "observedGeneration": 3,
        "publication": 7,
        "driver": "db",
        "effective": {"reportIntervalSeconds": 10, "serviceDownTimeSeconds": 60, "promisedIntervalSeconds": 0},
    }
    assert status["checkedTime"] == "2027-01-15T08:00:00Z"
    assert {item["type"]: item["status"] for item in status["conditions"]} == {
        "Moving": "False",
        "Held": "False",
        "Available": "True",
        "Ready": "True",
        "StoreReachable": "True",
        "Stalled": "False",
        "DuplicateMember": "False",
    }


def test_a_status_says_by_which_store_the_group_is_judged_and_where_it_came_from() -> None:
    spec = replace(SPEC, store="new")
    way = Moving(stores=("old", "older"), alone=("a",), unread=(), unrecorded=())
    before: dict[str, Any] = {}
    for moving in (way, Moving()):
        before = render(
            view({"a": UP}), spec=spec, before=before, driver="mc", sight=ANSWERING, moving=moving, now=NOW, wall=WALL
        )
        assert (before["store"], before["driver"]) == ("new", "mc")
        assert before.get("movingFrom") == (["old", "older"] if moving is way else None)
        assert condition(before, "Moving")[0] == ("True" if moving is way else "False")


def test_the_settings_in_force_are_whole_seconds_and_those_of_a_store_never_read_stay_as_they_were() -> None:
    """A new operator does not know yet how many members share the store."""
    spec = replace(SPEC, policy=Policy(33.0, 198.5))
    promised = replace(view({"a": UP}), promised=100.5)
    effective = {"reportIntervalSeconds": 33, "serviceDownTimeSeconds": 199, "promisedIntervalSeconds": 101}
    read = render(promised, spec=spec, before={}, driver="db", sight=ANSWERING, now=NOW, wall=WALL)
    unread = status_of(view({"a": UP}, watch=Watch()), before=read)

    assert read["effective"] == effective
    assert unread["effective"] == effective
    assert status_of(view({"a": UP}), before=unread)["effective"]["reportIntervalSeconds"] == 10


def test_a_large_group_that_moves_keeps_its_counts_until_the_store_it_left_has_told_its_members() -> None:
    crowd: dict[str, Published] = {f"node-{number}": UP for number in range(200)} | {"dead": DOWN}
    before = status_of(view(crowd))
    known = view({"dead": DOWN})
    for unread in (("old",), ()):
        status = render(
            known,
            spec=SPEC,
            before=before,
            driver="db",
            sight=ANSWERING,
            moving=Moving(stores=("old",), unrecorded=unread),
            now=NOW,
            wall=WALL,
        )
        assert status["counts"]["total"] == (201 if unread else 1)


def test_the_time_of_the_check_is_that_of_the_last_healthy_pass() -> None:
    late = replace(SEEN, healthy=NOW - 90.0)

    assert status_of(view({"a": UP}, watch=late))["checkedTime"] == timestamp(WALL - 90.0)


def test_of_a_store_never_read_no_check_is_claimed_and_an_earlier_one_stays() -> None:
    unseen = view({"a": UP}, watch=Watch())

    assert "checkedTime" not in status_of(unseen)
    assert status_of(unseen, before={"checkedTime": timestamp(WALL - 9)})["checkedTime"] == timestamp(WALL - 9)


def test_a_group_of_dead_hypervisors_is_ready() -> None:
    status = status_of(view({"a": DOWN, "b": DOWN, "c": DOWN}))

    assert condition(status, "Ready")[0] == "True"
    assert condition(status, "Available") == ("False", "TooFewUp")


def test_a_group_over_a_store_that_is_out_is_of_unknown_availability() -> None:
    blind = replace(SEEN, broken=True, healthy=NOW - 30)
    status = status_of(view({"a": UP}, watch=blind), sight=StoreSight("store db: refused", read_once=True))

    assert condition(status, "Available") == ("Unknown", "StoreUnreachable")
    assert condition(status, "StoreReachable") == ("False", "StoreUnavailable")


def test_a_group_in_which_no_death_could_be_found_for_2t_is_not_ready() -> None:
    status = status_of(view({"a": UP}, watch=replace(SEEN, blind=NOW - 121)))

    assert condition(status, "Ready") == ("False", "NotWatching")


def test_who_is_not_up_is_listed_down_first_then_unknown_oldest_first() -> None:
    status = status_of(
        view(
            {
                "late-unknown": replace(MISSING, since=WALL - 10),
                "early-unknown": replace(MISSING, since=WALL - 9000),
                "late-down": replace(DOWN, since=WALL - 20),
                "b-early-down": replace(DOWN, since=WALL - 200),
                "a-early-down": replace(FORCED, since=WALL - 200),
                "up": UP,
            }
        )
    )

    names = [entry["member"] for entry in status["notUp"]]
    assert names == ["a-early-down", "b-early-down", "late-down", "early-unknown", "late-unknown"]
    assert status["notUp"][0] == {
        "member": "a-early-down",
        "verdict": "Down",
        "reason": "ForcedDown",
        "since": timestamp(WALL - 200),
    }
    assert status["notUpTruncated"] is False


def test_the_list_of_who_is_not_up_ends_at_a_hundred_and_says_so() -> None:
    hundred = {f"node-{number:03}": DOWN for number in range(100)}
    exactly = status_of(view(hundred))
    more = status_of(view(hundred | {"node-100": DOWN}))

    assert (len(exactly["notUp"]), exactly["notUpTruncated"]) == (100, False)
    assert (len(more["notUp"]), more["notUpTruncated"]) == (100, True)
    assert more["counts"]["down"] == 101


SUMMARIES = {
    "nobody": ([], ""),
    "two": (["node-7", "node-9"], "node-7,node-9"),
    "many": (
        [f"node-{number:04}" for number in range(390)],
        "node-0000,node-0001,node-0002,node-0003,node-0004,node-0005,+384",
    ),
}


@pytest.mark.parametrize(("names", "summary"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_the_wide_column_names_the_first_who_are_not_up(names: list[str], summary: str) -> None:
    assert status_of(view(dict.fromkeys(names, DOWN)))["notUpSummary"] == summary


def test_the_wide_column_pushes_no_other_column_off_the_screen() -> None:
    long = status_of(view({"機" * 253: DOWN, "b" * 253: DOWN}))["notUpSummary"]

    assert len(long) < 80
    assert long.endswith("…,+1")


def test_all_members_are_listed_up_to_a_hundred_with_their_marks() -> None:
    status = status_of(view({"b": replace(UP, draining=True), "a": replace(DOWN, disabled=True), "c": UP}))

    assert [entry["member"] for entry in status["members"]] == ["a", "b", "c"]
    assert [entry.get("draining", False) for entry in status["members"]] == [False, True, False]
    assert [entry.get("disabled", False) for entry in status["members"]] == [True, False, False]


def test_members_are_listed_up_to_exactly_a_hundred() -> None:
    hundred = {f"node-{number:03}": UP for number in range(100)}

    assert len(status_of(view(hundred))["members"]) == 100
    assert "members" not in status_of(view(hundred | {"node-100": UP}))


NAMES = {
    "of a script of four bytes": "\U0001f5a5" * 247,
    "of quotes and backslashes": '"\\' * 123,
    "of angle brackets and ampersands": "<&>" * 82,
    "of line separators": "\u2028" * 247,
    "of letters": "x" * 247,
}


@pytest.mark.parametrize("stem", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("total", [100, 10_000])
def test_a_status_stays_under_128_kib_with_names_of_253_characters(stem: str, total: int) -> None:
    status = status_of(view({f"{stem}{number:06}": DOWN for number in range(total)}))

    assert kept_by_the_server(status) < 128 * KIBIBYTES
    assert status["counts"]["total"] == status["counts"]["down"] == total
    assert status["notUp"]
    assert status["notUpTruncated"] is (len(status["notUp"]) < total)
    assert "members" not in status or len(status["members"]) == total


def test_a_status_stays_under_128_kib_when_both_of_its_lists_are_as_full_as_they_get() -> None:
    marked = replace(DOWN, disabled=True, draining=True)
    for length in range(1, 248):
        status = status_of(view({f"{'🖥' * length}{number:06}": marked for number in range(100)}))

        assert kept_by_the_server(status) < 128 * KIBIBYTES


def test_a_status_stays_under_128_kib_with_100_000_members_of_the_longest_names() -> None:
    stem = "\U0001f5a5" * 247
    status = status_of(view({f"{stem}{number:06}": DOWN for number in range(100_000)}))

    assert kept_by_the_server(status) < 128 * KIBIBYTES
    assert status["counts"]["summary"] == "0/100000"
    assert status["notUpSummary"].endswith(",+99999")


def facts(count: int, *, sequence: int) -> tuple[Fact, ...]:
    return tuple(Fact(f"node-{n}", f"one-{n}", sequence, 10.0, State.BEATING, 0.5) for n in range(count))


def beaten(seen: View, *, sequence: int, second: float) -> View:
    after, _ = advance(
        seen, Pass(second - 0.1, second, "e", facts(12, sequence=sequence)), spec=SPEC, wall=WALL + second
    )
    return after


def test_no_field_changes_when_there_are_beats_alone() -> None:
    seen = beaten(View(), sequence=1, second=1.0)
    before: dict[str, Any] = {}
    statuses = []
    for second in range(2, 12):
        seen = beaten(seen, sequence=second, second=float(second))
        before = render(
            seen, spec=SPEC, before=before, driver="db", sight=ANSWERING, now=float(second), wall=WALL + second
        )
        statuses.append(before)

    checked = {status.pop("checkedTime") for status in statuses}
    assert len(checked) == 10
    assert all(status == statuses[0] for status in statuses)
    assert statuses[0]["counts"]["up"] == 12


MARKED = replace(UP, disabled=True, draining=True)
ALL_KINDS = {
    "up": UP,
    "marked": MARKED,
    "silent": DOWN,
    "forced": FORCED,
    "missing": MISSING,
    **{str(reason): Published(Verdict.UNKNOWN, reason, WALL - 77) for reason in Reason},
}


def test_what_a_status_says_of_each_member_the_next_operator_reads_from_it() -> None:
    through_the_server = json.loads(json.dumps(status_of(view(ALL_KINDS))))

    assert published_in(through_the_server) == ALL_KINDS


def test_of_a_large_group_the_next_operator_reads_who_is_not_up() -> None:
    crowd = {f"node-{number}": UP for number in range(200)}

    assert published_in(status_of(view(crowd | {"dead": DOWN, "fenced": FORCED}))) == {"dead": DOWN, "fenced": FORCED}


def test_of_a_group_without_members_the_next_operator_reads_none() -> None:
    assert published_in(status_of(view({}))) == {}
    assert published_in({}) == {}


def test_the_words_of_a_later_version_are_read_as_a_verdict_for_a_reason_unknown() -> None:
    entry = {"member": "a", "verdict": "Unknown", "reason": "Cosmic", "since": timestamp(WALL)}

    assert published_in({"members": [entry]}) == {"a": Published(Verdict.UNKNOWN, Reason.NOT_WATCHING, WALL)}


def test_a_new_operator_leaves_a_large_groups_counts_and_lists_alone_until_it_has_read_the_store() -> None:
    crowd: dict[str, Published] = {f"node-{number}": UP for number in range(200)} | {"dead": DOWN}
    before = status_of(view(crowd))
    starting = view({"dead": DOWN}, watch=Watch())
    unread = status_of(starting, before=before, sight=StoreSight("store db: refused", read_once=False))

    for name in ("counts", "notUp", "notUpTruncated", "notUpSummary", "checkedTime"):
        assert unread[name] == before[name]
    assert "members" not in unread
    assert condition(unread, "Available")[0] == "Unknown"

    read = status_of(view(crowd | {"dead": UP}), before=unread)
    assert (read["counts"]["summary"], read["notUp"]) == ("201/201", [])


def test_a_group_that_cannot_be_evaluated_keeps_what_was_published_and_is_told_why() -> None:
    before = status_of(view({"a": UP, "b": DOWN}))
    refused = refuse(
        "spec.x is wrong", reason="InvalidSpec", permanent=True, generation=4, before=before, wall=WALL + 9
    )

    for name in ("counts", "members", "notUp", "checkedTime", "publication"):
        assert refused[name] == before[name]
    assert refused["observedGeneration"] == 4
    assert condition(refused, "Ready") == ("False", "InvalidSpec")
    assert condition(refused, "Stalled") == ("True", "InvalidSpec")
    assert condition(refused, "Available")[0] == "Unknown"
    assert "spec.x is wrong" in json.dumps(refused["conditions"])


def test_a_group_that_may_be_evaluated_yet_is_not_stalled() -> None:
    refused = refuse("no file", reason="StoreMisconfigured", permanent=False, generation=1, before={}, wall=WALL)

    assert condition(refused, "Ready")[0] == "False"
    assert condition(refused, "Stalled")[0] == "False"


def test_a_member_forced_down_is_counted_within_the_down_and_its_beats_go_on_beneath() -> None:
    spec = replace(SPEC, overrides={"node-1": Override(forced_down=True)})
    seen = View()
    for second in (1.0, 2.0):
        seen, _ = advance(seen, Pass(second - 0.1, second, "e", facts(3, sequence=int(second))), spec=spec, wall=WALL)
    forced = render(seen, spec=spec, before={}, driver="db", sight=ANSWERING, now=2.0, wall=WALL)
    seen, _ = advance(seen, Pass(2.9, 3.0, "e", facts(3, sequence=3)), spec=SPEC, wall=WALL)
    freed = render(seen, spec=SPEC, before=forced, driver="db", sight=ANSWERING, now=3.0, wall=WALL)

    assert (forced["counts"]["down"], forced["counts"]["forcedDown"], forced["counts"]["up"]) == (1, 1, 2)
    assert freed["counts"]["up"] == 3


ANYTHING: dict[str, dict[str, Any]] = {
    "an entry without a time": {"members": [{"member": "a", "verdict": "Down", "reason": "Silent"}]},
    "an entry whose time is none": {"members": [{"member": "a", "verdict": "Down", "reason": "Silent", "since": "x"}]},
    "an entry without a verdict": {"notUp": [{"member": "a", "since": "2026-01-31T23:59:59Z"}]},
    "an entry without a name": {"notUp": [{"verdict": "Down", "since": "2026-01-31T23:59:59Z"}]},
    "counts without numbers": {"counts": {"total": 1000}, "checkedTime": "yesterday"},
    "a condition without a time": {"conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize("before", ANYTHING.values(), ids=ANYTHING)
def test_a_status_that_somebody_else_wrote_is_survived_and_written_over(before: Mapping[str, Any]) -> None:
    assert published_in(before) == {}
    after = status_of(view({"b": DOWN}), before=before)

    assert [entry["member"] for entry in after["members"]] == ["b"]
    assert all(condition["lastTransitionTime"] for condition in after["conditions"])
