"""The promises of the essay of `liveness`, held at every tick of a world in which anything may happen to anybody.

CI runs the same few worlds each time. To hunt, with new ones each time:

    SERVICEGROUP_EXAMPLES=5000 python -m pytest tests/unit/test_rules_machine.py --timeout 0
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from servicegroup.model import Policy, State

from tests.unit.promises import Promises
from tests.unit.test_rules_properties import POLICIES, SLOWEST, WILD, pytestmark

__all__ = ["pytestmark"]


LIVING = ("a", "b", "c", "d")
MORTAL = ("p", "q", "r", "s", "t", "u")
GUESTS = ("x", "y")

SECONDS = st.sampled_from((0.25, 1.0, 3.0, 5.25, 12.0, 24.75, 31.0, 66.0, 130.0))
MEMBER = st.sampled_from(MORTAL)
GUEST = st.sampled_from(GUESTS)

ILLS = {
    "well": (True, True, 0.0),
    "unreachable": (False, True, 0.0),
    "read-only": (True, False, 0.0),
    "slow": (True, True, SLOWEST),
}
"""Whether it is reachable and writable, and how long it takes."""


class World(RuleBasedStateMachine):
    """Four members beat throughout; six may die, be cut off or be replaced, one by one or all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.told = Promises.begun(LIVING, MORTAL)
        self.world = self.told.world
        self.past = [self.world.store.rows]

    def pass_on(self, seconds: float) -> None:
        self.told.run(seconds)
        self.past.append(self.world.store.rows)

    @rule(seconds=SECONDS)
    def nothing_happens(self, seconds: float) -> None:
        self.pass_on(seconds)

    # The store.

    @rule(ill=st.sampled_from(sorted(ILLS)), seconds=SECONDS, after=SECONDS)
    def the_store_is_ill_for_a_while(self, ill: str, seconds: float, after: float) -> None:
        self._ill(ill)
        self.pass_on(seconds)
        self._ill("well")
        self.pass_on(after)

    @rule(ill=st.sampled_from(sorted(ILLS)), seconds=SECONDS)
    def the_store_becomes(self, ill: str, seconds: float) -> None:
        self._ill(ill)
        self.pass_on(seconds)

    def _ill(self, ill: str) -> None:
        self.world.store.reachable, self.world.store.writable, self.world.latency = ILLS[ill]

    @rule(wiped=st.booleans(), seconds=SECONDS)
    def the_store_restarts(self, *, wiped: bool, seconds: float) -> None:
        self.world.store.restart(wiped=wiped)
        self.told.store_restarted(wiped=wiped)
        self.pass_on(seconds)

    @rule(seconds=SECONDS)
    def rows_are_deleted(self, seconds: float) -> None:
        self.world.store.rows = {}
        self.told.rows_hurt()
        self.pass_on(seconds)

    @rule(snapshots=st.integers(1, 4), seconds=SECONDS)
    def the_store_goes_back(self, snapshots: int, seconds: float) -> None:
        self.world.store.rows = self.past[-snapshots:][0]
        self.told.rows_hurt()
        self.pass_on(seconds)

    @precondition(lambda self: self.told.clock_is_steady)
    @rule(step=st.sampled_from((600.0, 58.0, -600.0, -7.0)), seconds=SECONDS)
    def the_stores_clock_steps(self, step: float, seconds: float) -> None:
        self.world.store.step += step
        self.told.clock_stepped(step)
        self.pass_on(seconds)

    # The operator.

    @rule(seconds=SECONDS)
    def the_operator_dies(self, seconds: float) -> None:
        self.world.stop()
        self.pass_on(seconds)

    @rule(away=st.one_of(st.just(0.0), SECONDS), seconds=SECONDS)
    def the_operator_starts_anew(self, away: float, seconds: float) -> None:
        self.world.stop()
        self.told.run(away)
        self.told.start()
        self.pass_on(seconds)

    @precondition(lambda self: self.world.observer is not None)
    @rule(paused=SECONDS, seconds=SECONDS)
    def the_operator_is_suspended_for_a_while(self, paused: float, seconds: float) -> None:
        self.world.running.paused = True
        self.told.run(paused)
        self.world.running.paused = False
        self.pass_on(seconds)

    @rule(step=st.sampled_from((4000.0, -4000.0)), seconds=SECONDS)
    def the_time_of_day_steps(self, step: float, seconds: float) -> None:
        self.world.wall_step += step
        self.told.wall_stepped(step)
        self.pass_on(seconds)

    @rule(policy=st.sampled_from(POLICIES), seconds=SECONDS)
    def the_interval_changes(self, policy: Policy, seconds: float) -> None:
        self.told.respec(policy)
        self.pass_on(seconds)

    # A person.

    @precondition(lambda self: self.world.observer is not None)
    @rule(length=st.sampled_from((40.0, 150.0, 400.0)), seconds=SECONDS)
    def a_hold_is_announced(self, length: float, seconds: float) -> None:
        self.told.announce(length)
        self.pass_on(seconds)

    @rule(seconds=SECONDS)
    def it_is_taken_back(self, seconds: float) -> None:
        self.told.announce(None)
        self.pass_on(seconds)

    # The members.

    @rule(member=MEMBER, seconds=SECONDS)
    def one_dies(self, member: str, seconds: float) -> None:
        self.world.kill(member)
        self.pass_on(seconds)

    @rule(member=MEMBER, paused=st.booleans(), seconds=SECONDS)
    def one_is_suspended_or_resumes(self, member: str, *, paused: bool, seconds: float) -> None:
        self.world.agent(member).paused = paused
        self.pass_on(seconds)

    @rule(member=MEMBER, state=st.sampled_from((State.UNHEALTHY, State.HEALTHY, State.DRAINING)), seconds=SECONDS)
    def one_says(self, member: str, state: State, seconds: float) -> None:
        self.world.agent(member).state = state
        self.pass_on(seconds)

    @rule(member=MEMBER, dies=st.booleans(), seconds=SECONDS)
    def its_pod_is_replaced(self, member: str, *, dies: bool, seconds: float) -> None:
        """By one of the same name: the old agent dies unheard, or leaves when the new one has joined."""
        old = self.world.agent(member)
        old.alive = old.alive and not dies
        self.told.join(member)
        if old.alive:
            self.told.run(2.0)
            old.leave(self.world.store, now=self.world.now)
        self.pass_on(seconds)

    @rule(member=GUEST, seconds=SECONDS)
    def a_guest_joins(self, member: str, seconds: float) -> None:
        if not any(agent.member == member and agent.alive for agent in self.world.agents):
            self.told.join(member)
        self.pass_on(seconds)

    @rule(member=st.sampled_from((*GUESTS, *MORTAL)), seconds=SECONDS)
    def one_leaves(self, member: str, seconds: float) -> None:
        if any(agent.member == member and agent.alive for agent in self.world.agents):
            self.world.leave(member)
            self.told.left(member)
        self.pass_on(seconds)

    # Most of them at once.

    @rule(apart=st.sampled_from((0.0, 0.5)), seconds=SECONDS)
    def most_die(self, apart: float, seconds: float) -> None:
        for member in MORTAL:
            self.world.kill(member)
            self.told.run(apart)
        self.pass_on(seconds)

    @rule(seconds=SECONDS)
    def most_are_cut_off(self, seconds: float) -> None:
        for member in MORTAL:
            self.world.agent(member).cut = True
        self.told.mass_cut(MORTAL)
        self.pass_on(seconds)

    @rule(seconds=SECONDS, after=SECONDS)
    def most_are_cut_off_and_back(self, seconds: float, after: float) -> None:
        self.most_are_cut_off(seconds)
        self.some_are_back(set(MORTAL), after)

    @rule(members=st.sets(MEMBER, min_size=1), seconds=SECONDS)
    def some_are_back(self, members: set[str], seconds: float) -> None:
        for member in sorted(members):
            self.world.agent(member).cut = False
            self.told.back(member)
        self.pass_on(seconds)

    def teardown(self) -> None:
        self.told.heal()


TestTheRules = World.TestCase
TestTheRules.settings = settings(
    max_examples=int(WILD or 25),
    stateful_step_count=25,
    deadline=None,
    derandomize=WILD is None,
    suppress_health_check=[HealthCheck.too_slow],
)
