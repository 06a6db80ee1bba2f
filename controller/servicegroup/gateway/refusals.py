"""What is refused: an exception inside, a status and a sentence in JSON outside. None holds a token."""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

LOGGER = logging.getLogger("servicegroup.gateway")
SOONEST_RETRY, RETRY_SPREAD = 1, 3
"""Seconds: those who are sent away together shall not come back together."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """`status` is HTTP's; with `again` it may be tried again in a moment. Not `published`: readers tell this from a
    group that there is not.
    """

    def __init__(
        self, status: int, sentence: str, *, again: bool = False, close: bool = False, published: bool = True
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.again = again
        self.close = close
        self.published = published


def overloaded(sentence: str) -> Refused:
    return Refused(429, sentence, again=True)


def unavailable(sentence: str) -> Refused:
    return Refused(503, sentence, again=True)


def answer(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")


@web.middleware
async def in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer is JSON, and an error of ours is a line in the log and no more than that in the answer."""
    try:
        return await handler(request)
    except Refused as refused:
        told: dict[str, object] = {"error": str(refused)}
        if not refused.published:
            told["published"] = False
        response = answer(told, status=refused.status)
        if refused.again:
            response.headers["Retry-After"] = str(SOONEST_RETRY + secrets.randbelow(RETRY_SPREAD))
        if refused.status == 401:  # noqa: PLR2004 - HTTP's
            response.headers["WWW-Authenticate"] = "Bearer"
        if refused.close:
            response.force_close()
        return response
    except web.HTTPException as error:
        response = answer({"error": f"{error.status} {error.reason}"}, status=error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        LOGGER.exception("a request of %s %s failed", request.method, request.rel_url.path[:200])
        return answer({"error": "the gateway failed on this request; its log says how"}, status=500)
