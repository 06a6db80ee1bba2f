"""The API server's answers to a write as the writer takes them: gone, refused for good, or to be tried again.

A server that answers what it is told to stands for one that starts, is overloaded or is upgraded.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from kubernetes.aio import client
from servicegroup.model import GroupKey
from servicegroup.operator.cluster import Cluster, ClusterUnavailable, Forbidden, Gone, StatusRefused
from servicegroup.operator.decisions import Notice
from servicegroup.operator.handlers import build_settings

KEY = GroupKey("nova", "compute")
NOTICE = Notice("MembersUp", "1 member up: a", warning=False)


def answer(code: int, reason: str, message: str = "", **details: str) -> tuple[int, str]:
    """As the API server words it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return code, json.dumps(body | {"details": details, "code": code})


async def written(code: int, body: str, *, event: bool = False) -> None:
    """A write to a server that answers so; raises what the writer raises."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {code} Answer\r\nContent-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    cluster = Cluster(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{port}")))
    try:
        if event:
            await cluster.write_event(KEY, uid="u", notice=NOTICE, time="2026-01-31T23:59:59Z")
        else:
            await cluster.write_status((KEY, "u"), {"driver": "db"})
    finally:
        await cluster.close()
        server.close()
        await server.wait_closed()


@dataclass(frozen=True)
class Answer:
    given: tuple[int, str]
    raised: type[Exception]
    word: str


ANSWERS = {
    "the group is not there": Answer(answer(404, "NotFound", "no", name="compute", kind="csg"), Gone, "404"),
    "it knows no such path, while it starts": Answer((404, "404 page not found\n"), ClusterUnavailable, "404"),
    "it knows no such kind, and names no object": Answer(
        answer(404, "NotFound", "the server could not find the requested resource"),
        ClusterUnavailable,
        "could not find",
    ),
    "somebody wrote at the same time": Answer(
        answer(409, "Conflict", "the object has been modified", name="compute"), ClusterUnavailable, "modified"
    ),
    "it is overloaded": Answer(answer(429, "TooManyRequests", "try again"), ClusterUnavailable, "try again"),
    "it fails": Answer(answer(500, "InternalError", "etcdserver: no leader"), ClusterUnavailable, "no leader"),
    "it is not ready": Answer((503, "Service Unavailable"), ClusterUnavailable, "503"),
    "something before it is not ready": Answer((502, "<html>Bad Gateway</html>"), ClusterUnavailable, "502"),
    "it gives up": Answer(answer(504, "Timeout", "the request timed out"), ClusterUnavailable, "timed out"),
    "the token has expired": Answer(answer(401, "Unauthorized", "Unauthorized"), ClusterUnavailable, "401"),
    "the role is not bound yet": Answer(answer(403, "Forbidden", "cannot patch"), Forbidden, "cannot patch"),
    "the status is invalid": Answer(answer(422, "Invalid", "status.store: Too long"), StatusRefused, "Too long"),
    "the status is too large": Answer(answer(413, "RequestEntityTooLarge", "limit is 3 MB"), StatusRefused, "3 MB"),
    "its definition is older": Answer(
        answer(500, "", ".status.mood: field not declared in schema"), StatusRefused, "not declared"
    ),
    "it answers with a list": Answer((503, "[]"), ClusterUnavailable, "503"),
}


@pytest.mark.parametrize("event", [False, True], ids=["a status", "an Event"])
@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_a_write_when(case: Answer, *, event: bool) -> None:
    with pytest.raises(case.raised, match=case.word) as caught:
        asyncio.run(written(*case.given, event=event))

    assert type(caught.value) is case.raised


def test_kopf_never_gives_up_on_an_api_server_that_is_away() -> None:
    """It gives up when the pauses end, and ends the process; it begins them anew for each request."""
    pauses = build_settings(one_namespace=False).networking.error_backoffs
    assert isinstance(pauses, Iterable)
    for _ in range(2):
        tried = [pause for pause, _ in zip(pauses, range(100_000), strict=False)]
        assert len(tried) == 100_000
        assert min(tried) >= 1
        assert max(tried) <= 10
