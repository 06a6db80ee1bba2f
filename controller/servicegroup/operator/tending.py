"""What a loop remembers of one group, and where that begins: at what the operator before it published."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from servicegroup.evaluation import NO_PODS, Transition, View, carried
from servicegroup.forgetting import asked, forgettable
from servicegroup.liveness import Published
from servicegroup.model import GroupSpec, Old
from servicegroup.operator.moves import Guest
from servicegroup.operator.restore import with_members, with_record, with_words
from servicegroup.operator.survey import Survey
from servicegroup.pods import Duty
from servicegroup.record import Header, Record

PASSES_OF_THE_LIVING = 3
"""An operator that publishes writes its record anew in each pass; one that did not for three has ended."""

WHOLE_SECOND = 1.0
"""By which the age of a record may be off, however short a pass is: memcached's ages are whole."""

NEVER = float("-inf")

FORGET_EVERY = 15.0
"""Seconds between two looks for members to forget: they cost a walk over all of them."""


@dataclass(slots=True)
class Tended:
    """`spec` is the one in force, `view` what is known; whether the store's record was taken in (`recorded`), what is
    not published yet (`changes`, or with `unpublished` all of it) and what was (`written`: publisher and publication).

    `guests` are the stores that the group came from; `moved` are those whose records are to be taken in first. Of a
    group that is only `arriving`, an older record, of an earlier stay in this store, is not.
    Of two operators over one store the one that came last publishes, once it has watched; the other `yields`, and takes
    its word of the silent. `began` is when this one began to publish, `heard` the other's last header and since when.
    `total` is how many members the operator before had counted, where its status could not name them all: they are
    known again by the record, or when they beat.
    """

    uid: str
    view: View
    spec: GroupSpec
    guests: dict[str, Guest] = field(default_factory=dict)
    moved: tuple[str, ...] = ()
    arriving: bool = False
    total: int = 0
    recorded: bool = False
    unpublished: bool = True
    written: tuple[str, int] | None = None
    changes: tuple[Transition, ...] = ()
    forgot: float = NEVER
    yields: bool = False
    began: float = NEVER
    heard: tuple[Header | None, float] = (None, NEVER)

    @property
    def elsewhere(self) -> list[View]:
        return [guest.view for guest in self.guests.values()]

    def take_records(self, found: Survey, *, status: Mapping[str, object]) -> None:
        """Take in what was published in the group's store, and before it moved, once each."""
        key, policy = self.spec.key, self.spec.policy
        for guest in (self.guests[store] for store in self.moved if self.guests[store].recorded):
            if guest.record is not None:
                self.view = with_members(self.view, guest.record, now=found.now)
        self.moved = tuple(store for store in self.moved if not self.guests[store].recorded)
        if found.failure is None and not self.recorded and key in found.records:
            record = found.records[key]
            self.recorded = True
            past = self.arriving and record is not None and record.header.publication < self.view.publication
            if record is not None and not past:
                self.view = with_record(self.view, record, status=status, policy=policy, now=found.now)
        elif self.yields and (record := found.records.get(key)) is not None:
            self.view = with_words(self.view, record, policy=policy, now=found.now)

    def make_way(self, found: Survey, *, publisher: str) -> None:
        """Decide who publishes, after a look at whose publication the store holds."""
        if found.failure is not None:
            return
        key, policy = self.spec.key, self.spec.policy
        written = found.published.get(key)
        self.unpublished |= written != self.written
        if written is None or written[0] == publisher:
            self.yields = False
        elif key not in found.records:  # it is read in the next pass; who has just begun is given way by the other
            self.yields = found.now - self.began > policy.sight
        else:
            alive = self._alive(found.records[key], now=found.now)
            self.yields = alive and not (self.written is None and self.view.watch.watched(policy, now=found.now))
        if self.yields:
            self.changes, self.began = (), NEVER  # all of it is published, when it is
        elif self.began == NEVER:
            self.began = found.now

    def _alive(self, record: Record | None, *, now: float) -> bool:
        """Whether the operator that wrote this record writes still: by its age, and by what this one reads itself."""
        if record is None:
            return False
        if record.header != self.heard[0]:
            self.heard = (record.header, now)
        silent = max(record.age, now - self.heard[1])
        return silent <= max(PASSES_OF_THE_LIVING * self.spec.policy.pass_seconds, WHOLE_SECOND)

    @property
    def waiting(self) -> bool:
        """Whether nobody has looked yet into one of the stores that the group was moved from."""
        return any(guest.view.watch.ended is None for guest in self.guests.values())

    def incomplete(self, *, now: float) -> bool:
        """Whether members that were counted before may yet be known again."""
        if self.moved:
            return True
        return len(self.view.published) < self.total and not self.view.watch.watched(self.spec.policy, now=now)

    def unaccounted(self, *, now: float) -> int:
        """How many never were: their names were lost with the store and the operator. It is told once."""
        if self.total == 0 or self.moved or not self.view.watch.watched(self.spec.policy, now=now):
            return 0
        lost, self.total = self.total - len(self.view.published), 0
        return max(0, lost)

    def settle(self, store: str) -> Guest:
        """The move from that store is over: what was seen there is known, and no more is looked for."""
        guest = self.guests.pop(store)
        self.view = replace(self.view, observations=carried(self.view, [guest.view], policy=self.spec.policy))
        return guest

    def old(self, found: Survey, *, duty: Duty = NO_PODS) -> tuple[Old, ...]:
        """Who is to be forgotten now; nobody while members may beat in other stores."""
        if self.guests:
            return ()
        facts = found.facts.get(self.spec.key, ())
        if found.now - self.forgot < FORGET_EVERY:
            return asked(self.view, facts, spec=self.spec, now=found.now, duty=duty)
        self.forgot = found.now
        return forgettable(self.view, facts, spec=self.spec, now=found.now, wall=found.wall, duty=duty)

    def said(self) -> Mapping[str, Published | None]:
        """What is to be published: all of it, or the changes."""
        if self.unpublished:
            return self.view.published
        return {change.member: change.after for change in self.changes}

    def header(self, *, publisher: str, now: float) -> Header:
        view, hold = self.view, self.view.braking.holding(now=now)
        return Header(
            publication=view.publication,
            policy=self.spec.policy,
            epoch=view.watch.epoch or "",
            store_back_for=0.0 if view.watch.store_back is None else now - view.watch.store_back,
            blind_for=view.watch.blind_for(now=now),
            publisher=publisher,
            promised=view.promised,
            held_since=0.0 if hold is None else hold.since,
            held_until=0.0 if hold is None else hold.ends,
            hold_left=0.0 if hold is None else hold.until - now,
        )
