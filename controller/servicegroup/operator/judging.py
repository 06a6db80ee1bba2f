"""The groups of one store as its loop knows them: what a look brought comes in, verdicts go to the outlet. No I/O.

An error of ours over one group is that group's condition, and not the end of every other's verdicts.
"""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from servicegroup.evaluation import NO_PODS, Transition, advance
from servicegroup.massfailure import of_store
from servicegroup.model import GroupKey, GroupSpec, MassFailure
from servicegroup.operator import decisions
from servicegroup.operator.evidence import Evidence
from servicegroup.operator.groups import Wanted
from servicegroup.operator.moves import Moves
from servicegroup.operator.outlet import Outlet
from servicegroup.operator.pacing import beating, paced
from servicegroup.operator.restore import came_from, from_status, unrecorded
from servicegroup.operator.roster import Roster
from servicegroup.operator.status import Moving, large, refuse, render
from servicegroup.operator.stores import StoreConfig
from servicegroup.operator.survey import Survey
from servicegroup.operator.tending import Tended
from servicegroup.pods import Duty

LOGGER = logging.getLogger("servicegroup.operator")


@dataclass(slots=True)
class Judging:
    config: StoreConfig
    outlet: Outlet
    moves: Moves
    decisions_file: Path | None = None
    roster: Roster | None = None
    publisher: str = ""
    _tended: dict[GroupKey, Tended] = field(default_factory=dict)
    _given_up: set[GroupKey] = field(default_factory=set)
    _evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        self._evidence = Evidence(self.config.name)

    def known(self, key: GroupKey) -> Tended | None:
        return self._tended.get(key)

    def duty(self, key: GroupKey) -> Duty:
        """Of a group from a file nobody knows pods."""
        return NO_PODS if self.roster is None else self.roster.duty(key)

    def recorded(self, key: GroupKey) -> bool:
        """Whether the store's record of the group was taken in, and nobody else writes it."""
        return key in self._tended and self._tended[key].recorded and not self._tended[key].yields

    def judge(self, wanted: Mapping[GroupKey, Wanted], found: Survey) -> None:
        """All groups after one look; their intervals depend on how many members there are in all of them."""
        gaps = (one.spec.policy.longest_gap for one in wanted.values() if one.spec is not None)
        self._evidence.take(found, gap=min(gaps, default=math.inf))
        tended = [(one, self._tend(one, one.spec, found)) for one in wanted.values() if one.spec is not None]
        groups = [(one, it) for one, it in tended if it is not None]
        members = sum(beating(it.view, found.facts.get(one.key, ())) for one, it in groups)
        guests = self.moves.of_store(self.config.name)
        members += sum(len(guest.beating(now=found.now)) for key, guest in guests.items() if key not in wanted)
        above = of_store([it.view.braking.count for _, it in groups], rule=MassFailure())
        for one, it in groups:
            it.spec = paced(it.spec, members=members, beats_per_second=self.config.beats_per_second)
            try:
                self._judge_one(one, it, found, store_above=above)
            except Exception as error:  # noqa: BLE001 - told with its traceback, and to one group alone
                self.give_up(one, error)
            else:
                self._given_up.discard(one.key)

    def _judge_one(self, wanted: Wanted, tended: Tended, found: Survey, *, store_above: bool) -> None:
        if tended.waiting:
            return
        for guest in tended.guests.values():
            guest.policy = tended.spec.policy
        tended.view, changes = advance(
            tended.view,
            found.of(wanted.key),
            spec=tended.spec,
            wall=found.wall,
            elsewhere=tended.elsewhere,
            store_above=store_above,
            duty=self.duty(wanted.key),
        )
        # The tables were lost, a backup came back, or another operator wrote: it is given the whole once more.
        tended.make_way(found, publisher=self.publisher)
        for store in [store for store, guest in tended.guests.items() if guest.done(now=found.now)]:
            LOGGER.info("group %s: it has moved from store %s: nobody beats there any more", wanted.key, store)
            self.moves.close(tended.settle(store))
        self.tell(wanted, tended, changes, found)

    def _tend(self, wanted: Wanted, spec: GroupSpec, found: Survey) -> Tended | None:
        status = self.outlet.latest(wanted)
        try:
            tended = self._tended.get(wanted.key)
            if tended is None or tended.uid != wanted.uid:
                self._drop(wanted.key)
                tended = self._tended[wanted.key] = self._begun(wanted, spec, found)
            tended.spec = spec
            tended.take_records(found, status=status)
        except Exception as error:  # noqa: BLE001 - as above
            self.give_up(wanted, error)
            return None
        return tended

    def _begun(self, wanted: Wanted, spec: GroupSpec, found: Survey) -> Tended:
        status = self.outlet.latest(wanted)
        tended = Tended(wanted.uid, from_status(status, now=found.asked, wall=found.wall), spec)
        tended.total = int(status["counts"]["total"]) if large(status) else 0
        before = came_from(status, store=spec.store)
        if before:
            LOGGER.info("group %s: on its way from store %s to %s", wanted.key, ", ".join(before), spec.store)
            tended.guests = self.moves.open(wanted.key, stores=before, policy=spec.policy)
            tended.arriving = status.get("store") != spec.store
            tended.moved = tuple(store for store in unrecorded(status, before) if store in tended.guests)
            tended.view = replace(tended.view, arrived=True)
        return tended

    def tell(self, wanted: Wanted, tended: Tended, changes: tuple[Transition, ...], found: Survey) -> None:
        """Say what changed, and what the group is like now."""
        view, spec = tended.view, tended.spec
        tended.changes += changes
        told = decisions.notices(changes, unaccounted=tended.unaccounted(now=found.now))
        decisions.log(wanted.key, told)
        if self.decisions_file is not None and changes:
            decisions.append(self.decisions_file, wanted.key, changes, down_time=spec.policy.down_time, wall=found.wall)
        guests = tended.guests
        status = render(
            view,
            spec=spec,
            before=self.outlet.latest(wanted),
            driver=self.config.driver,
            sight=self._evidence.sight(spec.policy, read_once=view.watch.healthy is not None, now=found.now),
            moving=Moving(
                stores=tuple(guests),
                alone=tuple(member for guest in guests.values() for member in guest.alone(view, now=found.now)),
                unread=tuple(store for store, guest in guests.items() if guest.view.watch.broken),
                unrecorded=tended.moved,
            ),
            incomplete=tended.incomplete(now=found.now),
            absent=self._evidence.absent(now=found.now),
            roster=self.roster,
            now=found.now,
            wall=found.wall,
        )
        self.outlet.status(wanted, status)
        self.outlet.notices(wanted, told)

    def refuse(self, wanted: Mapping[GroupKey, Wanted], problem: str) -> None:
        for one in wanted.values():
            self._tell_refused(one, problem, reason="StoreMisconfigured")

    def give_up(self, wanted: Wanted, error: Exception) -> None:
        self._drop(wanted.key)
        if wanted.key in self._given_up:
            return
        self._given_up.add(wanted.key)
        LOGGER.error("group %s: it cannot be evaluated", wanted.key, exc_info=error)
        self._tell_refused(wanted, "the operator failed on this group; its log says how", reason="InternalError")

    def _tell_refused(self, wanted: Wanted, problem: str, *, reason: str) -> None:
        status = refuse(
            problem,
            reason=reason,
            permanent=False,  # a file may be mounted yet, a newer operator come
            generation=wanted.generation,
            before=self.outlet.latest(wanted),
            wall=time.time(),
        )
        self.outlet.status(wanted, status)

    def publish_whole(self) -> None:
        """What is in the store is not known any more."""
        for tended in self._tended.values():
            tended.unpublished = True

    def let_go(self, wanted: Mapping[GroupKey, Wanted]) -> None:
        for key in [key for key in self._tended if key not in wanted]:
            self._drop(key)

    def _drop(self, key: GroupKey) -> None:
        tended = self._tended.pop(key, None)
        for guest in () if tended is None else tended.guests.values():
            self.moves.close(guest)
