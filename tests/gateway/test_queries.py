"""What readers are answered, each answer held against the OpenAPI document; and requests that nobody should send."""

import string
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.aio import client as aio_client
from servicegroup.gateway import serve
from servicegroup.gateway.apiserver import ApiServer
from servicegroup.gateway.authentication import Authenticator
from servicegroup.gateway.authorization import Authorizer
from servicegroup.gateway.beats import Gate
from servicegroup.gateway.connections import Connections
from servicegroup.gateway.groups import Watched
from servicegroup.liveness import Published
from servicegroup.model import GroupKey, Policy, Reason, Verdict
from servicegroup.operator.groups import Groups
from servicegroup.record import Header
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.document import DOCUMENT, Operation, operation, operations
from tests.gateway.gateways import Answer, Gateway, beat
from tests.gateway.tokens import Tokens

STRANGE = "10.0.0.1: 機架/..?%2F#"
MEMBERS = {
    "node-1": Published(Verdict.UP, Reason.BEATING, 1_800_000_000.0),
    "node-2": Published(Verdict.DOWN, Reason.SILENT, 1_800_000_000.0, disabled=True),
    "node-3": Published(Verdict.UNKNOWN, Reason.MISSING, 0.0),
    STRANGE: Published(Verdict.UP, Reason.BEATING, 1_800_000_000.0, draining=True),
}


class Readers:
    """A group that is published, and who may read it."""

    def __init__(self, gateway: Gateway, store: Store, tokens: Tokens) -> None:
        self._gateway, self._store = gateway, store
        self.key = GroupKey.parse(tokens.group())
        self.token = tokens.of_subject("reader", "get", "beat")
        self.publish(1)
        until(lambda: self.ask("getGroup").status == 200, why="it is published")

    def publish(self, publication: int, **policy: float) -> None:
        header = Header(publication, Policy(**{"interval": 3600.0, "down_time": 9000.0, **policy}), "e", 0.0, 0.0)
        self._store.publish(self.key, header, changes=MEMBERS, whole=True, timeout=30.0)

    def ask(self, name: str, *, member: str = "", headers: Mapping[str, str] | None = None, **query: str) -> Answer:
        """The answer, after it was held against the document."""
        asked = operation(name)
        words = {"namespace": self.key.namespace, "group": self.key.name, "member": member}
        path = asked.path.format(**{word: quote(text, safe="") for word, text in words.items()})
        found = self._gateway.ask(
            "GET", f"{path}?{urlencode(query)}" if query else path, token=self.token, headers=headers
        )
        asked.check(found)
        return found


@pytest.fixture
def readers(gateway: Gateway, store: Store, tokens: Tokens) -> Readers:
    return Readers(gateway, store, tokens)


def names(answer: Answer) -> list[str]:
    return [one["member"] for one in answer.body["members"]]


def test_a_group_is_counted(readers: Readers) -> None:
    body = readers.ask("getGroup").body
    assert body["counts"] == {"total": 4, "up": 2, "down": 1, "unknown": 1}
    assert (body["stale"], body["publication"], body["reportIntervalSeconds"]) == (False, 1, 3600.0)


def test_members_are_filtered_and_paged(readers: Readers) -> None:
    ordered = sorted(MEMBERS)
    assert names(readers.ask("listMembers")) == ordered
    assert names(readers.ask("listMembers", verdict="Up")) == [STRANGE, "node-1"]
    assert names(readers.ask("listMembers", member=STRANGE, limit="5")) == ordered
    first = readers.ask("listMembers", limit="3")
    assert names(first) == ordered[:3]
    rest = readers.ask("listMembers", limit="3", **{"continue": first.body["continue"]})
    assert (names(rest), rest.body["continue"]) == (ordered[3:], None)


def test_one_member_and_whether_it_is_up(readers: Readers) -> None:
    assert readers.ask("getMember", member=STRANGE).body["draining"]
    said = {name: readers.ask("isUp", member=name).body for name in MEMBERS}
    assert {name: (one["isUp"], one["isDown"]) for name, one in said.items()} == {
        "node-1": (True, False),
        "node-2": (False, True),
        "node-3": (False, False),
        STRANGE: (True, False),
    }
    assert readers.ask("isUp", member="never").status == 404


def test_who_has_this_publication_is_told_its_age_alone(readers: Readers) -> None:
    first = readers.ask("getGroup")
    same = readers.ask("getGroup", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status, same.headers["ETag"]) == (304, first.headers["ETag"])
    assert int(same.headers["Age"]) >= 0
    readers.publish(2)
    tagged = {"If-None-Match": first.headers["ETag"]}
    until(lambda: readers.ask("getGroup", headers=tagged).status == 200, why="the new publication is told")


def test_an_old_record_is_unknown_by_another_tag(readers: Readers) -> None:
    first = readers.ask("getGroup")
    readers.publish(1, interval=1e-6, down_time=1e-5)
    until(lambda: readers.ask("getGroup").body["stale"], why="it is stale")
    assert readers.ask("getGroup").headers["ETag"] != first.headers["ETag"]
    assert readers.ask("getGroup").body["counts"]["unknown"] == 4
    assert readers.ask("getMember", member="node-1").body["reason"] == "NoOperator"
    assert readers.ask("isUp", member="may have joined").body["verdict"] == "Unknown"


def test_a_reader_sees_the_groups_of_its_namespace_alone(readers: Readers) -> None:
    groups = readers.ask("listGroups").body["groups"]
    assert [one["group"] for one in groups] == [str(readers.key)]


def test_who_may_not_read_learns_nothing(readers: Readers, tokens: Tokens) -> None:
    readers.token = tokens.of_subject("nobody", "beat")
    assert readers.ask("getGroup").status == 403
    assert readers.ask("listGroups").body == {"groups": []}
    readers.token = "a.b.c"  # noqa: S105 - none
    assert readers.ask("getGroup").status == 401


def test_a_group_that_nobody_published_is_told_apart(gateway: Gateway, tokens: Tokens) -> None:
    namespace, _, name = tokens.group().partition("/")
    token = tokens.of_subject("reader", "get")
    answer = gateway.ask("GET", f"/v1/namespaces/{namespace}/groups/{name}", token=token)
    assert (answer.status, answer.body["published"]) == (404, False)
    groups = gateway.ask("GET", "/v1/groups", token=token)
    operation("listGroups").check(groups)
    assert groups.body == {"groups": [{"group": f"{namespace}/{name}", "ageSeconds": None}]}


def test_the_document_has_every_path_and_no_other() -> None:
    gate = Gate(Authenticator(NOBODY, "a"), Authorizer(NOBODY), Watched(Groups()), {})
    routes = serve.application(gate, Connections(1)).router.routes()
    served = {(route.method, route.resource.canonical) for route in routes if route.resource and route.method != "HEAD"}
    assert served == {(one.method, one.path) for one in operations()}


NOBODY = ApiServer(aio_client.ApiClient(aio_client.Configuration(host="http://127.0.0.1:1")))
"""An API server that is asked nothing here; nobody would answer."""

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from([2**63, -1, 1e308, "x" * 300, "a/b", "\x00", "\ud800", "Up", "10"]),
)
GOOD = beat("none/none", "node-1")
BODIES = st.one_of(
    ODD,
    st.dictionaries(st.sampled_from([*GOOD, "more"]), ODD).map(lambda some: {**GOOD, **some}),
    st.dictionaries(st.text(), ODD),
)
WORDS = st.text(max_size=40) | st.text(string.printable, max_size=300) | st.sampled_from([".", "..", "%", "a/b", "-"])


@pytest.mark.parametrize("asked", list(operations()), ids=lambda one: one.said["operationId"])
def test_no_request_of_the_document_makes_the_gateway_fail(
    gateway: Gateway, readers: Readers, asked: Operation
) -> None:
    """Parameters and bodies of any kind: a documented answer of the documented form."""

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        own = {"namespace": readers.key.namespace, "group": readers.key.name, "member": "node-1"}
        words = {name: data.draw(st.just(own[name]) | WORDS) for name in asked.parameters("path")}
        path = asked.path.format(**{name: quote(text, safe="", errors="replace") for name, text in words.items()})
        query = {name: data.draw(WORDS) for name in asked.parameters("query") if data.draw(st.booleans())}
        if query:
            path += f"?{urlencode(query, errors='replace')}"
        body = data.draw(BODIES) if asked.body is not None else None
        if isinstance(body, dict) and body.get("group") == "none/none":
            body["group"] = str(readers.key)
        answer = gateway.ask(asked.method, path, token=readers.token, body=body)
        assert answer.status < 500, answer
        if all(words.values()):  # without one of them it is another path
            asked.check(answer)

    ask()


def test_the_document_is_served(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/openapi.json").body == DOCUMENT
    assert gateway.ask("GET", "/healthz").body == {"status": "serving"}
