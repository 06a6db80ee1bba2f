"""Bursts of tokens and of questions about rights, while the API server stands still: what waits is bounded, for each
address and for each subject, and all who ask the same wait for one answer.

Standing still makes it sure: nothing that is asked is answered before all of it was asked.
"""

import http.client
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest
from servicegroup.gateway.authentication import AT_ONCE
from servicegroup.gateway.authorization import WAITING_OF_ONE

from tests.apiserver.operators import until
from tests.gateway.gateways import Answer, Gateway, answer_of, beat
from tests.gateway.test_limits import raw
from tests.gateway.tokens import Tokens
from tests.localcluster.controlplane import ControlPlane

OF_ONE_ADDRESS = AT_ONCE // 4
MORE = 20


@contextmanager
def still(control_plane: ControlPlane) -> Iterator[None]:
    control_plane.pause_apiserver()
    try:
        yield
    finally:
        control_plane.resume_apiserver()


class Burst:
    """Connections that are there before the burst, so that it comes in one moment."""

    def __init__(self, gateway: Gateway, stack: ExitStack, *, size: int) -> None:
        self._sockets = [stack.enter_context(raw(gateway)) for _ in range(size)]

    def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        """Paths and tokens, each on its own connection."""
        for sock, (path, token) in zip(self._sockets, requests, strict=True):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())

    def answers(self) -> list[Answer]:
        """All of them, once they are there."""
        return [self._answer(sock) for sock in self._sockets]

    @staticmethod
    def _answer(sock: socket.socket) -> Answer:
        with closing(http.client.HTTPResponse(sock)) as response:
            response.begin()
            return answer_of(response)


def refused(answers: Sequence[Answer]) -> int:
    """How many were told to come again because there is too much; each is told when."""
    found = [one for one in answers if one.status == 429]
    assert all(1 <= int(one.headers["Retry-After"]) <= 3 for one in found)
    return len(found)


def of(group: str, name: str = "") -> str:
    namespace, _, known = group.partition("/")
    return f"/v1/namespaces/{namespace}/groups/{name or known}"


@pytest.mark.timeout(120, func_only=True)
def test_one_subjects_questions_are_bounded_and_others_go_on(
    gateway: Gateway, tokens: Tokens, control_plane: ControlPlane
) -> None:
    group = tokens.group()
    flood, known = tokens.of_subject("flood"), tokens.of_subject("known", "beat")
    assert gateway.ask("GET", of(group), token=flood).status == 403
    assert gateway.ask("POST", "/v1/join", token=known, body=beat(group, "node-1")).status == 200
    with ExitStack() as stack:
        burst = Burst(gateway, stack, size=WAITING_OF_ONE + MORE)
        with still(control_plane):
            burst.ask([(of(group, f"none-{number}"), flood) for number in range(WAITING_OF_ONE + MORE)])
            body = beat(group, "node-1", sequence=2)
            assert gateway.ask("POST", "/v1/beat", token=known, body=body).status == 200
        answers = burst.answers()
    # Those that waited were answered, or told that the API server did not answer in time, which makes room for others.
    assert 0 < refused(answers) <= MORE
    assert {one.status for one in answers} <= {403, 429, 503}


@pytest.mark.timeout(120, func_only=True)
def test_many_who_ask_the_same_are_one_question(gateway: Gateway, tokens: Tokens, control_plane: ControlPlane) -> None:
    group, token = tokens.group(), tokens.of_subject("many", "get")
    assert gateway.ask("GET", of(group, "before"), token=token).status == 404
    size = WAITING_OF_ONE + MORE
    with ExitStack() as stack:
        burst = Burst(gateway, stack, size=size)
        with still(control_plane):
            burst.ask([(of(group), token)] * size)
            assert gateway.ask("GET", "/healthz").status == 200
        assert {one.status for one in burst.answers()} <= {404, 503}


@pytest.mark.timeout(120, func_only=True)
def test_new_tokens_of_one_address_are_bounded_and_known_ones_go_on(
    gateway: Gateway, tokens: Tokens, control_plane: ControlPlane
) -> None:
    group, known = tokens.group(), tokens.of_node("node-1")
    fresh = [tokens.of_subject("fresh", "get")] + [tokens.of_subject(f"fresh-{n}") for n in range(OF_ONE_ADDRESS + 6)]
    assert gateway.ask("POST", "/v1/join", token=known, body=beat(group, "node-1")).status == 200
    same = [fresh[0]] * MORE
    with ExitStack() as stack:
        burst = Burst(gateway, stack, size=len(fresh) + len(same) - 1)
        with still(control_plane):
            burst.ask([(of(group), token) for token in (*same, *fresh[1:])])
            body = beat(group, "node-1", sequence=2)
            assert gateway.ask("POST", "/v1/beat", token=known, body=body).status == 200
        answers = burst.answers()
    assert 0 < refused(answers) <= len(fresh) - OF_ONE_ADDRESS
    assert refused(answers[: len(same)]) == 0, "all who come with one token wait for one review"
    until(lambda: gateway.ask("GET", of(group), token=fresh[-1]).status == 403, why="it is reviewed when there is room")
