"""The scenarios, by what fails first."""

from tests.scenarios.catalogue import clocks, gateways, machine, members, operator, stores

SECTIONS = {
    "The store": stores.SCENARIOS,
    "The store's machine": machine.SCENARIOS,
    "The gateway": gateways.SCENARIOS,
    "Clocks": clocks.SCENARIOS,
    "The operator and the API server": operator.SCENARIOS,
    "Members": members.SCENARIOS,
}
