"""kopf, and nothing but kopf: it watches, logs in and answers the probe. No other module imports it.

Handlers only write to `Groups` and to the `Roster`. They are `on.event` handlers, which put no finalizer and no
annotation on a resource, so a group can be deleted while the operator is down. Judging is a loop of our own
(`reconcile`), since a kopf timer or daemon whose patch fails once never runs again (nolar/kopf#642).
"""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from servicegroup.operator.groups import Groups
from servicegroup.operator.manifest import API_GROUP, API_VERSION, PLURAL
from servicegroup.operator.roster import Roster
from servicegroup.pods import LABEL

TOKEN_MINUTES = 10
"""The kubelet renews a service account's token long before it expires; kopf itself reads it again only when refused."""

PREFIX = "servicegroup.dev"


PODS = ("", "v1", "pods")
CHUNK = 250
"""Objects in one answer to a list."""

QUIET = 70.0
"""Seconds: bookmarks come each minute, so a watch that brings nothing for longer is dead, and nobody told us."""


def build_registry(groups: Groups, roster: Roster, *, stuck: Callable[[], str | None]) -> kopf.OperatorRegistry:
    """`stuck` says what does not move any more, or None while all loops do."""
    registry = kopf.OperatorRegistry()

    @kopf.on.event(API_GROUP, API_VERSION, PLURAL, registry=registry)
    async def seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        if event["type"] == "DELETED":
            groups.remove(body)
        else:
            groups.put(body)

    @kopf.on.event(*PODS, registry=registry)
    async def told(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        if event["type"] == "DELETED":
            roster.remove(body)
        else:
            roster.put(body)

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        found = kopf.login_with_service_account(**kwargs)
        if found is not None:
            expiration = datetime.now(UTC) + timedelta(minutes=TOKEN_MINUTES)
            return dataclasses.replace(found, server=api_server(os.environ) or found.server, expiration=expiration)
        return kopf.login_via_client(**kwargs)

    # A probe that raises anything else is retried, and hangs instead of failing.
    @kopf.on.probe(id="loops", errors=kopf.ErrorsMode.PERMANENT, registry=registry)
    async def alive(**_: Any) -> str:
        problem = stuck()
        if problem is not None:
            raise kopf.PermanentError(problem)
        return "moving"

    return registry


def api_server(environ: Mapping[str, str]) -> str | None:
    """Its address as the kubelet gives it: kopf asks for a name, and whoever judges must not need the cluster's DNS."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return None
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


class _Endless:
    """Seconds between two tries. kopf gives up when they end, and an API server that is away would end the judging."""

    def __iter__(self) -> Iterator[int]:
        return itertools.chain((1, 2, 3, 5), itertools.repeat(8))


def build_settings(*, one_namespace: bool, quiet: float = QUIET) -> kopf.OperatorSettings:
    """Settings with the reasons in the project's notes on kopf: a watch that stalls, peers that pause, an exit that
    hangs.
    """
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.scanning.disabled = one_namespace
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.inactivity_timeout = quiet
    settings.watching.chunk_size = CHUNK
    settings.watching.label_selectors[PODS] = LABEL
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _Endless()
    settings.posting.loggers = False
    settings.persistence.finalizer = f"{PREFIX}/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    settings.process.ultimate_exiting_timeout = 25
    return settings


async def watch(
    groups: Groups,
    roster: Roster,
    *,
    namespaces: tuple[str, ...],
    liveness: str | None,
    stuck: Callable[[], str | None],
    quiet: float = QUIET,
) -> None:
    """Watch until the process is told to end; kopf takes SIGTERM and SIGINT."""
    await kopf.operator(
        registry=build_registry(groups, roster, stuck=stuck),
        settings=build_settings(one_namespace=bool(namespaces), quiet=quiet),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        liveness_endpoint=liveness,
    )
