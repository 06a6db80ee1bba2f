"""The Role that is shipped is enough, and no verb of it is too many; one that is missing is missed at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.apiserver.operators import running, shipped_rules, until
from tests.apiserver.test_operator import Cluster, cluster

__all__ = ["cluster"]

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


@pytest.mark.parametrize("rules", [("", "", "")], indirect=True)
def test_with_the_shipped_role_nothing_is_refused(cluster: Cluster) -> None:
    cluster.create()
    with running(cluster.site), cluster.join("node-1"):
        until(lambda: cluster.verdicts() == {"node-1": "Up"}, why="node-1 is Up")
        until(lambda: cluster.core.list_namespaced_event(cluster.site.namespace).items, why="an Event")
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
        until(lambda: (verb, resource) in [asked(one) for one in refused(cluster)], why=f"{verb} {resource} is refused")


def refused(cluster: Cluster) -> list[dict[str, Any]]:
    return [request for request in cluster.requests() if request["responseStatus"]["code"] == 403]


def asked(request: Mapping[str, Any]) -> tuple[str, str]:
    what = request["objectRef"]
    return request["verb"], "/".join(filter(None, (what["resource"], what.get("subresource"))))
