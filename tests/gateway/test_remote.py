"""The remote driver against a gateway: the verbs of a store, failing over, tokens and certificates that are renewed."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from servicegroup import NotAMember, NotPublished, ServiceGroup
from servicegroup.liveness import Published
from servicegroup.model import Beat, GroupKey, Holder, Policy, Reason, State, Verdict
from servicegroup.record import Header
from servicegroup.store import Store, StoreUnavailable, open_client
from servicegroup.store.base import ClientStore

from tests.apiserver.operators import until
from tests.gateway.certificates import Authority
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens
from tests.localcluster import processes
from tests.scenarios.proxy import Proxy

TIMEOUT = 30.0
SLOW = 8.0
"""Seconds: what is left of it when the answers come is for a busy machine."""

BEAT = Beat("node-1", "one", 1, 10.0)
UP = Published(Verdict.UP, Reason.BEATING, 1_800_000_000.0)
DOWN = Published(Verdict.DOWN, Reason.SILENT, 1_800_000_060.0, disabled=True)
HEADER = Header(publication=7, policy=Policy(3600.0, 9000.0), epoch="e", store_back_for=61.5, blind_for=0.25)


def hosts(*gateways: Gateway) -> str:
    return ",".join(one.url.partition("://")[2] for one in gateways)


@contextmanager
def client(url: str) -> Iterator[ClientStore]:
    with closing(open_client(url, store_id="default")) as store:
        yield store


@pytest.fixture
def remote(gateway: Gateway, tokens: Tokens) -> Iterator[ClientStore]:
    token = tokens.file(tokens.of_subject("outside", "beat", "get"))
    with client(f"{gateway.url}/?token_file={token}") as it:
        yield it


@pytest.fixture
def key(tokens: Tokens) -> GroupKey:
    return GroupKey.parse(tokens.group())


def test_a_life_by_the_gateway(remote: ClientStore, key: GroupKey, store: Store) -> None:
    joined = remote.join(key, BEAT, timeout=TIMEOUT)
    assert (joined.owned, joined.interval, joined.other) == (True, None, None)
    store.publish(key, HEADER, changes={}, whole=True, timeout=TIMEOUT)
    beaten = remote.beat(key, replace(BEAT, sequence=2**62, state=State.DRAINING), timeout=TIMEOUT)
    assert (beaten.owned, beaten.interval, beaten.other) == (True, 3600.0, None)
    (fact,) = store.read([key], timeout=TIMEOUT).facts[key]
    assert (fact.sequence, fact.state) == (2**62, State.DRAINING)

    rival = remote.join(key, replace(BEAT, incarnation="two"), timeout=TIMEOUT)
    assert rival.other == Holder("one", 2**62, State.DRAINING)
    refused = remote.beat(key, replace(BEAT, sequence=2**62 + 1), timeout=TIMEOUT)
    assert (refused.owned, refused.other) == (False, Holder("two", 1, State.BEATING))
    assert not remote.leave(key, BEAT, timeout=TIMEOUT)
    assert remote.leave(key, replace(BEAT, incarnation="two"), timeout=TIMEOUT)


def test_readers_are_given_the_operators_verdicts(
    gateway: Gateway, tokens: Tokens, key: GroupKey, store: Store
) -> None:
    token = tokens.file(tokens.of_subject("reader", "get"))
    with ServiceGroup(f"{gateway.url}/?token_file={token}", str(key)) as group:
        with pytest.raises(NotPublished):
            group.members()
        strange = '10.0.0.1:機架 "七"/../?%2F'
        store.publish(key, HEADER, changes={"node-1": UP, strange: DOWN}, whole=True, timeout=TIMEOUT)
        until(lambda: _published(group), why="the record is read anew")
        assert [(one.name, one.verdict, one.disabled) for one in group.members()] == [
            (strange, Verdict.DOWN, True),
            ("node-1", Verdict.UP, False),
        ]
        one = group.member(strange)
        assert (one.is_down, one.reason, one.since.timestamp()) == (True, "Silent", 1_800_000_060.0)
        assert 0.0 <= one.age < TIMEOUT
        with pytest.raises(NotAMember):
            group.member("node-2")


def _published(group: ServiceGroup) -> bool:
    try:
        return bool(group.members())
    except NotPublished:
        return False


def test_a_record_too_old_is_no_answer(gateway: Gateway, tokens: Tokens, key: GroupKey, store: Store) -> None:
    store.publish(key, replace(HEADER, policy=Policy(1e-6, 1e-5)), changes={"node-1": UP}, whole=True, timeout=TIMEOUT)
    token = tokens.file(tokens.of_subject("reader", "get"))
    with ServiceGroup(f"{gateway.url}/?token_file={token}", str(key)) as group:
        for name in ("node-1", "may have joined since"):
            assert (group.member(name).verdict, group.member(name).reason) == (Verdict.UNKNOWN, "NoOperator")


def test_who_may_not_is_told_what_to_do(gateway: Gateway, tokens: Tokens, key: GroupKey) -> None:
    token = tokens.file(tokens.of_subject("nobody"))
    with client(f"{gateway.url}/?token_file={token}") as it:
        with pytest.raises(StoreUnavailable, match=r"403.*may not `beat`.*grant"):
            it.beat(key, BEAT, timeout=TIMEOUT)
        with pytest.raises(StoreUnavailable, match=r"403.*may not `get`.*grant"):
            it.record(key, timeout=TIMEOUT)


def test_a_token_that_is_renewed_is_read_again(gateway: Gateway, tokens: Tokens, key: GroupKey) -> None:
    token = tokens.file("eyJ.old.one")
    with client(f"{gateway.url}/?token_file={token}") as it:
        with pytest.raises(StoreUnavailable, match="401"):
            it.join(key, BEAT, timeout=TIMEOUT)
        token.write_text(tokens.of_subject("outside", "beat"))
        assert it.join(key, BEAT, timeout=TIMEOUT).owned
        token.unlink()
        with pytest.raises(StoreUnavailable, match=r"token in .* cannot be read"):
            it.beat(key, BEAT, timeout=TIMEOUT)


@contextmanager
def hanging() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def dripping() -> Iterator[str]:
    """A server that sends a byte of a header every now and then, for ever."""
    ended = threading.Event()

    def drip() -> None:
        with server, closing(server.accept()[0]) as taken:
            taken.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not ended.wait(0.05):
                taken.sendall(b"y")

    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        ended.set()
        thread.join()


def test_a_call_ends_in_time_however_the_other_side_behaves(tokens: Tokens) -> None:
    token = tokens.file("a.b.c")
    for behaving in (hanging, dripping):
        with behaving() as host, client(f"http://{host}/?token_file={token}") as it:
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="no answer in time"):
                it.beat(GroupKey("a", "b"), BEAT, timeout=0.5)
            assert time.monotonic() - started < 10.0


def test_of_several_gateways_one_that_serves_is_enough(gateway: Gateway, tokens: Tokens, key: GroupKey) -> None:
    token = tokens.file(tokens.of_subject("outside", "beat"))
    with hanging() as hung, socket.create_server(("127.0.0.1", 0)) as server:
        refusing = f"127.0.0.1:{server.getsockname()[1]}"
        server.close()
        with client(f"http://{hung},{refusing},{hosts(gateway)}/?token_file={token}") as it:
            assert it.join(key, BEAT, timeout=TIMEOUT / 10).owned
            started = time.monotonic()
            assert it.beat(key, replace(BEAT, sequence=2), timeout=TIMEOUT).owned
            assert time.monotonic() - started < TIMEOUT / 3, "who serves is asked first from now on"


def test_gateways_that_need_most_of_the_time_are_each_listened_to(
    gateway: Gateway, tokens: Tokens, key: GroupKey
) -> None:
    """Whoever is asked first: neither answers within its half."""
    token = tokens.file(tokens.of_subject("outside", "beat"))
    port = int(hosts(gateway).rpartition(":")[2])
    with ExitStack() as stack:
        ways = [stack.enter_context(closing(Proxy(port))) for _ in range(2)]
        hosts_of_both = ",".join(f"127.0.0.1:{one.port}" for one in ways)
        it = stack.enter_context(client(f"http://{hosts_of_both}/?token_file={token}"))
        assert it.join(key, BEAT, timeout=TIMEOUT).owned
        for one in ways:
            stack.enter_context(one.slow(0.7 * SLOW))
        assert it.beat(key, replace(BEAT, sequence=2), timeout=SLOW).owned


def test_a_connection_that_a_restart_cut_off_costs_no_beat(
    gateway: Gateway, tokens: Tokens, key: GroupKey, folder: Path
) -> None:
    port = _free_port()
    words = [*gateway.arguments[:-3], "--listen", f"127.0.0.1:{port}", "--insecure-http"]
    token = tokens.file(tokens.of_subject("outside", "beat"))
    second = Gateway(words, gateway.environ, folder, name="restarted")
    with running(second), client(f"{second.url}/?token_file={token}") as it:
        assert it.join(key, BEAT, timeout=TIMEOUT).owned
        assert second.end(signal.SIGTERM) == 0
        second.start()
        assert second.url
        assert it.beat(key, replace(BEAT, sequence=2), timeout=TIMEOUT).owned


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_tls_with_a_pinned_authority_and_a_certificate_that_is_renewed(
    gateway: Gateway, tokens: Tokens, key: GroupKey, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    chain, private = authority.issue()
    words = [*gateway.arguments[:-1], "--tls-cert", str(chain), "--tls-key", str(private)]
    token = tokens.file(tokens.of_subject("outside", "beat"))
    with running(Gateway(words, gateway.environ, tmp_path)) as secure:
        url = f"{secure.url}/?token_file={token}"
        with client(url) as it, pytest.raises(StoreUnavailable, match="not trusted"):
            it.join(key, BEAT, timeout=TIMEOUT)
        with client(f"{url}&ca={authority.file}") as it:
            assert it.join(key, BEAT, timeout=TIMEOUT).owned
        pem = authority.file.read_text(encoding="ascii")
        with closing(open_client(url, store_id="default", ca_pem=pem)) as it:
            assert it.join(key, BEAT, timeout=TIMEOUT).owned
        stranger = Authority(_made(tmp_path / "stranger")).file.read_text(encoding="ascii")
        untrusted = closing(open_client(url, store_id="default", ca_pem=stranger))
        with untrusted as it, pytest.raises(StoreUnavailable, match="not trusted"):
            it.join(key, BEAT, timeout=TIMEOUT)
        elsewhere = f"{url}&ca={authority.file}&server_name=elsewhere"
        with client(elsewhere) as it, pytest.raises(StoreUnavailable, match="not trusted"):
            it.join(key, BEAT, timeout=TIMEOUT)
        chain.write_text("half of one")  # as when two files are written one after the other
        until(lambda: "the new certificate is not used" in secure.log, why="it says so")
        before = _serial(secure, authority)
        authority.issue()
        until(lambda: _serial(secure, authority) != before, why="the new one is in use")
        with client(f"{url}&ca={authority.file}") as it:
            assert it.beat(key, replace(BEAT, sequence=2), timeout=TIMEOUT).owned
        assert secure.end() == 0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _serial(gateway: Gateway, authority: Authority) -> object:
    host, _, port = hosts(gateway).partition(":")
    plain = socket.create_connection((host, int(port)))
    with authority.trust.wrap_socket(plain, server_hostname=host) as secure:
        found = secure.getpeercert()
    assert found is not None
    return found["serialNumber"]


def test_an_agent_by_the_gateway_is_small_and_leaves(
    gateway: Gateway, tokens: Tokens, key: GroupKey, store: Store, tmp_path: Path
) -> None:
    """The verbs of the command line are the same; 20 MiB are the design's goal, which a benchmark judges."""
    token = tokens.file(tokens.of_node("node-1"))
    words = ["agent", "--group", str(key), "--member", "node-1", "--report-interval", "0.5"]
    command = [sys.executable, "-m", "servicegroup", *words, "--store-url", f"{gateway.url}/?token_file={token}"]
    child = processes.start(command, log=tmp_path / "log", environ={"PATH": os.environ["PATH"]}, folder=tmp_path)
    try:
        until(lambda: _sequence(store, key) > 3, why="it beats")
    finally:
        processes.stop(child)
    (fact,) = store.read([key], timeout=TIMEOUT).facts[key]
    assert fact.state is State.LEFT


def _sequence(store: Store, key: GroupKey) -> int:
    return max((fact.sequence for fact in store.read([key], timeout=TIMEOUT).facts[key]), default=0)


REFUSED = (
    "https://",
    "https://a b/",
    "https://host:99999/",
    "https://user:hunter2@host/",
    "https://host/?token=hunter2",
    "https://host/?ca=",
    "https://host/?ca=a&ca=b",
    "https://host/path",
    "http://gateway.example/",
    "http://10.0.0.1/",
)


@pytest.mark.parametrize("state", list(State)[:-1])
def test_each_word_of_an_agent_goes_by_the_gateway(
    remote: ClientStore, key: GroupKey, store: Store, state: State
) -> None:
    remote.join(key, replace(BEAT, state=state), timeout=TIMEOUT)

    (fact,) = store.read([key], timeout=TIMEOUT).facts[key]
    assert fact.state is state
    assert remote.join(key, replace(BEAT, incarnation="two"), timeout=TIMEOUT).other == Holder("one", 1, state)


def test_an_authority_as_text_and_as_a_file_is_refused() -> None:
    with pytest.raises(ValueError, match="take one of them away"):
        open_client("https://host/?ca=/ca.crt", store_id="default", ca_pem="x")


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_none_is_refused_without_a_secret(url: str) -> None:
    with pytest.raises(ValueError, match="gateway URL") as refused:
        open_client(url, store_id="default")
    assert "hunter2" not in str(refused.value)
