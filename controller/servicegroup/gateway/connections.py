"""Whose connection stays: those that were served do; one that asks nothing, or asks too slowly, is closed in time.

Looked at twice a second. A server's own limits are beside it: of a header's size, and of the time between two requests.
"""

import asyncio
import resource
from dataclasses import dataclass, field

from aiohttp import web

from servicegroup.clock import monotonic

LOOK_SECONDS = 0.5
FIRST_REQUEST_SECONDS = 10.0
KEPT_FOR_OTHERS = 200
"""File numbers for stores, the API server and the rest."""

MOST = 30_000


@dataclass(slots=True)
class Connections:
    most: int
    _seen: dict[web.RequestHandler, float] = field(default_factory=dict)
    _served: set[web.RequestHandler] = field(default_factory=set)

    def serving(self, request: web.Request) -> None:
        """This connection's client is one of ours."""
        if request.protocol in self._seen:
            self._served.add(request.protocol)

    async def watch(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(server, now=monotonic())

    def look(self, server: web.Server, *, now: float) -> None:
        there = server.connections
        self._seen = {one: self._seen.get(one, now) for one in there}
        self._served &= self._seen.keys()
        strangers = [one for one in there if one not in self._served]
        over = len(there) - self.most
        for place, one in enumerate(strangers):  # the oldest first
            if place < over or now - self._seen[one] > FIRST_REQUEST_SECONDS:
                one.force_close()


def most() -> int:
    """How many connections there may be; the process's limit of open files is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + KEPT_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, soft - KEPT_FOR_OTHERS))
