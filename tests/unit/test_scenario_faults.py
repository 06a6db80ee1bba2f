"""A scenario is played where its fault can happen: with a fault of no store it would never be, and nobody would see."""

from tests.scenarios.bench import NEED_A_MACHINE
from tests.scenarios.catalogue import SECTIONS
from tests.scenarios.places import Gateways, Sqlite
from tests.scenarios.places.contention import SharedDatabase
from tests.scenarios.places.memcached import Memcached, SeveralMemcached
from tests.scenarios.places.replica import Postgresql

PLACES = (Sqlite, SharedDatabase, Postgresql, Memcached, SeveralMemcached, Gateways)
NEEDS = {one.needs for scenarios in SECTIONS.values() for one in scenarios if one.needs}


def test_each_fault_that_a_scenario_needs_can_happen_to_a_store() -> None:
    assert {need for need in NEEDS if not any(hasattr(place, need) for place in PLACES)} == set()


def test_what_takes_a_machine_of_its_own_is_what_scenarios_need() -> None:
    assert set(NEED_A_MACHINE) <= NEEDS
