"""The rules: observations and a policy in, verdicts out. Pure, and the only place that judges.

Two errors matter. A live member called Down gets its machines evacuated; a dead one called Up gets new work. Answering
Unknown to be safe is the third. So each verdict needs its own evidence, and what was said stays said until there is
evidence against it:

* Up needs a last beat at most T old (exactly T is up, as in Nova's own tests), and one fresh beat is enough.
* Down (silent) needs a last beat older than T, in a healthy pass, by an observer that has watched: C of its own sight
  without a gap and T of a store that serves (`observation.Watch`). Neither an outage nor a restart of anything makes
  anyone Down. Down ends by a fresh beat or by a leave; not by a row that looks young after the store
  went back in time, and not by a restart of the observer.
* Where more than half fall silent at once, something common to them has failed more likely than each of them, and
  nobody may be evacuated for it: `massfailure` puts a brake on. Who would become Down under it is Unknown
  (MassFailure) until the hold ends, once in a silence.
* Between the two, what was published Up stays Up for at most T after it was last up on sight, in a healthy pass; then
  it is Unknown, with the reason why nobody can tell. Who was never seen and ought to beat is Unknown, Missing.

T and C of a member grow with the interval that its agent promised (rule 5). Forced down is an administrator's word and
lies over the judgement, which goes on beneath it: when the word is taken back, what was seen counts at once.

How late can Down be? A member that dies while it is watched is Down in the first pass after its last beat is T old. If
it dies while nobody watched, that, or C after the observer's start or T after the store's return, whichever is last. An
observer that never sees for C without a break, or a store that never lasts T, finds no dead at all: `Watch.blind_for`
counts that, and past 2T the operator says so (rule 10).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from servicegroup.model import Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch

JUDGED = {Reason.BEATING: Verdict.UP, Reason.SILENT: Verdict.DOWN}
"""The verdict that goes with a judgement's reason; with every other it is Unknown."""

DEAD = (Verdict.DOWN, Reason.SILENT)
HELD = (Verdict.UNKNOWN, Reason.MASS_FAILURE)

RESTORED = float("-inf")
"""When a judgement was made by an observer before this one: earlier than anything on our own clock."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says of one member, and what later passes need to remember.

    `since` is the wall clock's time of the verdict, `at` the observer's clock when it was judged, `sighted` when an Up
    that its beats no longer carry was last up on sight. `definite` is the last verdict that was not Unknown, of one
    whom some observer saw beat; `caught` is whether a hold has caught this silence.
    """

    verdict: Verdict
    reason: Reason
    since: float
    at: float
    sighted: float | None = None
    definite: Verdict | None = None
    caught: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What is said of a member to everyone: the judgement under the administrator's word.

    `beneath` is the judgement's reason where that word hides it, so that the next observer knows it too.
    """

    verdict: Verdict
    reason: Reason
    since: float
    disabled: bool = False
    draining: bool = False
    beneath: Reason | None = None


@dataclass(frozen=True, slots=True)
class Brake:
    """The brake on mass failures: whether it `catches` who would become Down, and `holds` whom it caught."""

    catches: bool = False
    holds: bool = False


OFF = Brake()


@dataclass(frozen=True, slots=True)
class Moment:
    """The circumstances of a pass: its time on the observer's and the wall clock, and the last healthy pass before."""

    now: float
    wall: float
    healthy: bool
    last_sight: float | None
    brake: Brake = OFF


def judge(
    before: Judgement | None, seen: Observation | None, *, policy: Policy, watch: Watch, moment: Moment
) -> Judgement | None:
    """What the evidence says of a member that is known or ought to beat; None when it has left."""
    if seen is None:
        return _unseen(before, policy=policy, watch=watch, moment=moment)
    if seen.state is State.LEFT:
        return None
    policy = policy.stretched(seen.interval)
    if _dead(before, seen):
        return before
    silent = seen.silent_for(now=moment.now) > policy.down_time
    if not silent and seen.incarnation:
        return _up(before, seen, moment=moment)
    # A row just met with an old stamp may be a young one, written as the store's clock stepped: it gets its C as well.
    met = moment.now - seen.met >= policy.sight
    if silent and met and moment.healthy and watch.watched(policy, now=moment.now):
        held = _held(before, moment.brake)
        return _judged(before, *(HELD if held else DEAD), moment=moment)
    return _unconfirmed(before, seen, policy=policy, watch=watch, moment=moment)


def _up(before: Judgement | None, seen: Observation, *, moment: Moment) -> Judgement:
    after = _judged(before, Verdict.UP, Reason.BEATING, moment=moment)
    definite = after.definite if seen.fresh is None else Verdict.UP
    return (
        after
        if (after.definite, after.caught) == (definite, False)
        else replace(after, definite=definite, caught=False)
    )


def _held(before: Judgement | None, brake: Brake) -> bool:
    """Whether the brake keeps one from Down: once a silence, and nobody whom no observer ever saw beat."""
    if before is None:
        return False
    if before.reason is Reason.MASS_FAILURE:
        return brake.holds
    return brake.catches and before.definite is Verdict.UP and not before.caught


def _unseen(before: Judgement | None, *, policy: Policy, watch: Watch, moment: Moment) -> Judgement:
    if before is None or before.reason is Reason.MISSING:
        return _judged(before, Verdict.UNKNOWN, Reason.MISSING, moment=moment)
    if before.verdict is Verdict.DOWN:
        return before
    return _unconfirmed(before, None, policy=policy, watch=watch, moment=moment)


def _dead(before: Judgement | None, seen: Observation) -> bool:
    if before is None or before.verdict is not Verdict.DOWN:
        return False
    return seen.fresh is None or seen.fresh <= before.at


def _unconfirmed(
    before: Judgement | None, seen: Observation | None, *, policy: Policy, watch: Watch, moment: Moment
) -> Judgement:
    if before is not None and before.reason is Reason.MASS_FAILURE and moment.brake.holds:
        return before
    if before is not None and before.verdict is Verdict.UP:
        sighted = before.sighted if before.sighted is not None else moment.last_sight
        if sighted is not None and seen is not None:
            # The observer before us may have had no sight either; and who lives writes a lost row anew within C.
            row = seen.beat + policy.down_time if seen.incarnation else seen.beat + policy.sight - policy.down_time
            sighted = min(sighted, row)
        if sighted is not None and moment.now - sighted <= policy.down_time:
            return _judged(before, Verdict.UP, before.reason, moment=moment, sighted=sighted)
    reason = Reason.STORE_UNREACHABLE if watch.broken else Reason.NOT_WATCHING
    return _judged(before, Verdict.UNKNOWN, reason, moment=moment)


def _judged(
    before: Judgement | None, verdict: Verdict, reason: Reason, *, moment: Moment, sighted: float | None = None
) -> Judgement:
    definite = None if before is None else before.definite
    after = Judgement(
        verdict,
        reason,
        moment.wall,
        moment.now,
        sighted,
        definite=Verdict.DOWN if verdict is Verdict.DOWN else definite,
        caught=reason is Reason.MASS_FAILURE or (before is not None and before.caught),
    )
    if before is None or before.verdict is not verdict:
        return after
    after = replace(after, since=before.since, at=before.at)
    return before if after == before else after


def publish(
    before: Published | None, judged: Judgement, *, override: Override, draining: bool, wall: float
) -> Published:
    """The judgement under the administrator's word; `since` is when what is said last changed."""
    if override.forced_down:
        verdict, reason, since = Verdict.DOWN, Reason.FORCED_DOWN, wall
    else:
        verdict, reason, since = judged.verdict, judged.reason, judged.since
    if before is not None and before.verdict is verdict and before.reason is reason:
        since = before.since
    if before is not None and before.reason is Reason.FORCED_DOWN and not override.forced_down:
        since = wall
    beneath = judged.reason if override.forced_down else None
    after = Published(verdict, reason, since, override.disabled, draining, beneath)
    return before if before == after else after


def restore(published: Mapping[str, Published], *, sighted: float | None) -> dict[str, Judgement]:
    """The judgements of an observer that starts from what another one published, last up on sight at `sighted`.

    Forced down is an administrator's word and no judgement: what is known beneath it counts, or that the member exists.
    """
    return {member: _restored(said, sighted=sighted) for member, said in published.items()}


def _restored(said: Published, *, sighted: float | None) -> Judgement:
    reason = said.reason if said.reason is not Reason.FORCED_DOWN else said.beneath or Reason.NOT_WATCHING
    verdict = JUDGED.get(reason, Verdict.UNKNOWN)
    # Down never becomes Unknown: who is Unknown, and was met, was Up.
    definite = None if reason is Reason.MISSING else Verdict.UP if verdict is Verdict.UNKNOWN else verdict
    return Judgement(
        verdict,
        reason,
        said.since,
        RESTORED,
        sighted if verdict is Verdict.UP else None,
        definite=definite,
        caught=reason is Reason.MASS_FAILURE,
    )
