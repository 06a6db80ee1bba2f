"""PostgreSQL with a replica that streams from it, and takes over its address when it is lost."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.databases import POSTGRESQL, Kind, Server, served
from tests.scenarios.machine import Disk
from tests.scenarios.places.contention import SharedDatabase
from tests.scenarios.places.database import Database
from tests.scenarios.proxy import Proxy


class Postgresql(SharedDatabase):
    _replica: Server | None = None

    @contextmanager
    def replica_behind(self) -> Iterator[None]:
        """It has what there was at the beginning, and hears of nothing after that: the way to it is closed."""
        way = Proxy(self.server.port)
        try:
            self._replica = self.server.follower(port=way.port)
            self._replica.start()
            with way.held():
                yield
        finally:
            way.close()
            if self._replica is not None:
                self._replica.stop()
                self._replica = None

    @contextmanager
    def primary_lost(self) -> Iterator[None]:
        """At the end its replica serves in its place."""
        lost, heir = self.server, self._replica
        assert heir is not None, "there is none without `replica_behind`"
        lost.kill()
        try:
            yield
        finally:
            heir.admin("SELECT pg_promote()")
            self.server, self.url, self._replica = heir, heir.url(), None
            for way in (*self._ways.agents, *self._ways.operator):
                way.lead_to(heir.port)
            shutil.rmtree(lost.folder / "data")


@contextmanager
def databases(kind: Kind, *, disk: Disk | None) -> Iterator[Database]:
    with served(kind, within=None if disk is None else disk.folder) as server:
        server.init()
        place = Postgresql(server, disk) if kind is POSTGRESQL else SharedDatabase(server, disk)
        assert place.ways is not None
        try:
            yield place
        finally:
            place.ways.close()
            place.server.stop()  # a replica may have taken the first one's place
