"""Groups on their way from one store to another: who asks for a look at the old store, and what was seen there.

The loop of a group's new store opens a `Guest` for each store that the group came from; the loop of that store looks
for it in each of its passes, and judges nothing. All of it happens on one event loop, so nothing is locked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from servicegroup.evaluation import View, perceive
from servicegroup.model import GroupKey, Policy, State
from servicegroup.operator.survey import Survey
from servicegroup.record import Record


@dataclass(slots=True)
class Guest:
    """A group in a store that it was moved from. `record` is what was published there, once `recorded`."""

    key: GroupKey
    policy: Policy
    view: View = field(default_factory=View)
    recorded: bool = False
    record: Record | None = None

    def look(self, found: Survey) -> None:
        """Take in what a look at that store brought."""
        self.view = perceive(self.view, found.of(self.key), policy=self.policy)
        if self.key in found.records and not self.recorded:
            self.recorded, self.record = True, found.records[self.key]

    def beating(self, *, now: float) -> list[str]:
        """Who beat there within its T and has not left, by name."""
        return sorted(
            member
            for member, seen in self.view.observations.items()
            if seen.state is not State.LEFT
            and seen.silent_for(now=now) <= self.policy.stretched(seen.interval).down_time
        )

    def alone(self, view: View, *, now: float) -> list[str]:
        """Of them the members that did not beat in the group's own store since."""
        found = []
        for member in self.beating(now=now):
            mine = view.observations.get(member)
            elsewhere = mine is None or not mine.incarnation or mine.beat < self.view.observations[member].beat
            if elsewhere and member in view.published:
                found.append(member)
        return found

    def done(self, *, now: float) -> bool:
        """Whether nobody beats there any more, as far as one could tell who watched and has just looked."""
        watch = self.view.watch
        recent = watch.healthy is not None and now - watch.healthy <= self.policy.longest_gap
        return recent and watch.watched(self.policy, now=now) and not self.beating(now=now)


@dataclass(slots=True)
class Moves:
    """`stores` are the names of all that the operator has."""

    stores: Collection[str] = ()
    _guests: dict[tuple[str, GroupKey], Guest] = field(default_factory=dict)

    def open(self, key: GroupKey, *, stores: Collection[str], policy: Policy) -> dict[str, Guest]:
        """The guests of a group that came from these stores; those that the operator does not have are left out. They
        go on from what was seen for the group before, in the midst of a move.
        """
        opened = {}
        for store in (store for store in stores if store in self.stores):
            before = self._guests.get((store, key))
            opened[store] = Guest(key, policy) if before is None else replace(before, policy=policy)
            self._guests[store, key] = opened[store]
        return opened

    def close(self, guest: Guest) -> None:
        """Look no more, unless another loop has opened one in its place: a group that moved on, from a slow store."""
        for place in [place for place, one in self._guests.items() if one is guest]:
            del self._guests[place]

    def of_store(self, store: str) -> Mapping[GroupKey, Guest]:
        return {key: guest for (name, key), guest in self._guests.items() if name == store}
