"""The long shake's plan: repeatable, and no more at once than the verdicts can be judged by."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenarios.plan import API_SERVER, MOST_SILENT, OPERATOR, Act, plan

CREWS = [f"crew-{number}" for number in range(10)]
FAULTS = {
    "sqlite": ["paused"],
    "postgresql": ["paused", "down"],
    OPERATOR: ["stopped", "restarted"],
    API_SERVER: ["killed"],
}
TEN_MINUTES, DOWN_TIME = 600.0, 30.0


def planned(seed: int) -> list[Act]:
    return plan(seed=seed, seconds=TEN_MINUTES, down_time=DOWN_TIME, faults=FAULTS, crews=CREWS)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_seed_tells_it_all_and_no_target_suffers_two_faults_at_once(seed: int) -> None:
    acts = planned(seed)

    assert acts == planned(seed)
    assert max(act.at for act in acts) < TEN_MINUTES
    assert max(act.at + act.lasts for act in acts) <= TEN_MINUTES + 2 * DOWN_TIME
    for one in acts:
        meanwhile = [act for act in acts if act is not one and act.at <= one.at < act.at + act.lasts]
        assert (one.target, one.crew) not in {(act.target, act.crew) for act in meanwhile}
        if one.target in (OPERATOR, API_SERVER):
            assert not {act.target for act in meanwhile} & {OPERATOR, API_SERVER}
        silent = Counter(act.target for act in [*meanwhile, one] if act.crew)
        assert max(silent.values(), default=0) <= MOST_SILENT * len(CREWS)


def test_another_seed_is_another_shake_and_each_fault_comes() -> None:
    assert planned(1) != planned(2)
    assert {(act.target, act.fault) for act in planned(1) if not act.crew} == {
        (target, fault) for target, faults in FAULTS.items() for fault in faults
    }
    assert {act.fault for act in planned(1) if act.crew} == {"killed", "suspended", "leaves"}
