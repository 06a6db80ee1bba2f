"""What a person may write: typos are refused with a sentence, and values, schema and README say the same."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.chart.matrix import AUTHORITY, SECRET_STORE
from tests.chart.rendering import CHART, Helm, Values

SCHEMA: Mapping[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS: Mapping[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
ROW = re.compile(r"^\| `([\w.]+)` \| (.*?) \| .+ \|$", re.MULTILINE)
NOT_GIVEN = {"global"}
"""In the schema alone: a chart that contains this one sets it."""

REFUSED: Mapping[str, tuple[Values, str]] = {
    "a name that is misspelt": ({"gatway": {}}, "gatway"),
    "one in the depth": ({"gateway": {"tls": {"certmanager": {}}}}, "certmanager"),
    "one of a store": ({"stores": {"default": {"driver": "db", "uri": "x"}}}, "uri"),
    "a driver that there is not": ({"stores": {"default": {"driver": "redis"}}}, "driver"),
    "a password outside of a Secret": (
        {"stores": {"default": {"driver": "db", "url": "postgresql+psycopg://u:secret@h/beats"}}},
        "/stores/default/url",
    ),
    "a URL beside a Secret": ({"stores": {"default": {**SECRET_STORE, "url": "sqlite:////x"}}}, "/stores/default"),
    "memcached without an address": ({"stores": {"default": {"driver": "mc"}}}, "/stores/default"),
    "servers of a database": ({"stores": {"default": {"driver": "db", "servers": ["a:1"]}}}, "/stores/default"),
    "a word for a number": ({"gateway": {"replicas": "three"}}, "/gateway/replicas"),
    "a namespace by a pattern": ({"namespaces": ["nova-*"]}, "/namespaces"),
    "a digest without its kind": ({"image": {"digest": "ab12"}}, "/image/digest"),
    "root": ({"podSecurityContext": {"runAsUser": 0}}, "/podSecurityContext/runAsUser"),
    "a privileged agent": ({"injection": {"securityContext": {"privileged": True}}}, "privileged"),
    "a gateway of its own before a file": ({"gateway": {"separate": True}}, "no server"),
    "a certificate without its authority": ({"gateway": {"tls": {"existingSecret": "x"}}}, "needs? gateway.tls.ca"),
    "two certificates": (
        {"gateway": {"tls": {"existingSecret": "x", "ca": AUTHORITY, "certManager": {"issuerRef": {"name": "ours"}}}}},
        "both given",
    ),
    "an authority that is no certificate": ({"gateway": {"tls": {"ca": "MIIB"}}}, "/gateway/tls/ca"),
    "an account without a name": ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(helm: Helm, case: str) -> None:
    values, words = REFUSED[case]
    refusal = helm.refusal(values)
    assert re.search(words, refusal.replace("'", "")), refusal
    assert "secret@" not in refusal


def test_each_value_is_in_the_schema() -> None:
    assert set(leaves_of_schema(SCHEMA)) - NOT_GIVEN == set(leaves_of_values(SCHEMA, DEFAULTS))


def test_each_value_is_in_the_readme_with_its_default() -> None:
    rows = dict(ROW.findall((CHART / "README.md").read_text(encoding="utf-8")))
    defaults = leaves_of_values(SCHEMA, DEFAULTS)
    assert rows.keys() == defaults.keys()
    for key, default in defaults.items():
        assert rows[key] == f"`{json.dumps(default)}`", key


def test_the_schema_leaves_no_object_open() -> None:
    """But those of Kubernetes' own that are handed on as they are, and the values of other charts."""
    handed_on = {"global", "nodeAffinity", "podAffinity", "podAntiAffinity", "namespaceSelector", "podSelector"}
    handed_on |= {"configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"}
    opened = {
        path[-1]
        for path, node in objects(SCHEMA)
        if "additionalProperties" not in node and path[-1] not in ("if", "then", "not")
    }
    assert opened == handed_on


def leaves_of_schema(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, node in schema["properties"].items():
        if "properties" in node:
            yield from leaves_of_schema(node, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def leaves_of_values(schema: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """As deep as the schema names parts; what Kubernetes defines is one value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        node = schema["properties"][name]
        if "properties" in node:
            found |= leaves_of_values(node, value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def objects(node: Any, path: tuple[str, ...] = ("",)) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") in ("object", ["object", "null"]):
            yield path, node
        for name, child in node.items():
            yield from objects(child, (*path, name))
    elif isinstance(node, list):
        for child in node:
            yield from objects(child, path)
