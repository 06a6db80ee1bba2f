"""The pure part of `make compare`: what was said becomes figures, and figures a table."""

from itertools import pairwise

import pytest

from tests.compare.faults import ON_NODES, Fault, bystanders, nodes, struck
from tests.compare.glance import glance
from tests.compare.novas import configuration
from tests.compare.observations import Deaths, Figures, Round, figures
from tests.compare.systems import SYSTEMS, Kind, named, scaled
from tests.compare.table import render


def rounds(*said: dict[str, str], start: float = 0.0) -> list[Round]:
    """One a second, each answered after a tenth."""
    return [
        Round(
            start + at,
            start + at + 0.1,
            {name: (verdict, "why" if verdict == "down" else "") for name, verdict in one.items()},
        )
        for at, one in enumerate(said)
    ]


UP, DOWN, UNKNOWN = {"a": "up", "b": "up"}, {"a": "down", "b": "up"}, {"a": "unknown", "b": "up"}


def test_a_death_is_published_with_the_first_answer_that_was_asked_for_after_it() -> None:
    found = figures(rounds(UP, DOWN, UP, DOWN, DOWN), struck=["a"], living=["b"], since=1.05, until=9.0)
    assert (found.deaths.struck, found.deaths.early) == (1, 0)
    assert found.deaths.seconds == pytest.approx((2.05,))
    assert found.deaths.reasons == ("why",)


def test_a_death_that_nobody_speaks_of_is_missing() -> None:
    found = figures(rounds(UP, UP, UNKNOWN), struck=["a"], living=[], since=0.0, until=9.0)
    assert found.deaths == Deaths(1, (), ())
    assert found.deaths.spread is None


def test_who_was_published_before_the_fault_tells_nothing_of_the_time_after_it() -> None:
    found = figures(rounds(UP, DOWN, DOWN, DOWN), struck=["a", "b"], living=[], since=1.5, until=9.0)
    assert (found.deaths.struck, found.deaths.seconds, found.deaths.early) == (2, (), 1)


def test_the_spread_is_least_median_and_greatest() -> None:
    assert Deaths(4, (1.0, 2.0, 9.0), ()).spread == (1.0, 2.0, 9.0)


def test_a_false_death_lasts_until_the_next_answer_that_takes_it_back() -> None:
    found = figures(rounds(UP, DOWN, DOWN, UP, UP), struck=[], living=["a", "b"], since=0.0, until=9.0)
    assert (found.living, found.false) == (2, 1)
    assert found.false_seconds == pytest.approx(2.0)


def test_a_false_death_that_is_never_taken_back_lasts_until_the_end() -> None:
    found = figures(rounds(UP, DOWN), struck=[], living=["a"], since=0.0, until=9.1)
    assert found.false_seconds == pytest.approx(8.0)


def test_no_answer_takes_nothing_back_and_is_counted() -> None:
    found = figures(rounds(UP, DOWN, {}, {}, {}, UP, UP), struck=[], living=["a"], since=0.0, until=6.1)
    assert found.false_seconds == pytest.approx(4.0)
    assert found.unanswered == pytest.approx(4.0)


def test_unknown_is_no_death_and_its_seconds_are_counted() -> None:
    found = figures(rounds(UP, UNKNOWN, UNKNOWN, UP, UP), struck=[], living=["a"], since=0.0, until=4.1)
    assert (found.false, found.false_seconds) == (0, 0)
    assert found.unknown_seconds == pytest.approx(2.0)


def test_who_was_never_spoken_of_is_an_error_and_not_alive() -> None:
    with pytest.raises(ValueError, match="nothing was ever said of c"):
        figures(rounds(UP, UP), struck=[], living=["a", "c"], since=0.0, until=9.0)


def test_at_most_half_of_the_living_fall_silent_at_once() -> None:
    """More, and our brake would hold them: by intent, and measured nowhere here."""
    names = nodes(Fault, members=4)
    silent = [name for fault in (Fault.POWER_OFF, Fault.AGENT_KILLED, Fault.PARTITION) for name in struck(fault, names)]
    assert len(silent) * 2 <= len(silent) + len(bystanders(names))


def test_each_fault_of_nodes_has_nodes_of_its_own() -> None:
    names = nodes(Fault, members=3)
    found = [set(struck(fault, names)) for fault in ON_NODES] + [set(bystanders(names))]
    assert all(found)
    assert sum(map(len, found)) == len(names) == len(set(names))


def test_systems_are_named_by_the_beginning_of_their_names() -> None:
    assert [one.name for one in named(["nova-mc", "ours-fast"])] == [
        "ours-fast", "nova-mc-pool", "nova-mc-memcached", "nova-mc-pymemcache",
    ]  # fmt: skip
    assert named(list(Kind)) == list(SYSTEMS.values())
    with pytest.raises(ValueError, match="novas: no such system; there are ours-mariadb"):
        named(["novas"])


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.2, 0.01])
def test_a_scale_keeps_the_ratio_of_interval_and_down_time(scale: float) -> None:
    for system in SYSTEMS.values():
        small = scaled(system, scale)
        assert small.interval >= 1
        assert small.down_time / small.interval >= system.down_time / system.interval
    assert [scaled(one, 1.0) for one in SYSTEMS.values()] == list(SYSTEMS.values())


def test_novas_configuration_says_nothing_that_has_a_default() -> None:
    text = configuration(SYSTEMS["nova-mc-pool"], connection="mysql+pymysql://a", cache="b:1", more={})
    assert [line.split(" = ")[0] for line in text.splitlines() if "=" in line] == [
        "transport_url", "servicegroup_driver", "report_interval", "service_down_time", "connection",
        "enabled", "backend", "memcache_servers",
    ]  # fmt: skip
    assert "[cache]" not in configuration(SYSTEMS["nova-db-default"], connection="c", cache="b:1", more={})


def test_the_table_has_a_line_for_each_system_and_says_why_one_was_not_run() -> None:
    dead = Figures(Deaths(2, (50.0, 61.25), ("Silent",)), 8, 1, 3.0, 0.0, 1.0)
    systems = [SYSTEMS[name] for name in ("ours-mariadb", "nova-db-default", "kubernetes-node")]
    text = render(
        {"ours-mariadb": dict.fromkeys(Fault, dead), "nova-db-default": dict.fromkeys(Fault, dead)},
        systems=systems,
        faults=[Fault.POWER_OFF, Fault.AGENT_KILLED, Fault.DATABASE_PAUSED],
        absent={"kubernetes-node": "needs root"},
        options=" --scale 0.5",
    )
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in text.split("### ")[1:]]
    power_off, agent_killed, paused = tables
    assert power_off[2] == (
        "| this project, MariaDB | 10/60 | 2 of 2 | 50.0 | 55.6 | 61.2 | Silent | 1 of 8, for 3.0 "
        "| `--only power-off --systems ours-mariadb --scale 0.5` |"
    )
    assert "not run: needs root" in power_off[4]
    assert "not concerned: there is no agent" in agent_killed[3]
    assert "| 1 of 8 | 3.0 | 0 | 1.0 |" in paused[2]
    for table in tables:
        assert len(table) == 2 + len(systems)
        assert all(one.count("|") == other.count("|") for one, other in pairwise(table))


def test_at_a_glance_a_fault_of_nodes_has_its_median_and_one_of_stores_who_was_falsely_dead() -> None:
    def of(*seconds: float, false: int = 0, early: int = 0) -> Figures:
        return Figures(Deaths(3, seconds, (), early), 8, false, 0.0, 0.0, 0.0)

    text = glance(
        {
            "ours-mariadb": {Fault.POWER_OFF: of(50.0, 60.0, 61.0), Fault.DATABASE_PAUSED: of()},
            "nova-db-default": {Fault.POWER_OFF: of(50.0, 54.0, false=2), Fault.DATABASE_PAUSED: of(false=8)},
            "kubernetes-node": {Fault.POWER_OFF: of()},
        },
        systems=[SYSTEMS[name] for name in ("ours-mariadb", "nova-db-default", "kubernetes-node")],
        faults=[Fault.POWER_OFF, Fault.DATABASE_PAUSED],
    )
    assert [line.split(" | ", 1)[1] for line in text.splitlines()] == [
        "I/T | power-off | database-paused |",
        "--- | --- | --- |",
        "10/60 | 60 s | none false |",
        "10/60 | 52 s, 2 of 3; **2 of 8 false** | **8 of 8 false** |",
        "10/50 | never |  |",
    ]
