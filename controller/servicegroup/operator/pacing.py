"""How often the agents of a store may beat: the groups' own intervals come in, those in force go out. Pure.

A store that is told to take so many beats a second makes the intervals of all its groups longer as members come, and
T with them: more nodes never overload it into killing live ones (design, section 7).
"""

import math
from dataclasses import replace

from servicegroup.evaluation import View
from servicegroup.model import JITTER, Fact, GroupSpec, Reason, State


def beating(view: View | None, facts: tuple[Fact, ...]) -> int:
    """How many agents a group may have: whoever is published, since the dead may come back; or has a row by now."""
    published = () if view is None else view.published.values()
    known = sum(said.reason is not Reason.MISSING for said in published)
    return max(known, sum(fact.state is not State.LEFT for fact in facts))


def paced(spec: GroupSpec, *, members: int, beats_per_second: float | None) -> GroupSpec:
    """The spec with the policy in force where so many `members` share a store that takes so much.

    Whole seconds, so that not each join changes what all agents are told; and the waits' jitter is allowed for.
    """
    if beats_per_second is None:
        return spec
    interval = math.ceil(members / beats_per_second / (1 - JITTER))
    return replace(spec, policy=spec.policy.stretched(interval))
