"""The Role that is shipped is enough, and no verb of it is too many; one that is missing is missed at once."""

import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.apiserver import test_operator
from tests.apiserver.operators import AWAITED, running, shipped_rules, until
from tests.apiserver.pods import CRASHED, Pods
from tests.apiserver.test_operator import Cluster
from tests.gateway.gateways import LISTENS, beat
from tests.gateway.tokens import Tokens

judged = test_operator.cluster

VERBS = [
    (group, resource, verb)
    for rule in shipped_rules()
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


@pytest.fixture
def rules(request: pytest.FixtureRequest) -> Sequence[Mapping[str, Any]]:
    """All that is shipped but the verb that the test's parameter names."""
    _, resource, verb = request.param
    return [
        {**rule, "verbs": kept}
        for rule in shipped_rules()
        if (kept := [one for one in rule["verbs"] if resource not in rule["resources"] or one != verb])
    ]


@pytest.fixture
def cluster(judged: Cluster) -> Cluster:
    """Its operator serves as a gateway too, and one of its pods has a main container that does not run."""
    judged.site.arguments += ("--gateway", "127.0.0.1:0", "--insecure-http")
    pods = Pods(judged.core, judged.site.namespace)
    pods.create("node-1", node="node-1")
    pods.report("node-1", main=CRASHED)
    return judged


def ask_gateway(cluster: Cluster) -> int | None:
    """The status that an agent outside of the cluster is answered; None while the gateway does not listen."""
    found = LISTENS.findall(cluster.site.log)
    if not found:
        return None
    group = f"{cluster.site.namespace}/compute"
    core: Any = cluster.core  # its stubs do not know its client
    tokens = Tokens(core.api_client, cluster.site.namespace, cluster.site.folder)
    headers = {"Authorization": f"Bearer {tokens.of_subject('outside')}"}
    connection = http.client.HTTPConnection(found[-1].removeprefix("http://"), timeout=AWAITED)
    with closing(connection):
        connection.request("POST", "/v1/beat", body=json.dumps(beat(group, "node-2")), headers=headers)
        return connection.getresponse().status


@pytest.mark.parametrize("rules", [("", "", "")], indirect=True)
def test_with_the_shipped_role_nothing_is_refused(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.verdicts() == {"node-1": "Down"}, why="node-1 is Down, since its service does not run")
        until(lambda: cluster.core.list_namespaced_event(cluster.site.namespace).items, why="an Event")
        assert until(lambda: ask_gateway(cluster), why="the gateway answers") == 403
        assert cluster.site.end() == 0
    assert [request["requestURI"] for request in refused(cluster)] == []


@pytest.mark.parametrize("rules", VERBS, indirect=True, ids=lambda words: " ".join(words[1:]))
def test_without_one_verb_something_is_refused(
    cluster: Cluster,
    request: pytest.FixtureRequest,
) -> None:
    _, resource, verb = request.node.callspec.params["rules"]
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        if resource.endswith("reviews"):
            assert until(lambda: ask_gateway(cluster), why="the gateway answers") == 503
        until(lambda: (verb, resource) in [asked(one) for one in refused(cluster)], why=f"{verb} {resource} is refused")


def refused(cluster: Cluster) -> list[dict[str, Any]]:
    return [request for request in cluster.requests() if request["responseStatus"]["code"] == 403]


def asked(request: Mapping[str, Any]) -> tuple[str, str]:
    what = request["objectRef"]
    return request["verb"], "/".join(filter(None, (what["resource"], what.get("subresource"))))
