"""Who misbehaves is refused, and no agent beside it waits for longer than its interval."""

import http.client
import itertools
import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.certificates import Authority
from tests.gateway.gateways import Answer, Gateway, answer_of, beat, running
from tests.gateway.test_identity import written
from tests.gateway.tokens import Tokens
from tests.localcluster.controlplane import ControlPlane

INTERVAL = 10.0


@contextmanager
def agent_beside(gateway: Gateway, group: str, token: str, member: str) -> Iterator[list[float]]:
    """An agent that beats on one connection all the while; the seconds that each of its answers took."""
    took: list[float] = []
    ended = threading.Event()

    def life() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with closing(gateway.connect()) as connection:
            for sequence in itertools.count(1):
                started = time.monotonic()
                path = "/v1/join" if sequence == 1 else "/v1/beat"
                body = json.dumps(beat(group, member, sequence=sequence))
                connection.request("POST", path, body=body, headers=headers)
                assert answer_of(connection.getresponse()).body["owned"]
                took.append(time.monotonic() - started)
                if ended.wait(0.05):
                    return

    thread = threading.Thread(target=life)
    thread.start()
    try:
        until(lambda: took, why="the agent beats")
        yield took
    finally:
        ended.set()
        thread.join()
    assert max(took) < INTERVAL


@pytest.fixture
def beside(gateway: Gateway, tokens: Tokens) -> Iterator[tuple[str, str]]:
    """A group and the token of another of its agents."""
    group = tokens.group()
    with agent_beside(gateway, group, tokens.of_node("node-1"), "node-1"):
        yield group, tokens.of_node("node-2")


def raw(gateway: Gateway, *, timeout: float = 30.0) -> socket.socket:
    parts = urlsplit(gateway.url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=timeout)


BODIES: dict[str, tuple[object, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"{", 400),
    "no UTF-8": (b'{"group": "\xff"}', 400),
    "a list": ([], 400),
    "nested without end": (b"[" * 60_000, 400),
    "a number of ten thousand digits": (b'{"sequence": ' + b"9" * 10_000 + b"}", 400),
    "64 KiB and one": (b" " * (64 * 1024 + 1), 413),
    "a megabyte": (b"x" * 1024 * 1024, 413),
}
FIELDS: dict[str, dict[str, object]] = {
    "a group without a namespace": {"group": "compute"},
    "a group of a path": {"group": "a/b/c"},
    "no member": {"member": ""},
    "a member that is none": {"member": None},
    "a control character": {"member": "a\nb"},
    "half a character": {"member": "\ud800"},
    "a long member": {"member": "n" * 254},
    "a negative sequence": {"sequence": -1},
    "a sequence beyond what stores hold": {"sequence": 2**63},
    "a sequence that is true": {"sequence": True},
    "an interval of no time": {"interval": 0},
    "an endless interval": {"interval": float("inf")},
    "an interval of four hundred digits": {"interval": 10**400},
    "a long incarnation": {"incarnation": "a" * 33},
    "a state that is left": {"state": "left"},
}


@pytest.mark.parametrize("case", BODIES.values(), ids=list(BODIES))
def test_a_body_that_is_none_is_refused(gateway: Gateway, beside: tuple[str, str], case: tuple[object, int]) -> None:
    body, status = case
    assert gateway.ask("POST", "/v1/beat", token=beside[1], body=body).status == status


def test_a_field_that_is_wrong_is_named(gateway: Gateway, store: Store, beside: tuple[str, str]) -> None:
    group, token = beside
    for name, wrong in FIELDS.items():
        answer = gateway.ask("POST", "/v1/join", token=token, body={**beat(group, "node-2"), **wrong})
        assert answer.status == 400, name
        assert next(iter(wrong)) in answer.body["error"], name
    assert set(written(store, group)) == {"node-1"}


PATHS = {
    "unknown": ("GET", "/v2/beat", 404),
    "the root": ("GET", "/", 404),
    "another method": ("GET", "/v1/beat", 405),
    "upwards": ("GET", "/v1/../../etc/passwd", 404),
    "encoded upwards": ("GET", "/v1/%2e%2e/%2e%2e/etc/passwd", 404),
    "a long one": ("GET", "/" + "a" * 6000, 404),
    "no percent": ("GET", "/v1/%zz", 404),
    "a null": ("GET", "/v1/%00", 404),
}


@pytest.mark.parametrize("case", PATHS.values(), ids=list(PATHS))
def test_an_odd_path_is_refused(gateway: Gateway, case: tuple[str, str, int]) -> None:
    method, path, status = case
    assert gateway.ask(method, path).status == status


LINES = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000,
    "thousands of headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    "two lengths": b"POST /v1/beat HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("line", LINES.values(), ids=list(LINES))
def test_what_is_no_request_is_answered_400_or_closed(gateway: Gateway, beside: tuple[str, str], line: bytes) -> None:
    assert beside
    with raw(gateway) as sock:
        sock.sendall(line)
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(_received(sock))
    assert answer == b"" or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")), answer[:100]


def _received(sock: socket.socket) -> Iterator[bytes]:
    try:
        while piece := sock.recv(65536):
            yield piece
    except ConnectionResetError:
        return


SLOW: dict[str, Callable[[str], bytes]] = {
    "says nothing": lambda _: b"",
    "half a header": lambda _: b"POST /v1/beat HTTP/1.1\r\nAuth",
    "half a body": lambda token: (
        f"POST /v1/beat HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{".encode()
    ),
}


@pytest.mark.parametrize("make", SLOW.values(), ids=list(SLOW))
def test_a_slow_client_is_sent_away(gateway: Gateway, beside: tuple[str, str], make: Callable[[str], bytes]) -> None:
    with raw(gateway) as sock:
        sock.sendall(make(beside[1]))
        answer = b"".join(_received(sock))  # until the gateway closes it
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408"), answer[:100]


@pytest.mark.timeout(120, func_only=True)
def test_thousands_of_connections_are_borne(gateway: Gateway, beside: tuple[str, str]) -> None:
    group, token = beside
    with ExitStack() as open_ones:
        strangers = [open_ones.enter_context(raw(gateway)) for _ in range(files(3000))]
        assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-2")).status == 200
        assert b"".join(_received(strangers[0])) == b"", "who asks nothing is closed"
    assert gateway.ask("POST", "/v1/beat", token=token, body=beat(group, "node-2", sequence=2)).status == 200


@pytest.mark.timeout(240, func_only=True)
def test_thousands_of_connections_by_tls_are_borne(gateway: Gateway, tokens: Tokens, tmp_path: Path) -> None:
    """Each of them shook hands, which is most of what a connection costs."""
    authority = Authority(tmp_path)
    chain, key = authority.issue()
    words = [*gateway.arguments[:-1], "--tls-cert", str(chain), "--tls-key", str(key)]
    group, token = tokens.group(), tokens.of_node("node-2")
    wanted = files(3000)
    with (
        running(Gateway(words, gateway.environ, tmp_path, trust=authority.trust)) as secure,
        agent_beside(secure, group, tokens.of_node("node-1"), "node-1") as took,
        ExitStack() as open_ones,
    ):
        trust, before = authority.trust, len(took)
        for _ in range(wanted):
            stranger = trust.wrap_socket(raw(secure), server_hostname="127.0.0.1")
            open_ones.enter_context(closing(stranger))
        assert secure.ask("POST", "/v1/join", token=token, body=beat(group, "node-2")).status == 200
        until(lambda: len(took) > before + 1, why="the agent beside them beats on")


def files(wanted: int) -> int:
    """So many connections, or as many as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(wanted, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    return wanted


def test_one_member_that_floods_is_told_to_wait_and_others_are_not(gateway: Gateway, beside: tuple[str, str]) -> None:
    group, token = beside
    assert gateway.ask("POST", "/v1/join", token=token, body=beat(group, "node-2")).status == 200
    statuses: list[Answer] = []

    def flood(number: int) -> None:
        for sequence in range(2, 40):
            body = beat(group, "node-2", sequence=sequence, incarnation=f"{number}")
            statuses.append(gateway.ask("POST", "/v1/beat", token=token, body=body))

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.status for one in statuses} == {200, 429}
    assert all(1 <= int(one.headers["Retry-After"]) <= 3 for one in statuses if one.status == 429)


def test_forged_tokens_do_not_keep_an_agent_waiting(gateway: Gateway, beside: tuple[str, str], tokens: Tokens) -> None:
    """Each of them has to be reviewed, since it looks like one; newcomers have their turn all the same."""
    group, token = beside
    ended = threading.Event()
    head, claims, _ = token.split(".")

    def forge(number: int) -> None:
        for again in itertools.count():
            forged = f"{head}.{claims}.{number}-{again}"
            assert gateway.ask("POST", "/v1/beat", token=forged, body=beat(group, "node-2")).status in (401, 429)
            if ended.is_set():
                return

    threads = [threading.Thread(target=forge, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        fresh = tokens.of_node("node-3")
        body = beat(group, "node-3")
        until(
            lambda: gateway.ask("POST", "/v1/join", token=fresh, body=body).status == 200,
            why="a newcomer of the same address is served",
            seconds=INTERVAL,
        )
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_who_is_known_goes_on_while_the_api_server_is_away(
    gateway: Gateway, tokens: Tokens, control_plane: ControlPlane
) -> None:
    group, known, newcomer = tokens.group(), tokens.of_node("node-1"), tokens.of_node("node-2")
    assert gateway.ask("POST", "/v1/join", token=known, body=beat(group, "node-1")).status == 200
    control_plane.kill_apiserver()
    try:
        assert gateway.ask("POST", "/v1/beat", token=known, body=beat(group, "node-1", sequence=2)).status == 200
        refused = gateway.ask("POST", "/v1/join", token=newcomer, body=beat(group, "node-2"))
        assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    finally:
        control_plane.start_apiserver()
    until(
        lambda: gateway.ask("POST", "/v1/join", token=newcomer, body=beat(group, "node-2")).status == 200,
        why="newcomers are served again",
    )


def test_a_store_that_is_away_is_told_with_when_to_come_again(gateway: Gateway, tokens: Tokens, tmp_path: Path) -> None:
    stores = tmp_path / "stores.yaml"
    missing = {"driver": "db", "urlFile": str(tmp_path / "not-mounted")}
    stores.write_text(json.dumps({"stores": {"default": missing}}))
    words = [str(stores) if word.endswith("stores.yaml") else word for word in gateway.arguments]
    group, token = tokens.group(), tokens.of_node("node-1")
    with running(Gateway(words, gateway.environ, tmp_path)) as without:
        for verb in ("join", "beat", "leave"):
            refused = without.ask("POST", f"/v1/{verb}", token=token, body=beat(group, "node-1"))
            assert (refused.status, "Retry-After" in refused.headers) == (503, True)
        (tmp_path / "not-mounted").write_text(f"sqlite:///{tmp_path}/late.sqlite\n")
        assert without.ask("POST", "/v1/join", token=token, body=beat(group, "node-1")).status == 200
        assert without.end() == 0


def test_who_waits_at_the_end_is_answered(gateway: Gateway, tokens: Tokens, store: Store, folder: Path) -> None:
    group, token = tokens.group(), tokens.of_subject("outside", "beat")
    with running(Gateway(gateway.arguments, gateway.environ, folder, name="drained")) as ending, ExitStack() as stack:
        body = json.dumps(beat(group, "node-0"))
        headers = {"Authorization": f"Bearer {token}"}
        asked: list[http.client.HTTPConnection] = []
        assert ending.ask("POST", "/v1/join", token=token, body=beat(group, "node-0")).status == 200
        for number in range(200):
            connection = stack.enter_context(closing(ending.connect()))
            body = json.dumps(beat(group, f"node-{number}"))
            connection.request("POST", "/v1/join", body=body, headers=headers)
            asked.append(connection)
        assert ending.end(signal.SIGTERM) == 0
        answered = [_answered(connection) for connection in asked]
    acknowledged = {f"node-{number}" for number, answer in enumerate(answered) if answer is not None}
    assert acknowledged <= set(written(store, group))
    assert len(acknowledged) > 100


def _answered(connection: http.client.HTTPConnection) -> Answer | None:
    """None for one that the gateway had not taken from the system's line when it ended."""
    try:
        answer = answer_of(connection.getresponse())
    except (OSError, http.client.HTTPException):
        return None
    assert answer.status == 200, answer
    return answer
