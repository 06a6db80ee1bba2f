"""Who may beat for whom, with tokens as pods have them: each stranger is refused, and nothing secret is logged."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kubernetes import client
from servicegroup.model import GroupKey
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.gateways import Gateway, beat, running
from tests.gateway.tokens import Tokens
from tests.localcluster.controlplane import ControlPlane


def written(store: Store, group: str) -> dict[str, int]:
    key = GroupKey.parse(group)
    return {fact.member: fact.sequence for fact in store.read([key], timeout=30.0).facts[key]}


def test_an_agent_joins_beats_and_leaves_by_its_pods_token(gateway: Gateway, store: Store, tokens: Tokens) -> None:
    group, token = tokens.group(), tokens.of_node("node-1")
    joined = gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1"))
    assert (joined.status, joined.body) == (200, {"owned": True, "interval": None, "other": None})
    assert gateway.ask("POST", "/v1/beat", token=token, body=beat(group, "node-1", sequence=2)).body["owned"]
    assert written(store, group) == {"node-1": 2}

    left = gateway.ask("POST", "/v1/leave", token=token, body=beat(group, "node-1", sequence=3))
    assert (left.status, left.body) == (200, {"left": True})
    late = gateway.ask("POST", "/v1/beat", token=token, body=beat(group, "node-1", sequence=4))
    assert late.body == {
        "owned": False,
        "interval": None,
        "other": {"incarnation": "one", "sequence": 3, "state": "left"},
    }


def forged(token: str, **claims_of_ours: object) -> str:
    """The same claims, but for another node and what is given, under the signature that there was."""
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))) | claims_of_ours
    said["kubernetes.io"]["node"]["name"] = "node-2"
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("="), signature))


STRANGERS: dict[str, tuple[Callable[[Tokens], str | None], int]] = {
    "no token": (lambda _: None, 401),
    "no token at all in it": (lambda _: "a b", 401),
    "not a token": (lambda _: "secret", 401),
    "meant for the API server": (lambda t: t.of_node("node-2", audience="https://kubernetes.default.svc"), 401),
    "meant for another service": (lambda t: t.of_node("node-2", audience="istio-ca"), 401),
    "of another node": (lambda t: t.of_node("node-1"), 403),
    "changed to name this node": (lambda t: forged(t.of_node("node-1")), 401),
    "changed to last for ever": (lambda t: forged(t.of_node("node-1"), exp=10**400), 401),
    "changed to last until no time": (lambda t: forged(t.of_node("node-1"), exp=float("nan")), 401),
    "without a node, and without a right": (lambda t: t.of_subject("outside"), 403),
    "without a node, and with a reader's right": (lambda t: t.of_subject("reader", "get"), 403),
}


@pytest.mark.parametrize("case", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_is_refused(
    gateway: Gateway, store: Store, tokens: Tokens, case: tuple[Callable[[Tokens], str | None], int]
) -> None:
    make, status = case
    group, token = tokens.group(), make(tokens)
    for verb in ("join", "beat", "leave"):
        answer = gateway.ask("POST", f"/v1/{verb}", token=token, body=beat(group, "node-2"))
        assert answer.status == status, answer.body
        assert token is None or token not in json.dumps(answer.body)
    assert written(store, group) == {}


def test_the_agent_of_another_namespace_is_refused(
    gateway: Gateway, admin: client.ApiClient, store: Store, tokens: Tokens
) -> None:
    other = Tokens(admin, "default", tokens.folder)
    group = tokens.group()
    answer = gateway.ask("POST", "/v1/join", token=other.of_node("node-1"), body=beat(group, "node-1"))
    assert answer.status == 403
    assert "default" in answer.body["error"]
    assert written(store, group) == {}


def test_the_token_of_a_pod_that_is_gone_is_refused(gateway: Gateway, store: Store, tokens: Tokens) -> None:
    group, pod = tokens.group(), tokens.pod("node-1")
    token = tokens.of_pod(pod)
    tokens.delete(pod)
    answer = gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1"))
    assert answer.status == 401
    assert written(store, group) == {}


def test_a_token_that_has_expired_is_refused(
    gateway: Gateway, store: Store, tokens: Tokens, control_plane: ControlPlane
) -> None:
    """Signed by the API server's own key; one that lasts is taken, so that the signature is no reason."""
    key = control_plane.folder / "certificates" / "apiserver.key"
    group, pod = tokens.group(), tokens.pod("node-1")
    for lasts, status in ((-1.0, 401), (600.0, 200)):
        token = tokens.signed(pod, key=key, lasts=lasts)
        assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == status
    assert written(store, group) == {"node-1": 1}


def test_a_token_expires_while_it_is_remembered(gateway: Gateway, tokens: Tokens, control_plane: ControlPlane) -> None:
    key = control_plane.folder / "certificates" / "apiserver.key"
    group = tokens.group()
    token = tokens.signed(tokens.pod("node-1"), key=key, lasts=5.0)
    assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == 200
    until(
        lambda: gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == 401,
        why="it has expired",
    )


def test_a_pod_that_goes_takes_its_remembered_token_with_it_in_time(
    gateway: Gateway, tokens: Tokens, tmp_path: Path
) -> None:
    group, pod = tokens.group(), tokens.pod("node-1")
    token = tokens.of_pod(pod)
    words = [*gateway.arguments, "--trust-tokens", "1"]
    with running(Gateway(words, gateway.environ, tmp_path)) as brief:
        assert brief.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == 200
        tokens.delete(pod)
        until(
            lambda: brief.ask("POST", "/v1/beat", token=token, body=beat(group, "node-1")).status == 401,
            why="the token of a pod that is gone is refused",
        )


def test_an_agent_outside_of_the_cluster_beats_with_a_right_of_ours(
    gateway: Gateway, store: Store, tokens: Tokens
) -> None:
    group, token = tokens.group(), tokens.of_subject("outside", "beat")
    assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "rack 2: ü")).status == 200
    assert written(store, group) == {"rack 2: ü": 1}


def test_a_group_that_there_is_not_is_told_after_who_asks(gateway: Gateway, tokens: Tokens) -> None:
    """A stranger learns of no group whether there is one."""
    body = beat(f"{tokens.namespace}/none", "node-1")
    assert gateway.ask("POST", "/v1/join", token=tokens.of_node("node-1"), body=body).status == 404
    assert gateway.ask("POST", "/v1/join", token=tokens.of_node("node-2"), body=body).status == 403


def test_a_token_is_reviewed_once_for_many_beats(gateway: Gateway, tokens: Tokens, audit_log: Path) -> None:
    group, token = tokens.group(), tokens.of_node("node-1")

    def reviews() -> int:
        return audit_log.read_text(encoding="utf-8").count('"resource":"tokenreviews"')

    before = reviews()
    for sequence in range(1, 30):
        assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-1", sequence=sequence)).status == 200
    assert reviews() == before + 1


def test_no_token_is_in_the_log(gateway: Gateway, tokens: Tokens) -> None:
    group, token = tokens.group(), tokens.of_node("node-1")
    gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-2"))
    gateway.ask("POST", "/v1/join", token=token, body=b"{", headers={"X": "y" * 9000})
    gateway.ask("POST", "/v1/join", headers={"Authorization": f"Bearer {token}\x01"})
    gateway.ask("PATCH", f"/v1/join?token={token}", token=token)
    assert token[-40:] not in gateway.log
    assert "eyJ" not in gateway.log
