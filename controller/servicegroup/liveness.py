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
* Before planned work on the store a person announces a hold (`announcement`). While it is in force, who would become
  Down for silence is Unknown (HoldAnnounced) instead. It raises nobody: who is Down stays so, and forced down, a
  service that is not there and a leave count as ever. It catches nobody: after it all rules hold, the brake's too.
* Between the two, what was published Up stays Up for at most T after it was last up on sight, in a healthy pass; then
  it is Unknown, with the reason why nobody can tell. Who was never seen and ought to beat is Unknown, Missing.

An agent alive is not a service alive (rule 8). Who beats is Down as well when its service is not there; that is kept
apart from silence, since only a silent host may be evacuated.

* Where the agent checks the main container, its word counts and nothing else does: `ServiceUnhealthy` with the first
  beat that says so (the agent waits for several failures first), until one that says otherwise.
* Else the main container's state counts, as the kubelet tells it: `ServiceNotRunning` when it has not run for longer
  than T, as a service that Nova does not hear of, and the API server said so once more after that; until it has run for
  C. A restart is no death, nor is a word that nobody could renew.
* Only beats say it: a baseline says nothing of the service, and what was said before stays. A member that drains, or
  whose pod is being deleted, gets no new `Down` of this kind: its service ends as planned. Nor does one lose it so.
* Who then falls silent is judged as anybody, and becomes `Silent` where the living would become `Down`.

T and C of a member grow with the interval that its agent promised (rule 5). Forced down is an administrator's word and
lies over the judgement, which goes on beneath it: when the word is taken back, what was seen counts at once.

How late can Down be? A member whose last beat was at b is Down in a pass that ends by

    max(b + T + lateness, store's return + T, observer's start + C, end of an announced hold) + 2 passes,
    and + maxHoldSeconds if held (rule 6)

where the lateness is what a slow store or a starved observer explains of a silence, T/2 at most (`observation`).
The store returns with the end of an outage, with a new epoch, and, of a new observer, with its start when it finds no
record, or one older than T. A row that was lost, went back or is stamped in the future says nothing of b: T counts from
when that was read. An interruption of the observer's counts as its start. An observer that never sees for C without a
break, or a store that never lasts T, finds no dead at all: `Watch.blind_for` counts that, and past 2T the operator says
so (rule 10).

How long is the living Unknown? One that beats is seen in each healthy pass, so it is Unknown only when more than T has
passed since the last: of a blindness of B, from one healthy pass to the next, for at most

    max(0, B - T) where it could beat all the while, max(0, B + I + 2 passes - T) where it could not

since it writes within I of the store's return. And for I + 2 passes at a new observer's start, when its row was lost or
the store's clock stepped forward by T since it was written: such a row looks like that of one who died long ago.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from servicegroup.model import Override, Policy, Reason, State, Verdict
from servicegroup.observation import Observation, Watch
from servicegroup.pods import NO_POD, Service

ILL = (Reason.SERVICE_NOT_RUNNING, Reason.SERVICE_UNHEALTHY)
"""Who beats and is Down."""

JUDGED = {Reason.BEATING: Verdict.UP, Reason.SILENT: Verdict.DOWN, **dict.fromkeys(ILL, Verdict.DOWN)}
"""The verdict that goes with a judgement's reason; with every other it is Unknown."""

RESTORED = float("-inf")
"""When a judgement was made by an observer before this one: earlier than anything on our own clock."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says of one member, and what later passes need to remember.

    `since` is the wall clock's time of the verdict, or of the silence that made it, `at` the observer's clock when it
    was judged, `sighted` when an Up that its beats no longer carry was last up on sight. `definite` is the last verdict
    that was not Unknown, of one whom some observer saw beat; `caught` is whether a hold has caught this silence.
    """

    verdict: Verdict
    reason: Reason
    since: float
    at: float
    sighted: float | None = None
    definite: Verdict | None = None
    caught: bool = False

    @property
    def held(self) -> bool:
        return self.reason is Reason.MASS_FAILURE or (self.caught and self.reason in ILL)


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
    """What keeps members from Down: whether the brake on mass failures `catches` who would become so, and `holds` whom
    it caught; and whether a hold is `announced`.
    """

    catches: bool = False
    holds: bool = False
    announced: bool = False


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
    before: Judgement | None,
    seen: Observation | None,
    *,
    policy: Policy,
    watch: Watch,
    moment: Moment,
    service: Service | None = NO_POD,
) -> Judgement | None:
    """What the evidence says of a member that is known or ought to beat; None when it has left. `service` is what its
    pods are known to do, None when nothing is.
    """
    if seen is None:
        return _unseen(before, policy=policy, watch=watch, moment=moment)
    if seen.state is State.LEFT:
        return None
    policy = policy.stretched(seen.interval)
    if _dead(before, seen):
        return before
    silent = seen.silent_for(now=moment.now) > policy.down_time
    if not silent and seen.incarnation:
        illness = _illness(before, seen, service, policy=policy, now=moment.now)
        return _beating(before, seen, Reason.BEATING if illness is None else illness, moment=moment)
    # A row just met with an old stamp may be a young one, written as the store's clock stepped: it gets its C as well.
    met = moment.now - seen.met >= policy.sight
    if silent and met and moment.healthy and watch.watched(policy, now=moment.now) and _overdue(seen, watch, policy):
        return _found(before, moment=moment)
    return _unconfirmed(before, seen, policy=policy, watch=watch, moment=moment)


def _overdue(seen: Observation, watch: Watch, policy: Policy) -> bool:
    """Whether the silence, as far as it was read, outlasts what a slow store or a starved observer explains."""
    return watch.read is None or seen.silent_for(now=watch.read) > policy.down_time + watch.lateness.seconds(policy)


def _beating(before: Judgement | None, seen: Observation, reason: Reason, *, moment: Moment) -> Judgement:
    after = _judged(before, JUDGED[reason], reason, moment=moment)
    definite = after.definite if seen.fresh is None else after.verdict
    if (after.definite, after.caught) == (definite, False):
        return after
    return replace(after, definite=definite, caught=False)


def _found(before: Judgement | None, *, moment: Moment) -> Judgement:
    """Of one who is silent for longer than T, on sight."""
    brake = moment.brake
    mass = before is not None and _held(before, brake)
    if not (mass or brake.announced):
        return _judged(before, Verdict.DOWN, Reason.SILENT, moment=moment)
    if before is not None and before.reason in ILL:  # Down as it is, and not to be evacuated for this silence
        return replace(before, caught=True) if mass and not before.caught else before
    return _judged(before, Verdict.UNKNOWN, Reason.MASS_FAILURE if mass else Reason.HOLD_ANNOUNCED, moment=moment)


def _held(before: Judgement, brake: Brake) -> bool:
    """Whether the brake keeps one from Down: once a silence, and nobody whom no observer ever saw beat."""
    if before.held:
        return brake.holds
    return brake.catches and not before.caught and (before.definite is Verdict.UP or before.reason in ILL)


def _unseen(before: Judgement | None, *, policy: Policy, watch: Watch, moment: Moment) -> Judgement:
    if before is None or before.reason is Reason.MISSING:
        return _judged(before, Verdict.UNKNOWN, Reason.MISSING, moment=moment)
    if before.verdict is Verdict.DOWN:
        return before
    return _unconfirmed(before, None, policy=policy, watch=watch, moment=moment)


def _dead(before: Judgement | None, seen: Observation) -> bool:
    return before is not None and before.reason is Reason.SILENT and not _heard_since(before, seen)


def _heard_since(before: Judgement, seen: Observation) -> bool:
    return seen.fresh is not None and seen.fresh > before.at


def _illness(
    before: Judgement | None, seen: Observation, service: Service | None, *, policy: Policy, now: float
) -> Reason | None:
    """Why the service of a member that beats is not there (rule 8)."""
    said = before.reason if before is not None and before.reason in ILL else None
    if seen.state is State.DRAINING or (before is not None and said is not None and not _heard_since(before, seen)):
        return said
    if seen.state is State.CHECKING and said is Reason.SERVICE_UNHEALTHY:
        return said
    if seen.well is not None:
        return None if seen.well else Reason.SERVICE_UNHEALTHY
    stopped = _stopped(service, said=said is Reason.SERVICE_NOT_RUNNING, policy=policy, now=now)
    return Reason.SERVICE_NOT_RUNNING if stopped else None


def _stopped(service: Service | None, *, said: bool, policy: Policy, now: float) -> bool:
    if service is None or service.leaving:
        return said
    if service.ran is not None:
        return said and now - service.ran < policy.sight
    if service.stopped is None:
        return False  # no pod of its
    return said or (service.confirmed is not None and service.confirmed - service.stopped > policy.down_time)


def _unconfirmed(
    before: Judgement | None, seen: Observation | None, *, policy: Policy, watch: Watch, moment: Moment
) -> Judgement:
    if before is not None and (before.reason in ILL or _kept(before, moment.brake)):
        return before  # nobody can tell yet whether who is ill is silent as well
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


def _kept(before: Judgement, brake: Brake) -> bool:
    """Whether who is held stays so where nobody can tell."""
    if before.reason is Reason.HOLD_ANNOUNCED:
        return brake.announced
    return before.reason is Reason.MASS_FAILURE and brake.holds


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
    if reason is Reason.SILENT and before.reason is not reason:
        # Who was Down before, for another reason, did beat: only a beat after the silence was found may end it, and
        # who is asked to forget this silence, or to evacuate for it, must not take an earlier one for it.
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
