"""The OpenAPI document says all that can happen and nothing else: each of its answers is had from a gateway, and is of
the form that it says.
"""

import http.client
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

import pytest
from servicegroup.gateway.authentication import AT_ONCE
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Policy, Reason, Verdict
from servicegroup.record import Header
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.document import DOCUMENT, Operation, operations
from tests.gateway.gateways import Answer, Gateway, answer_of, beat
from tests.gateway.test_bursts import still
from tests.gateway.test_limits import raw
from tests.gateway.tokens import Tokens
from tests.localcluster.controlplane import ControlPlane

WITH_TOKEN = [one for one in operations() if one.path.startswith("/v1/")]
BEATS = [one for one in WITH_TOKEN if one.body is not None]
OF_A_GROUP = [one for one in WITH_TOKEN if "{group}" in one.path]
OPEN = [one for one in operations() if one not in WITH_TOKEN]
ILL = {"verdict": "Dead", "limit": "0", "continue": "%"}
"""Values of parameters that are refused. `member` may be any name."""

NONE = "a/\x01"
"""No name of a group."""

HEADER = Header(1, Policy(3600.0, 9000.0), "e", 0.0, 0.0)
UP = Published(Verdict.UP, Reason.BEATING, 1_800_000_000.0)


@dataclass
class Site:
    """A gateway and a published group; what was answered so far, each answer held against the document."""

    gateway: Gateway
    group: str
    token: str
    seen: set[tuple[str, str]] = field(default_factory=set)

    def path(self, asked: Operation, *, group: str = "") -> str:
        namespace, _, name = (group or self.group).partition("/")
        return asked.path.format(namespace=quote(namespace, safe=""), group=quote(name, safe=""), member="node-1")

    def ask(
        self,
        asked: Operation,
        *,
        group: str = "",
        token: str | None = None,
        query: str = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        said = beat(group or self.group, "node-1") if asked.body is not None and body is None else body
        path = self.path(asked, group=group) + query
        answer = self.gateway.ask(asked.method, path, token=token, body=said, headers=headers)
        return self.noted(asked, answer)

    def gives(self, asked: Operation, status: int, *, token: str) -> bool:
        return self.ask(asked, token=token).status == status

    def noted(self, asked: Operation, answer: Answer) -> Answer:
        asked.check(answer)
        self.seen.add((asked.said["operationId"], str(answer.status)))
        return answer


@pytest.fixture
def site(gateway: Gateway, tokens: Tokens, store: Store) -> Site:
    group = tokens.group()
    store.publish(GroupKey.parse(group), HEADER, changes={"node-1": UP}, whole=True, timeout=30.0)
    found = Site(gateway, group, tokens.of_subject("all", "get", "beat"))
    for asked in OF_A_GROUP:
        until(partial(found.gives, asked, 200, token=found.token), why="it is published")
    return found


def in_order(site: Site, stranger: str) -> None:
    for asked in OPEN:
        assert site.ask(asked).status == 200
    for asked in WITH_TOKEN:
        assert site.ask(asked, token=site.token).status == 200
        assert site.ask(asked).status == 401
    for asked in (*OF_A_GROUP, *BEATS):
        assert site.ask(asked, token=stranger).status == 403
        missing = site.group + "-none"
        assert site.ask(asked, group=missing, token=site.token).status == 404
    for asked in OF_A_GROUP:
        assert site.ask(asked, group=NONE, token=site.token).status == 400
        tag = site.ask(asked, token=site.token).headers["ETag"]
        assert site.ask(asked, token=site.token, headers={"If-None-Match": tag}).status == 304
        for name in asked.parameters("query").keys() & ILL:
            refused = site.ask(asked, token=site.token, query=f"?{name}={quote(ILL[name])}")
            assert (refused.status, refused.body["error"].startswith(name)) == (400, True)
    for asked in BEATS:
        assert site.ask(asked, token=site.token, body={}).status == 400
        assert site.ask(asked, token=site.token, body=b" " * 100_000).status == 413


def too_slowly(site: Site) -> None:
    with ExitStack() as stack:
        socks = [(asked, stack.enter_context(raw(site.gateway))) for asked in BEATS]
        for asked, sock in socks:
            head = f"POST {asked.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {site.token}\r\n"
            sock.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
        for asked, sock in socks:
            with closing(http.client.HTTPResponse(sock)) as response:
                response.begin()
                assert site.noted(asked, answer_of(response)).status == 408


def without_api_server(site: Site, fresh: Callable[[], str], control_plane: ControlPlane) -> None:
    unknown, late, *others = [fresh() for _ in range(2 + AT_ONCE // 4)]
    with still(control_plane), ThreadPoolExecutor(len(WITH_TOKEN)) as threads:
        # All by one token, which is one review: it ends in time, though the API server does not answer.
        answers = list(threads.map(lambda asked: site.ask(asked, token=unknown), WITH_TOKEN))
        assert {(one.status, "Retry-After" in one.headers) for one in answers} == {(503, True)}
        with reviewed_all_the_while(site, others):
            for asked in WITH_TOKEN:
                until(partial(site.gives, asked, 429, token=late), why="there is no room for more", seconds=60.0)


@contextmanager
def reviewed_all_the_while(site: Site, tokens: list[str]) -> Iterator[None]:
    ended = threading.Event()

    def ask(token: str) -> None:
        while not ended.is_set():
            site.gateway.ask("GET", "/v1/groups", token=token)

    threads = [threading.Thread(target=ask, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.timeout(240, func_only=True)
def test_every_answer_of_the_document_can_be_had(site: Site, tokens: Tokens, control_plane: ControlPlane) -> None:
    in_order(site, tokens.of_subject("stranger"))
    too_slowly(site)
    numbers = iter(range(1000))
    without_api_server(site, lambda: tokens.of_subject(f"fresh-{next(numbers)}"), control_plane)
    documented = {(one.said["operationId"], status) for one in operations() for status in one.said["responses"]}
    assert site.seen == documented


def test_the_document_names_what_a_request_is_made_of() -> None:
    named = {one.said["operationId"]: set(one.parameters("query")) for one in WITH_TOKEN if one.parameters("query")}
    assert named == {"listMembers": {*ILL, "member"}}
    for one in OF_A_GROUP:
        assert set(one.parameters("header")) == {"If-None-Match"}
    for one in operations():
        failures = {status for status in one.said["responses"] if status >= "500"}
        assert failures <= {"503"}, "nothing but what passes: the gateway itself never fails"
        assert set(one.parameters("path")) == set(re.findall(r"{(\w+)}", one.path))
    assert DOCUMENT["openapi"].startswith("3.1")
