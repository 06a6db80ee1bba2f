"""Who may what: what is shipped in deploy/, bound no wider than the values say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from tests.apiserver.operators import shipped_rules as operators
from tests.chart.matrix import SECRET_STORE, SETS
from tests.chart.rendering import NAMESPACE, Helm, Manifest, of_kind
from tests.gateway.gateways import shipped_rules as gateways

Right = tuple[str, str, str]
REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")
CLUSTERS_OWN = (*REVIEWS, "apiextensions.k8s.io")
"""What no namespace holds."""

SERVER = {"stores": {"default": SECRET_STORE}}


def rights(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(manifests: Sequence[Manifest], account: str) -> dict[str, set[Right]]:
    """By namespace, the empty one is all."""
    found: dict[str, set[Right]] = {}
    for binding in manifests:
        if not binding["kind"].endswith("Binding") or "subjects" not in binding:
            continue
        assert [one["namespace"] for one in binding["subjects"]] == [NAMESPACE]
        if binding["subjects"][0]["name"] != account:
            continue
        where = binding["metadata"].get("namespace", "")
        (role,) = (
            one
            for one in manifests
            if one["kind"] == binding["roleRef"]["kind"]
            and one["metadata"]["name"] == binding["roleRef"]["name"]
            and one["metadata"].get("namespace", "") == where
        )
        found[where] = rights(role["rules"])
    return found


def test_the_operator_may_what_is_shipped(helm: Helm) -> None:
    assert granted(helm.render(), "servicegroup") == {"": rights(operators())}


def test_one_that_is_no_gateway_asks_for_no_reviews(helm: Helm) -> None:
    found = granted(helm.render(SERVER), "servicegroup")
    assert found == {"": {right for right in rights(operators()) if right[0] not in REVIEWS}}


def test_a_gateway_may_what_is_shipped(helm: Helm) -> None:
    assert granted(helm.render(SERVER), "servicegroup-gateway") == {"": rights(gateways())}


@pytest.mark.parametrize(
    ("account", "shipped", "stores"),
    [("servicegroup", operators, {}), ("servicegroup-gateway", gateways, SERVER)],
    ids=["operator", "gateway"],
)
def test_with_namespaces_it_may_it_there(helm: Helm, account: str, shipped: Any, stores: Mapping[str, Any]) -> None:
    found = granted(helm.render({"namespaces": ["nova", "ironic"], **stores}), account)
    everywhere = {right for right in rights(shipped()) if right[0] in REVIEWS}
    there = {right for right in rights(shipped()) if right[0] not in CLUSTERS_OWN}
    assert found == {"": everywhere, "nova": there, "ironic": there}


@pytest.mark.parametrize("name", SETS)
def test_nobody_reads_secrets_and_nothing_is_granted_by_a_star(helm: Helm, name: str) -> None:
    for manifest in helm.render(SETS[name]):
        for group, resource, verb in rights(manifest.get("rules", [])):
            assert "secrets" not in resource
            assert "*" not in (group, resource, verb)


def test_people_get_their_rights_by_the_roles_they_have(helm: Helm) -> None:
    found: Counter[str] = Counter()
    for role in of_kind(helm.render(), "ClusterRole").values():
        for label in role["metadata"]["labels"]:
            prefix, _, to = label.partition("aggregate-to-")
            if to:
                assert prefix == "rbac.authorization.k8s.io/"
                found.update(f"{to} {verb}" for _, _, verb in rights(role["rules"]))
    reading = {"get", "list", "watch"}
    writing = {"create", "update", "patch", "delete", "deletecollection"}
    assert set(found) == {f"view {verb}" for verb in reading} | {
        f"{to} {verb}" for to in ("edit", "admin") for verb in reading | writing
    }
    assert set(found.values()) == {1}
