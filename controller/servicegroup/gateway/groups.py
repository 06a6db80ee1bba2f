"""Which store a group is in: what the operator's watch knows, or, in a gateway of its own, a list from the API server.

A list every few seconds, and at once when somebody asks for a group that is not in it: there are few groups, the API
server answers from its memory, and unlike a watch it cannot stall.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from servicegroup.clock import monotonic
from servicegroup.gateway.apiserver import ApiServerUnavailable
from servicegroup.gateway.refusals import unavailable
from servicegroup.model import GroupKey
from servicegroup.operator.groups import Groups

LOGGER = logging.getLogger("servicegroup.gateway")
LIST_SECONDS = 10.0
ASK_SECONDS = 1.0
"""Between two lists at least, however many ask for a group that is nowhere: they wait for the next."""


class GroupStores(Protocol):
    async def store_of(self, key: GroupKey) -> str | None:
        """The name of the group's store; None when there is no such group. Raises Refused: 503."""

    async def all(self) -> Mapping[GroupKey, str]:
        """Every group's store. Raises Refused: 503."""


@dataclass(frozen=True, slots=True)
class Watched:
    """In the operator's process."""

    groups: Groups

    async def store_of(self, key: GroupKey) -> str | None:
        return self.groups.store_of(key)

    async def all(self) -> Mapping[GroupKey, str]:
        return {one.key: one.spec.store for one in self.groups.all() if one.spec is not None}


class Lister(Protocol):
    async def groups(self, *, namespace: str | None) -> list[Mapping[str, Any]]: ...


@dataclass(slots=True)
class Listed:
    """`namespaces` empty: all."""

    api: Lister
    namespaces: tuple[str, ...] = ()
    _stores: Mapping[GroupKey, str] | None = None
    _begun: float = float("-inf")
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failed: bool = False

    async def run(self) -> None:
        while True:
            await self._list(after=monotonic())
            await asyncio.sleep(LIST_SECONDS)

    async def store_of(self, key: GroupKey) -> str | None:
        asked, stores = monotonic(), await self.all()
        if key not in stores:
            await self._list(after=asked)
            stores = await self.all()
        return stores.get(key)

    async def all(self) -> Mapping[GroupKey, str]:
        if self._stores is None:
            await self._list(after=monotonic())
        if self._stores is None:
            raise unavailable("the API server cannot be asked which groups there are; try again")
        return self._stores

    async def _list(self, *, after: float) -> None:
        """A list that was begun after that time; all who wait meanwhile share it. When it fails, the one before
        stays.
        """
        async with self._listing:
            if self._begun > after:
                return
            await asyncio.sleep(max(0.0, self._begun + ASK_SECONDS - monotonic()))
            self._begun = monotonic()
            known = Groups()
            try:
                for namespace in self.namespaces or (None,):
                    for body in await self.api.groups(namespace=namespace):
                        known.put(body)
            except ApiServerUnavailable as error:
                if not self._failed:
                    LOGGER.warning("the groups cannot be listed: %s", error)
                self._failed = True
            else:
                self._failed = False
                self._stores = await Watched(known).all()
