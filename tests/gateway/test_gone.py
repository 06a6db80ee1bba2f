"""Agents that gave up before they were answered: what holds of what they said, and what does not."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from servicegroup.gateway.lane import CALLERS
from servicegroup.model import GroupKey, State
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.gateways import Gateway, beat
from tests.gateway.test_bursts import still
from tests.gateway.test_limits import raw
from tests.gateway.tokens import Tokens
from tests.localcluster.controlplane import ControlPlane

TIMEOUT = 30.0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nothing is written meanwhile."""
    with closing(sqlite3.connect(folder / "beats.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def joined(gateway: Gateway, group: str, member: str, *, token: str) -> None:
    assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, member)).status == 200


def test_beats_and_leaves_are_carried_out_though_their_agent_gave_up(
    gateway: Gateway, tokens: Tokens, store: Store, folder: Path
) -> None:
    group = tokens.group()
    key = GroupKey.parse(group)
    known = {name: tokens.of_node(name) for name in ("node-1", "node-2", "node-3")}
    for name, token in known.items():
        joined(gateway, group, name, token=token)
    with locked(folder):  # until all of them have gone
        for path, name in (("beat", "node-1"), ("leave", "node-2"), ("beat", "node-3")):
            given_up(gateway, f"/v1/{path}", token=known[name], body=beat(group, name, sequence=2))
    written = {("node-1", 2, State.BEATING), ("node-2", 2, State.LEFT), ("node-3", 2, State.BEATING)}
    until(lambda: _said(store, key) == written, why="all three are written")


def test_what_waited_in_a_gateway_that_was_stopped_until_its_agent_gave_up_is_no_beat(
    gateway: Gateway, tokens: Tokens, store: Store
) -> None:
    """Nobody knows how old it is, nor whether its agent still lives."""
    group, token = tokens.group(), tokens.of_node("node-1")
    joined(gateway, group, "node-1", token=token)
    with raw(gateway) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1)  # it has taken the connection
        os.kill(gateway.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, gateway.pid, os.WSTOPPED | os.WNOWAIT)
            sock.sendall(request("/v1/beat", token=token, body=beat(group, "node-1", sequence=2)))
            sock.shutdown(socket.SHUT_WR)
        finally:
            os.kill(gateway.pid, signal.SIGCONT)
        while sock.recv(4096):
            pass
    _another_beats(gateway, tokens, group)
    assert ("node-1", 1, State.BEATING) in _said(store, GroupKey.parse(group))


def test_a_join_is_not_carried_out_for_an_agent_that_gave_up(
    gateway: Gateway, tokens: Tokens, store: Store, folder: Path
) -> None:
    """Another may have taken its place since, and would be displaced."""
    group = tokens.group()
    key = GroupKey.parse(group)
    busy = {f"node-{number}": tokens.of_node(f"node-{number}") for number in range(CALLERS)}
    late, last = tokens.of_node("late"), tokens.of_node("last")
    for name, token in {**busy, "late": late}.items():
        joined(gateway, group, name, token=token)
    with locked(folder):
        for name, token in busy.items():  # so that the join has to wait for a thread
            given_up(gateway, "/v1/leave", token=token, body=beat(group, name, sequence=2))
        given_up(gateway, "/v1/join", token=late, body=beat(group, "late", incarnation="two"))
    joined(gateway, group, "last", token=last)  # in its turn, after that of who gave up
    assert "one" in {
        fact.incarnation for fact in store.read([key], timeout=TIMEOUT).facts[key] if fact.member == "late"
    }


def test_a_beat_whose_token_was_not_known_before_its_agent_gave_up_is_dropped(
    gateway: Gateway, tokens: Tokens, store: Store, control_plane: ControlPlane
) -> None:
    """Else anyone's forged tokens would pile up in the gateway while the API server is slow."""
    group, fresh = tokens.group(), tokens.of_node("node-1")
    joined(gateway, group, "node-1", token=tokens.of_node("node-1"))
    with still(control_plane):
        given_up(gateway, "/v1/beat", token=fresh, body=beat(group, "node-1", sequence=2))
    namespace, _, name = group.partition("/")
    path = f"/v1/namespaces/{namespace}/groups/{name}"
    until(lambda: gateway.ask("GET", path, token=fresh).status == 403, why="the token is known")
    _another_beats(gateway, tokens, group)
    assert ("node-1", 1, State.BEATING) in _said(store, GroupKey.parse(group))


def _another_beats(gateway: Gateway, tokens: Tokens, group: str) -> None:
    """Beats are written in the order in which they came: what is to be missed would be there when this has ended."""
    token = tokens.of_node("node-2")
    joined(gateway, group, "node-2", token=token)
    assert gateway.ask("POST", "/v1/beat", token=token, body=beat(group, "node-2", sequence=2)).status == 200


def _said(store: Store, key: GroupKey) -> set[tuple[str, int, State]]:
    return {(fact.member, fact.sequence, fact.state) for fact in store.read([key], timeout=TIMEOUT).facts[key]}


def given_up(gateway: Gateway, path: str, *, token: str, body: object) -> None:
    """Asked, and not waited for; when this returns the gateway has closed the connection for it."""
    with raw(gateway) as sock:
        sock.sendall(request(path, token=token, body=body))
        assert gateway.ask("GET", "/healthz").status == 200  # what came before this was taken before
        sock.shutdown(socket.SHUT_WR)
        assert not sock.recv(1)


def request(path: str, *, token: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    lines = (f"POST {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {token}", f"Content-Length: {len(content)}")
    return "\r\n".join((*lines, "", "")).encode() + content
