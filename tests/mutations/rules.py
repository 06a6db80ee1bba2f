"""Ways to get the rules wrong, one by one: each is an edit of one line of the pure modules that a test must notice."""

from dataclasses import dataclass

OBSERVATION, LIVENESS, MASS = "observation.py", "liveness.py", "massfailure.py"
LATENESS = "lateness.py"
ANNOUNCEMENT, FORGETTING, EVALUATION = "announcement.py", "forgetting.py", "evaluation.py"
RESTORE, STATUS, EPOCH = "operator/restore.py", "operator/status.py", "store/mc_epoch.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` stands once in `module`; with `new` in its place the rule named is gone."""

    rule: str
    module: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "C = 0: the observer's own sight is not waited for",
        OBSERVATION,
        "return now - self.sight >= policy.sight and",
        "return now - self.sight >= 0 and",
    ),
    Mutation(
        "no T after the store came back",
        OBSERVATION,
        "and now - self.store_back >= policy.down_time",
        "and now - self.store_back >= 0",
    ),
    Mutation(
        "no epoch: a store that was restarted is the one before",
        OBSERVATION,
        "changed = after.epoch is not None and after.epoch != seen.epoch",
        "changed = False",
    ),
    Mutation(
        "what is read as the epoch changes is a beat",
        OBSERVATION,
        "since = None if watch.rebased else previous",
        "since = previous",
    ),
    Mutation(
        "a lower sequence is a beat",
        OBSERVATION,
        "changed = not same or fact.sequence > seen.sequence",
        "changed = not same or fact.sequence != seen.sequence",
    ),
    Mutation(
        "an old stamp is a beat",
        OBSERVATION,
        "return fact.age <= policy.stretched(fact.interval).down_time",
        "return True",
    ),
    Mutation(
        "a beat moves with the store's clock after it was read",
        OBSERVATION,
        "return seen  # a late write of one that has left, or nothing new",
        "return replace(seen, beat=stamp)",
    ),
    Mutation(
        "an age below zero counts",
        OBSERVATION,
        "stamp = told - max(0.0, fact.age)",
        "stamp = told - fact.age",
    ),
    Mutation(
        "a beat may be older than the look before it",
        OBSERVATION,
        "return replace(after, beat=max(seen.beat, stamp, since), fresh=now",
        "return replace(after, beat=max(seen.beat, stamp), fresh=now",
    ),
    Mutation(
        "a gap of any length is no interruption",
        OBSERVATION,
        "paused = before.ended is None or seen.asked - before.ended > gap",
        "paused = before.ended is None",
    ),
    Mutation(
        "a slow store and a starved observer are no excuse",
        LIVENESS,
        "> policy.down_time + watch.lateness.seconds(policy)",
        "> policy.down_time",
    ),
    Mutation(
        "an excuse that has no end",
        LATENESS,
        "return min(slowest + self.running.absent + self.before.absent, policy.longest_lateness)",
        "return slowest + self.running.absent + self.before.absent",
    ),
    Mutation(
        "of many short absences one counts",
        LATENESS,
        "absent=running.absent + counted",
        "absent=max(running.absent, counted)",
    ),
    Mutation(
        "the observer's absence is charged to the store",
        OBSERVATION,
        "seen.now - looking - absent > gap",
        "seen.now - looking > gap",
    ),
    Mutation(
        "no memory: a young row raises the dead",
        LIVENESS,
        "return before is not None and before.reason is Reason.SILENT and not _heard_since(before, seen)",
        "return False",
    ),
    Mutation(
        "T itself is Down",
        LIVENESS,
        "silent = seen.silent_for(now=moment.now) > policy.down_time",
        "silent = seen.silent_for(now=moment.now) >= policy.down_time",
    ),
    Mutation(
        "Down needs no watch",
        LIVENESS,
        "and moment.healthy and watch.watched(policy, now=moment.now) and",
        "and moment.healthy and",
    ),
    Mutation(
        "Down is found in a failed pass",
        LIVENESS,
        "and moment.healthy and watch.watched",
        "and watch.watched",
    ),
    Mutation(
        "what a longer interval promised is forgotten",
        LIVENESS,
        "    policy = policy.stretched(seen.interval)\n",
        "",
    ),
    Mutation(
        "Up without sight for as long as it takes",
        LIVENESS,
        "if sighted is not None and moment.now - sighted <= policy.down_time:",
        "if sighted is not None:",
    ),
    Mutation("no brake", MASS, "on = now - above <= spec.policy.down_time", "on = False"),
    Mutation(
        "a brake that counts from T",
        MASS,
        "return min(policy.sight, policy.down_time - policy.interval)",
        "return policy.down_time",
    ),
    Mutation(
        "a brake that C alone trips",
        MASS,
        "return min(policy.sight, policy.down_time - policy.interval)",
        "return policy.sight",
    ),
    Mutation("half is a mass", MASS, "self.silent * 100 > self.of", "self.silent * 100 >= self.of"),
    Mutation("few are a mass", MASS, "self.silent >= rule.members and", ""),
    Mutation(
        "a hold that has no end",
        MASS,
        "return None if hold is None or hold.released or hold.until <= now else hold",
        "return None if hold is None or hold.released else hold",
    ),
    Mutation(
        "a release that releases nobody",
        MASS,
        "hold = replace(hold, released=True)",
        "pass",
    ),
    Mutation(
        "a silence is caught again and again",
        LIVENESS,
        "return brake.catches and not before.caught and",
        "return brake.catches and",
    ),
    Mutation(
        "who was never seen to beat is held",
        LIVENESS,
        "(before.definite is Verdict.UP or before.reason in ILL)",
        "True",
    ),
    Mutation(
        "an outage ends a hold",
        LIVENESS,
        "return before.reason is Reason.MASS_FAILURE and brake.holds",
        "return False",
    ),
    Mutation(
        "an illness becomes a silence under the brake",
        LIVENESS,
        "return replace(before, caught=True) if mass and not before.caught else before",
        "return _judged(before, Verdict.DOWN, Reason.SILENT, moment=moment)",
    ),
    Mutation(
        "rule 1: the stamp of a baseline is no time of a beat",
        OBSERVATION,
        "return replace(after, beat=max(seen.beat, stamp))",
        "return after",
    ),
    Mutation(
        "rule 1: a leave closes no row", OBSERVATION, "if same and (seen.state is State.LEFT or (", "if same and (("
    ),
    Mutation(
        "rule 1: a leave that says no new sequence is nothing new",
        OBSERVATION,
        "(fact.sequence == seen.sequence and fact.state is not State.LEFT)",
        "(fact.sequence == seen.sequence)",
    ),
    Mutation(
        "rule 1: an absent row is a leave", OBSERVATION, "after = dict(before)", "after = dict[str, Observation]()"
    ),
    Mutation(
        "rule 1: what is older than the leave reopens it",
        OBSERVATION,
        "if seen.state is State.LEFT and not is_beat:",
        "if False:",
    ),
    Mutation(
        "rule 3: one failed pass is the store's interruption",
        OBSERVATION,
        "broken = before.broken or seen.now - looking - absent > gap",
        "broken = before.broken or not seen.healthy",
    ),
    Mutation(
        "rule 3: no outage is an interruption",
        OBSERVATION,
        "broken = before.broken or seen.now - looking - absent > gap",
        "broken = before.broken",
    ),
    Mutation(
        "rule 3: the observer's absences are the store's",
        OBSERVATION,
        "broken = before.broken or seen.now - looking - absent > gap",
        "broken = before.broken or seen.now - looking > gap",
    ),
    Mutation(
        "rule 3: a pause of the observer's is the store's interruption",
        OBSERVATION,
        "looking, lag = (seen.asked, 0.0) if paused else (before.looking, before.absent + seen.lag)",
        "looking, lag = before.looking, before.absent + seen.lag",
    ),
    Mutation(
        "rule 3: a new operator waits for T of the store anew",
        RESTORE,
        "return replace(blind, epoch=header.epoch, store_back=now - record.age - header.store_back_for)",
        "return replace(blind, epoch=header.epoch)",
    ),
    Mutation(
        "rule 3: a store that was published as unreachable has been there",
        RESTORE,
        "or _unreachable(status) or watch.broken:",
        "or watch.broken:",
    ),
    Mutation(
        "rule 3: a record of any age tells since when the store is back",
        RESTORE,
        "if record.age > policy.down_time or _unreachable",
        "if _unreachable",
    ),
    Mutation(
        "rule 3: the epoch of memcached is its pid alone",
        EPOCH,
        "self.pid == other.pid and abs(self.start - other.start) <= JITTER",
        "self.pid == other.pid",
    ),
    Mutation(
        "rule 3: the epoch of memcached is its start to the second",
        EPOCH,
        "abs(self.start - other.start) <= JITTER",
        "self.start == other.start",
    ),
    Mutation(
        "rule 4: a new operator loses the dead before its first read",
        LIVENESS,
        "    if before.verdict is Verdict.DOWN:\n        return before\n    return _unconfirmed(before, None",
        "    return _unconfirmed(before, None",
    ),
    Mutation(
        "rule 4: Missing becomes another reason",
        LIVENESS,
        "if before is None or before.reason is Reason.MISSING:",
        "if before is None:",
    ),
    Mutation(
        "rule 4: the lower publication number wins",
        RESTORE,
        "if view.publication > header.publication:",
        "if view.publication < header.publication:",
    ),
    Mutation(
        "rule 4: the loser of record and status fills no gap",
        RESTORE,
        "judged, published = {**from_record, **view.judged}, {**record.members, **view.published}",
        "judged, published = {**view.judged}, {**view.published}",
    ),
    Mutation(
        "rule 4: a status is as old as its check",
        RESTORE,
        "max(0.0, wall - checked - CHECKED_EVERY)",
        "max(0.0, wall - checked)",
    ),
    Mutation(
        "rule 4: a new operator counts a large group before it has read the store",
        STATUS,
        "and large(before)\n",
        "and False\n",
    ),
    Mutation(
        "rule 6: who is held is not counted any more",
        MASS,
        "if said.definite is not Verdict.UP or overrides",
        "if said.verdict is not Verdict.UP or overrides",
    ),
    Mutation(
        "rule 6: who is forced down is counted",
        MASS,
        "is not Verdict.UP or overrides.get(member, NO_OVERRIDE).forced_down:",
        "is not Verdict.UP:",
    ),
    Mutation(
        "rule 6: who is being deleted is counted", MASS, "if service is not None and service.leaving:", "if False:"
    ),
    Mutation(
        "rule 6: the groups of a store do not count together",
        MASS,
        "above = now if store_above or found.above",
        "above = now if found.above",
    ),
    Mutation("rule 6: one group is a store", MASS, "if len(several) < 2:", "if not several:"),
    Mutation(
        "rule 6: the brake is off as soon as the count is not above",
        MASS,
        "on = now - above <= spec.policy.down_time",
        "on = now <= above",
    ),
    Mutation("rule 6: a hold is extended", MASS, "if hold is not None and moment.now < hold.until:", "if False:"),
    Mutation(
        "rule 6: a hold begins anew with who is ill in an outage",
        MASS,
        "if all(member in earlier and earlier[member].held for member in held):",
        "if False:",
    ),
    Mutation(
        "rule 6: what a hold had left is not read back",
        RESTORE,
        "now - record.age + header.hold_left)",
        "now - record.age + 600.0)",
    ),
    Mutation(
        "rule 6: a hold that is read back keeps no brake on",
        MASS,
        "Braking(above=now, on=True, hold=hold)",
        "Braking(hold=hold)",
    ),
    Mutation(
        "rule 6: a release catches others anew while the brake is on",
        MASS,
        "if not self.on or (self.hold is not None and self.hold.released):",
        "if not self.on:",
    ),
    Mutation(
        "rule 7: an earlier owner's leave takes the member out",
        OBSERVATION,
        "        if fact.incarnation in seen.past:\n            return seen\n",
        "",
    ),
    Mutation(
        "rule 8: a container that stops for a moment is a service that is not there",
        LIVENESS,
        "service.confirmed - service.stopped > policy.down_time",
        "service.confirmed - service.stopped > 0",
    ),
    Mutation(
        "rule 8: a container that runs for a moment is a service that is there",
        LIVENESS,
        "return said and now - service.ran < policy.sight",
        "return False",
    ),
    Mutation(
        "rule 8: a container's state counts beside a check",
        LIVENESS,
        "    if seen.well is not None:\n        return None if seen.well else Reason.SERVICE_UNHEALTHY\n",
        "    if seen.well is False:\n        return Reason.SERVICE_UNHEALTHY\n",
    ),
    Mutation(
        "rule 8: who becomes silent after an illness keeps the illness's time",
        LIVENESS,
        "    if reason is Reason.SILENT and before.reason is not reason:",
        "    if False:",
    ),
    Mutation(
        "rule 9: ownership that went back once is a duplicate",
        OBSERVATION,
        "return len(self.flips) == 2 and",
        "return len(self.flips) > 0 and",
    ),
    Mutation(
        "rule 10: blindness ends with a look",
        OBSERVATION,
        "blind = None if seen.healthy and after.watched(policy, now=seen.now) else",
        "blind = None if seen.healthy else",
    ),
    Mutation("an announced hold holds nobody", LIVENESS, "if not (mass or brake.announced):", "if not mass:"),
    Mutation("an announced hold has no end", ANNOUNCEMENT, "return now < self.until", "return True"),
    Mutation(
        "an announced hold goes by the time of day",
        ANNOUNCEMENT,
        "before is not None and before.said == said:",
        "before is not None and before.said == said and wall < said.until:",
    ),
    Mutation(
        "an announced hold is as long as anybody writes",
        ANNOUNCEMENT,
        "said.since + LONGEST - wall, LONGEST))",
        "said.since + LONGEST - wall))",
    ),
    Mutation(
        "an announced hold is as long anew at each start of an operator",
        ANNOUNCEMENT,
        "min(said.until - wall, said.since + LONGEST - wall, LONGEST)",
        "min(said.until - wall, LONGEST)",
    ),
    Mutation(
        "an announced hold is in force before its begin",
        ANNOUNCEMENT,
        "if said is None or said.since - wall > AHEAD:",
        "if said is None:",
    ),
    Mutation(
        "an announced hold ends in an outage", LIVENESS, "        return brake.announced\n", "        return False\n"
    ),
    Mutation("an announced hold spends the brake", MASS, "Brake(catches=not announced,", "Brake(catches=True,"),
    Mutation(
        "an announced hold makes who is ill unknown",
        LIVENESS,
        "if before is not None and before.reason in ILL:  # Down as it is",
        "if mass and before is not None and before.reason in ILL:  # Down as it is",
    ),
    Mutation(
        "a wish forgets whatever silence",
        FORGETTING,
        "said.reason is Reason.SILENT and int(said.since) == int(since)",
        "said.reason is Reason.SILENT",
    ),
    Mutation(
        "a wish forgets who is not silent",
        FORGETTING,
        "said.reason is Reason.SILENT and int(said.since) == int(since)",
        "int(said.since) == int(since)",
    ),
    Mutation(
        "a wish forgets who is awaited",
        FORGETTING,
        "if _silent_since(view.published.get(member), since) and not _awaited(member, spec=spec, duty=duty)",
        "if _silent_since(view.published.get(member), since)",
    ),
    Mutation(
        "a wish is followed without sight",
        FORGETTING,
        "if not spec.forget or not _may(view, spec=spec, now=now, duty=duty):",
        "if not spec.forget:",
    ),
    Mutation(
        "rule 6: who had no time to beat after an outage is counted",
        MASS,
        "return now - store_back > early(policy)",
        "return True",
    ),
)
