"""The role that is shipped for a gateway of its own is enough (all other tests run with it), and no verb too many."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.apiserver.operators import account
from tests.gateway.gateways import Gateway, beat, running, shipped_rules
from tests.gateway.tokens import Tokens

WITHOUT = {rule["resources"][0]: [other for other in shipped_rules() if other != rule] for rule in shipped_rules()}


@pytest.mark.parametrize("resource", WITHOUT)
def test_without_one_right_it_sends_agents_away(
    gateway: Gateway, tokens: Tokens, kubectl: Callable[..., str], tmp_path: Path, resource: str
) -> None:
    assert {verb for rule in shipped_rules() for verb in rule["verbs"]} == {"create", "list"}
    kubeconfig = account(kubectl, namespace=tokens.namespace, rules=WITHOUT[resource], folder=tmp_path)
    environ = {**gateway.environ, "KUBECONFIG": str(kubeconfig)}
    group, token = tokens.group(), tokens.of_subject("outside", "beat")
    with running(Gateway(gateway.arguments, environ, tmp_path)) as lacking:
        assert lacking.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == 503
        assert "403 Forbidden" in lacking.log
