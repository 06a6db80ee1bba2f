"""The gateway's composition root: settings, stores and the API server in, one HTTP service until it is cancelled."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from servicegroup.gateway import connections
from servicegroup.gateway.apiserver import ApiServer
from servicegroup.gateway.authentication import TRUSTED_SECONDS, Authenticator
from servicegroup.gateway.authorization import Authorizer
from servicegroup.gateway.beats import LARGEST_BODY, Beats, Gate
from servicegroup.gateway.certificates import Certificate
from servicegroup.gateway.connections import Connections
from servicegroup.gateway.delivery import ANSWER_SECONDS, deliver
from servicegroup.gateway.groups import GroupStores
from servicegroup.gateway.identity import AUDIENCE
from servicegroup.gateway.lane import Lane
from servicegroup.gateway.listening import Address, Site
from servicegroup.gateway.queries import Queries
from servicegroup.gateway.refusals import Handler, answer, in_json
from servicegroup.store import GatewayStore

LOGGER = logging.getLogger("servicegroup.gateway")
SILENT = logging.getLogger("servicegroup.gateway.http")
"""aiohttp quotes what it cannot read, which may hold a token: nothing of it is logged."""

BETWEEN_REQUESTS = 75.0
"""Seconds; an agent of a longer interval connects anew."""

DRAIN_SECONDS = 10.0
LINGER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """`certificate` None: without TLS, on a loopback address alone."""

    listen: Address
    certificate: Certificate | None = None
    audience: str = AUDIENCE
    trusted: float = TRUSTED_SECONDS


async def run(
    configuration: Configuration,
    api: ApiServer,
    groups: GroupStores,
    stores: Mapping[str, Callable[[], GatewayStore]],
) -> None:
    """Until it is cancelled; then who is waiting is answered first. Raises InvalidSetting."""
    context = None if configuration.certificate is None else configuration.certificate.context()
    serving = _serving(configuration, api, groups, stores, context=context)
    async with serving as (runner, kept), asyncio.TaskGroup() as tasks:
        if runner.server is not None:
            tasks.create_task(kept.watch(runner.server))
        if configuration.certificate is not None and context is not None:
            tasks.create_task(configuration.certificate.watch(context))


@asynccontextmanager
async def _serving(
    configuration: Configuration,
    api: ApiServer,
    groups: GroupStores,
    stores: Mapping[str, Callable[[], GatewayStore]],
    *,
    context: ssl.SSLContext | None,
) -> AsyncIterator[tuple[web.AppRunner, Connections]]:
    lanes = {name: Lane(name, opened) for name, opened in stores.items()}
    kept = Connections(connections.most())
    gate = Gate(Authenticator(api, configuration.audience, configuration.trusted), Authorizer(api), groups, lanes)
    runner = web.AppRunner(
        application(gate, kept),
        access_log=None,
        logger=SILENT,
        handler_cancellation=True,  # nobody waits for it any more: a question need not be answered
        auto_decompress=False,
        keepalive_timeout=BETWEEN_REQUESTS,
        lingering_time=LINGER_SECONDS,
        shutdown_timeout=DRAIN_SECONDS,
    )
    SILENT.disabled = True
    await runner.setup()
    try:
        site = Site(runner, configuration.listen, context)
        await site.start()
        LOGGER.info("the gateway listens on %s", site.name)
        yield runner, kept
    finally:
        await runner.cleanup()
        for lane in lanes.values():
            await lane.close()
        LOGGER.info("the gateway has answered all it took, and is closed")


def application(gate: Gate, kept: Connections, *, patience: float = ANSWER_SECONDS) -> web.Application:
    @web.middleware
    async def delivered(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        await deliver(request, response, seconds=patience)
        return response

    @web.middleware
    async def stays(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.status < 400 and request.path.startswith("/v1/"):  # noqa: PLR2004 - HTTP's; with a token, that is
            kept.serving(request)
        return response

    async def health(_request: web.Request) -> web.Response:
        return answer({"status": "serving"})

    document = resources.files(__package__).joinpath("openapi.json").read_bytes()

    async def described(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    found = web.Application(middlewares=[delivered, in_json, stays], client_max_size=LARGEST_BODY)
    beats = Beats(gate)
    found.on_cleanup.append(beats.close)
    found.add_routes([*beats.routes(), *Queries(gate, patience).routes()])
    found.add_routes([web.get("/healthz", health), web.get("/openapi.json", described)])
    return found
