"""Waits by the API server's watch: an object's next states come in until one is accepted."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes import watch

WITHIN = 150.0
"""Seconds: a limit for what never happens, no measure of what does."""

Body = Mapping[str, Any]


def until(
    listing: Callable[..., Any], accepted: Callable[[Body], bool], *, what: str, within: float = WITHIN, **where: Any
) -> Body:
    """The first state, the present one included, that is accepted."""
    limit, last = time.monotonic() + within, dict[str, Body]()
    while (left := limit - time.monotonic()) > 0:
        watching: Any = watch.Watch()
        for event in watching.stream(listing, timeout_seconds=max(1, int(left)), **where):
            body = event["raw_object"]
            last[body["metadata"]["name"]] = body
            if event["type"] != "DELETED" and accepted(body):
                watching.stop()
                return body  # type: ignore[no-any-return]
    shown = {name: body.get("status") for name, body in last.items()}
    raise AssertionError(f"{what}: not within {within:.0f} s; last seen: {shown}")


def until_gone(listing: Callable[..., Any], *, what: str, within: float = WITHIN, **where: Any) -> None:
    """Until there is none of them."""
    limit = time.monotonic() + within
    while time.monotonic() < limit:
        found: Any = listing(**where)
        items = found["items"] if isinstance(found, dict) else found.items
        if not items:
            return
        version = found["metadata"]["resourceVersion"] if isinstance(found, dict) else found.metadata.resource_version
        watching: Any = watch.Watch()
        left = max(1, int(limit - time.monotonic()))
        for event in watching.stream(listing, timeout_seconds=left, resource_version=version, **where):
            if event["type"] == "DELETED":
                break
    raise AssertionError(f"{what}: still there after {within:.0f} s")
