"""Ways to get the rules wrong, one by one: each is an edit of one line of the pure modules that a test must notice."""

from dataclasses import dataclass

OBSERVATION, LIVENESS, MASS = "observation.py", "liveness.py", "massfailure.py"
LATENESS = "lateness.py"


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
        "and moment.healthy and watch.watched(policy, now=moment.now):",
        "and moment.healthy:",
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
        "or (before.reason is Reason.MASS_FAILURE and moment.brake.holds)",
        "",
    ),
    Mutation(
        "an illness becomes a silence under the brake",
        LIVENESS,
        "return before if before.caught else replace(before, caught=True)",
        "return _judged(before, Verdict.DOWN, Reason.SILENT, moment=moment)",
    ),
)
