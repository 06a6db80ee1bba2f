"""Groups on their way from one store to another: who asks for a look at the old store, and what was seen there.

The loop of a group's new store opens a `Guest` for each store that the group came from; the loop of that store looks
for it in each of its passes, and judges nothing. All of it happens on one event loop, so nothing is locked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from servicegroup.evaluation import View
from servicegroup.model import GroupKey, Policy
from servicegroup.record import Record


@dataclass(slots=True)
class Guest:
    """A group in a store that it was moved from. `record` is what was published there, once `recorded`."""

    key: GroupKey
    policy: Policy
    view: View = field(default_factory=View)
    recorded: bool = False
    record: Record | None = None

    def alone(self, view: View, *, now: float) -> list[str]:
        """Members that beat there within their T, and did not beat in the group's own store since, by name."""
        found = []
        for member, seen in self.view.observations.items():
            mine = view.observations.get(member)
            alive = (
                member in view.published and seen.silent_for(now=now) <= self.policy.stretched(seen.interval).down_time
            )
            if alive and (mine is None or not mine.incarnation or mine.beat < seen.beat):
                found.append(member)
        return sorted(found)

    def done(self, view: View, *, now: float) -> bool:
        """Whether nobody beats there any more, as far as one who watched could tell."""
        return self.view.watch.watched(self.policy, now=now) and not self.alone(view, now=now)


@dataclass(slots=True)
class Moves:
    """`stores` are the names of all that the operator has."""

    stores: Collection[str] = ()
    _guests: dict[tuple[str, GroupKey], Guest] = field(default_factory=dict)

    def open(self, key: GroupKey, *, stores: Collection[str], policy: Policy) -> dict[str, Guest]:
        """The guests of a group that came from these stores; those that the operator does not have are left out."""
        known = [store for store in stores if store in self.stores]
        return {store: self._guests.setdefault((store, key), Guest(key, policy)) for store in known}

    def close(self, key: GroupKey, *, store: str) -> None:
        self._guests.pop((store, key), None)

    def of_store(self, store: str) -> Mapping[GroupKey, Guest]:
        return {key: guest for (name, key), guest in self._guests.items() if name == store}
