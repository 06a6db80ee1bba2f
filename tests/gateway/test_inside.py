"""The gateway in the operator's process: agents, verdicts and readers without any server, and an end in good order."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kubernetes import client
from servicegroup import NotPublished, ServiceGroup
from servicegroup.store import StoreUnavailable

from tests.apiserver.operators import account, shipped_rules, until
from tests.gateway.certificates import Authority
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens

STORES = {
    "SQLite": "{{driver: db, url: 'sqlite:///{folder}/beats.sqlite'}}",
    "in-process": "{{driver: mc, servers: []}}",
}


@dataclass
class Inside:
    gateway: Gateway
    authority: Authority
    tokens: Tokens

    def group(self, key: str, token: str) -> ServiceGroup:
        words = f"token_file={self.tokens.file(token)}&ca={self.authority.file}"
        return ServiceGroup(f"{self.gateway.url}/?{words}", key)


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def inside(
    request: pytest.FixtureRequest, tokens: Tokens, kubectl: Callable[..., str], tmp_path: Path
) -> Iterator[Inside]:
    authority = Authority(tmp_path)
    chain, key = authority.issue()
    stores = tmp_path / "stores.yaml"
    store = request.param.format(folder=tmp_path)
    stores.write_text(json.dumps({"stores": {"default": yaml.safe_load(store)}}))
    kubeconfig = account(kubectl, namespace=tokens.namespace, rules=shipped_rules(), folder=tmp_path)
    words = ["operator", "--stores", str(stores), "--namespaces", tokens.namespace, "--gateway", "127.0.0.1:0"]
    words += ["--tls-cert", str(chain), "--tls-key", str(key)]
    with running(Gateway(words, {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}, tmp_path)) as it:
        yield Inside(it, authority, tokens)


def test_agents_and_readers_need_no_store(inside: Inside, admin: client.ApiClient) -> None:
    tokens = inside.tokens
    key = tokens.group(reportIntervalSeconds=1, serviceDownTimeSeconds=3)
    reader = tokens.of_subject("reader", "get")
    with inside.group(key, reader) as asking, inside.group(key, tokens.of_node("node-1")) as agent:
        with agent.join("node-1", report_interval=1.0):
            until(lambda: verdicts(asking) == {"node-1": "Up"}, why="node-1 is Up")
        until(lambda: verdicts(asking) == {}, why="node-1 has left")
    place = ("servicegroup.dev", "v1alpha1", tokens.namespace, "computeservicegroups", "compute")
    found = client.CustomObjectsApi(admin).get_namespaced_custom_object(*place)
    assert "conditions" in found["status"]
    assert inside.gateway.end() == 0
    assert "closed" in inside.gateway.log
    assert "Traceback" not in inside.gateway.log, inside.gateway.log


def verdicts(group: ServiceGroup) -> dict[str, str] | None:
    try:
        return {member.name: str(member.verdict) for member in group.members()}
    except (NotPublished, StoreUnavailable):
        return None
