"""Nine histories of faults that overlap, on every store: no false Down, no missed death, no Unknown without a reason.

What they leave out is in `make test-scenarios`.
"""

from itertools import combinations

import pytest

from tests.scenarios.bench import Bench
from tests.scenarios.core import CORE, array
from tests.scenarios.scenario import Scenario, play


@pytest.mark.parametrize("history", CORE, ids=lambda history: history.name)
def test_no_verdict_is_wrong_while(history: Scenario, site: Bench) -> None:
    done = play(history, site)

    assert done.told() == ""
    assert set(done.figures) == {place.name for place in site.places}


def test_each_fault_meets_each_other() -> None:
    rows = list(array())
    for one, other in combinations(range(4), 2):
        assert len({(row[one], row[other]) for row in rows}) == len(rows) == 9
