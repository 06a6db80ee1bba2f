"""The groups that exist, as the API server's watch (or a file) told them: the one thing that kopf's handlers write
to.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicegroup.model import GroupKey, GroupSpec, Policy
from servicegroup.operator.manifest import InvalidSpec, key_of, spec_of

DEFAULT = Policy(10.0, 60.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group that exists: its spec, or what is wrong with it; and the status it had when it was first seen."""

    key: GroupKey
    uid: str
    generation: int
    spec: GroupSpec | None
    problem: str | None
    status: Mapping[str, Any]


class Groups:
    """A dictionary with bells, which ring whenever a group appears, changes its spec, or goes."""

    def __init__(self) -> None:
        self._bells: list[asyncio.Event] = []
        self._wanted: dict[GroupKey, Wanted] = {}

    def bell(self) -> asyncio.Event:
        """One for each listener, who clears it."""
        self._bells.append(asyncio.Event())
        return self._bells[-1]

    def put(self, body: Mapping[str, Any]) -> None:
        """Take in a resource as it is now. One whose spec is refused keeps its key, so that it can be told."""
        wanted = _wanted(body)
        before = self._wanted.get(wanted.key)
        if before is not None and before.uid == wanted.uid:
            if before.generation == wanted.generation and before.spec == wanted.spec:
                return  # our own write of the status, most often
            wanted = Wanted(wanted.key, wanted.uid, wanted.generation, wanted.spec, wanted.problem, before.status)
        self._wanted[wanted.key] = wanted
        self._ring()

    def remove(self, body: Mapping[str, Any]) -> None:
        """Take out a resource that is gone; the one that has its name by now stays."""
        self.discard(key_of(body), uid=str(body.get("metadata", {}).get("uid", "")))

    def discard(self, key: GroupKey, *, uid: str) -> None:
        if key in self._wanted and self._wanted[key].uid == uid:
            del self._wanted[key]
            self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    def all(self) -> tuple[Wanted, ...]:
        return tuple(self._wanted.values())

    def store_of(self, key: GroupKey) -> str | None:
        """The name of its store; None for a group that there is not, or whose spec is refused."""
        wanted = self._wanted.get(key)
        return None if wanted is None or wanted.spec is None else wanted.spec.store

    def policy_of(self, key: GroupKey) -> Policy:
        """As its spec says; the resource's defaults for a group that there is not (yet)."""
        wanted = self._wanted.get(key)
        return DEFAULT if wanted is None or wanted.spec is None else wanted.spec.policy

    def of_store(self, store: str) -> dict[GroupKey, Wanted]:
        return {w.key: w for w in self._wanted.values() if w.spec is not None and w.spec.store == store}


def _wanted(body: Mapping[str, Any]) -> Wanted:
    metadata = body.get("metadata", {})
    spec, problem = None, None
    try:
        spec = spec_of(body)
    except InvalidSpec as error:
        problem = str(error)
    return Wanted(
        key=key_of(body),
        uid=str(metadata.get("uid", "")),
        generation=int(metadata.get("generation", 0)),
        spec=spec,
        problem=problem,
        status=dict(body.get("status") or {}),
    )
