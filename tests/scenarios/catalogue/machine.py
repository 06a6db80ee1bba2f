"""What becomes of a store's disk, and of the network before it."""

from functools import partial

from tests.scenarios.catalogue.stores import MAX_HOLD, for_a_time, unheard
from tests.scenarios.machine import BACK, THERE
from tests.scenarios.pace import INTERVAL, T
from tests.scenarios.scenario import Scenario

SCENARIOS = (
    Scenario("its disk is full for 1.5 T", for_a_time("disk_full", 1.5 * T), needs="disk_full"),
    Scenario(
        "each wait for its disk takes 0.1 I more, for 3 T",
        for_a_time("disk_slow", 3 * T, 0.1 * INTERVAL),
        needs="disk_slow",
    ),
    Scenario(
        "each wait for its disk takes 1.5 I more, for 3 T",
        for_a_time("disk_slow", 3 * T, 1.5 * INTERVAL),
        needs="disk_slow",
    ),
    Scenario(
        "no packet passes, to it or from it, for 1.5 T",
        for_a_time("packets_lost", 1.5 * T, THERE, BACK),
        needs="packets_lost",
    ),
    *(
        Scenario(
            f"no packet of the agents' passes {which}, for 1.5 T",
            partial(unheard, fault="agents_packets_lost", seconds=1.5 * T, arguments=ways),
            needs="agents_packets_lost",
            held=MAX_HOLD,
        )
        for which, ways in (("to it", (THERE,)), ("from it", (BACK,)), ("to it or from it", (THERE, BACK)))
    ),
)
