"""TLS to memcached: who is refused and with which sentence, within the deadline; certificates that are renewed; and
what a connection at rest may hold.
"""

import select
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from servicegroup.store import Store, StoreUnavailable, open_store
from servicegroup.store.mc_address import parse, resolve
from servicegroup.store.mc_connection import Connection
from servicegroup.store.mc_tls import Secure

from tests.contract.calls import BEAT, CALLS, KEY, SHORT, SLOW_MACHINE, TIMEOUT, Call
from tests.contract.certificates import NAME, Certificates, issue
from tests.contract.conftest import need_memcached
from tests.contract.memcached import Server, serving, tls_url, url


@pytest.fixture(autouse=True)
def _installed() -> None:
    need_memcached()


@pytest.fixture
def signed(tmp_path: Path) -> Certificates:
    return issue(tmp_path / "signed")


@pytest.fixture
def one(tmp_path: Path, signed: Certificates) -> Iterator[Server]:
    with serving(tmp_path, certificates=signed) as servers:
        yield servers[0]


@contextmanager
def opened(address: str) -> Iterator[Store]:
    with closing(open_store(address, store_id="one")) as store:
        yield store


def members(store: Store) -> set[str]:
    return {fact.member for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]}


@contextmanager
def refused(server: Server, words: str) -> Iterator[None]:
    """The call in the block ends in time, by a sentence that names the server and the cause."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        yield
    assert time.monotonic() - started < SLOW_MACHINE
    assert f": {server.address}: " in str(caught.value)
    assert words in str(caught.value)


# A server that stands still, is killed, and comes back.


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("before", [True, False], ids=["after it served", "from the handshake on"])
def test_a_paused_server_is_trouble_within_the_deadline_and_serves_again(
    one: Server,
    call: Call,
    before: bool,  # noqa: FBT001
) -> None:
    with opened(url([one])) as store, opened(url([one])) as other:
        (store if before else other).join(KEY, BEAT, timeout=TIMEOUT)
        one.signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"{one.address}: no answer in time"):
            call(store, SHORT)
        assert SHORT * 0.9 <= time.monotonic() - started < SLOW_MACHINE
        one.signal(signal.SIGCONT)
        call(store, TIMEOUT)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_that_is_gone_is_trouble_and_never_no_members(one: Server, call: Call) -> None:
    with opened(url([one])) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        one.kill()
        with refused(one, "Connection refused"):
            call(store, TIMEOUT)
        one.start()
        call(store, TIMEOUT)


@pytest.mark.parametrize("greeting", [b"", b"\x16\x03\x03\x40\x00"], ids=["nothing", "a byte at a time"])
def test_a_handshake_that_does_not_end_ends_with_the_call(signed: Certificates, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as ends:
        stop = threading.Event()

        def drip() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(greeting)
                while not stop.wait(0.02):
                    if greeting:
                        client.send(b"x", socket.MSG_NOSIGNAL)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        ends.callback(thread.join, TIMEOUT)
        ends.callback(stop.set)
        with opened(tls_url(f"127.0.0.1:{listener.getsockname()[1]}", ssl_ca=signed.ca)) as store:
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="no answer in time to the handshake of TLS"):
                store.record(KEY, timeout=SHORT)
            assert time.monotonic() - started < SLOW_MACHINE


# Who is refused, and is served when that is mended.


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_of_another_authority_is_refused_until_its_own_is_named(
    one: Server, signed: Certificates, tmp_path: Path, call: Call
) -> None:
    given = issue(tmp_path / "others").ca
    with opened(tls_url(one.address, ssl_ca=given)) as store:
        with refused(
            one, f"its certificate is refused: unable to get local issuer certificate; those of ssl_ca {given}"
        ):
            call(store, TIMEOUT)
        given.write_bytes(signed.ca.read_bytes())
        call(store, TIMEOUT)


def test_without_an_authority_the_systems_count(one: Server) -> None:
    with opened(tls_url(one.address)) as store, refused(one, "the system's authorities did not sign it"):
        store.record(KEY, timeout=TIMEOUT)


REISSUED: dict[str, tuple[Callable[[Path], Certificates], str]] = {
    "has expired": (lambda folder: issue(folder, age=timedelta(days=2)), "certificate has expired"),
    "is not valid yet": (lambda folder: issue(folder, age=timedelta(days=-2)), "certificate is not yet valid"),
    "is another host's": (lambda folder: issue(folder, names=("elsewhere.example",)), "or ssl_server_name"),
}


@pytest.mark.parametrize(("make", "words"), REISSUED.values(), ids=REISSUED.keys())
def test_a_server_is_refused_until_it_has_a_better_one_when_its_certificate(
    tmp_path: Path, make: Callable[[Path], Certificates], words: str
) -> None:
    with serving(tmp_path, certificates=make(tmp_path / "signed")) as (server,), opened(url([server])) as store:
        with refused(server, words):
            store.record(KEY, timeout=TIMEOUT)
        issue(tmp_path / "signed")
        server.kill()
        server.start()
        store.join(KEY, BEAT, timeout=TIMEOUT)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_without_tls_is_told_from_one_that_has_it(tmp_path: Path, signed: Certificates, call: Call) -> None:
    with serving(tmp_path) as (plain,), opened(tls_url(plain.address, ssl_ca=signed.ca)) as store:
        with refused(plain, "it does not speak TLS; where it serves without, write memcached://"):
            call(store, 5.0)
        plain.kill()
        plain.certificates = signed
        plain.start()
        call(store, TIMEOUT)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_with_tls_is_told_from_one_without(one: Server, call: Call) -> None:
    with opened(f"memcached://{one.address}/") as store:
        with refused(one, "where it serves by TLS, write memcacheds://"):
            call(store, 5.0)
        one.kill()
        one.certificates = None
        one.start()
        call(store, TIMEOUT)


@pytest.fixture
def demanding(tmp_path: Path, signed: Certificates) -> Iterator[Server]:
    """A server that serves only who shows a certificate of its authority."""
    with serving(tmp_path, options=("-o", f"ssl_ca_cert={signed.ca},ssl_verify_mode=2"), certificates=signed) as one:
        yield one[0]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_that_demands_a_certificate_says_so_and_serves_who_has_one(
    demanding: Server, signed: Certificates, call: Call
) -> None:
    for _ in range(3):  # whether its last word outruns the end of the connection is chance
        with opened(url([demanding])) as store, refused(demanding, "demands a certificate, give ssl_cert and ssl_key"):
            call(store, TIMEOUT)
    with opened(tls_url(demanding.address, ssl_ca=signed.ca, ssl_cert=signed.client)) as store:
        call(store, TIMEOUT)


def test_a_certificate_that_is_not_accepted_is_named_and_serves_when_it_is_renewed(
    demanding: Server, signed: Certificates, tmp_path: Path
) -> None:
    given = issue(tmp_path / "others").client
    with opened(tls_url(demanding.address, ssl_ca=signed.ca, ssl_cert=given)) as store:
        with refused(demanding, f"it may not accept the certificate of ssl_cert {given}"):
            store.record(KEY, timeout=TIMEOUT)
        signed.client.replace(given)
        store.join(KEY, BEAT, timeout=TIMEOUT)


# Files.


def encrypted(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")
    )


Content = Callable[[Certificates, Path], bytes | None]
FILES: dict[str, tuple[str, Content, str]] = {
    "the authority's is missing": ("ssl_ca", lambda _signed, _others: None, "cannot be read: No such file"),
    "the certificate's is missing": ("ssl_cert", lambda _signed, _others: None, "cannot be read: No such file"),
    "the key's is missing": ("ssl_key", lambda _signed, _others: None, "cannot be read: No such file"),
    "the authority's is empty": ("ssl_ca", lambda _signed, _others: b"", "holds no certificates in PEM form"),
    "the authority's is half written": (
        "ssl_ca",
        lambda signed, _others: signed.ca.read_bytes()[:300],
        "holds no certificates in PEM form",
    ),
    "the certificate's is no PEM": ("ssl_cert", lambda _signed, _others: b"\x80", "are no pair in PEM form"),
    "the key's is of another certificate": (
        "ssl_key",
        lambda _signed, others: (others / "client.pem").read_bytes(),
        "are no pair in PEM form",
    ),
    "the key's is encrypted": (
        "ssl_key",
        lambda signed, _others: encrypted(signed.client.read_bytes()),
        "is encrypted: give one without a password",
    ),
}


@pytest.mark.parametrize("case", FILES.values(), ids=FILES.keys())
def test_a_file_is_named_and_the_store_serves_when_it_is_mended_where(
    one: Server, signed: Certificates, tmp_path: Path, case: tuple[str, Content, str]
) -> None:
    option, content, words = case
    issue(tmp_path / "others")
    right = {"ssl_ca": signed.ca, "ssl_cert": signed.client, "ssl_key": signed.client}
    wrong = tmp_path / "given.pem"
    bad = content(signed, tmp_path / "others")
    if bad is not None:
        wrong.write_bytes(bad)
    with opened(tls_url(one.address, **{**right, option: wrong})) as store:
        with refused(one, words):
            store.record(KEY, timeout=TIMEOUT)
        wrong.write_bytes(right[option].read_bytes())
        store.join(KEY, BEAT, timeout=TIMEOUT)


def test_a_folder_in_a_files_place_is_named(one: Server, tmp_path: Path) -> None:
    words = f"ssl_ca names {tmp_path}, which cannot be read: Is a directory"
    with opened(tls_url(one.address, ssl_ca=tmp_path)) as store, refused(one, words):
        store.record(KEY, timeout=TIMEOUT)


def test_renewed_files_count_for_new_connections_and_cost_the_others_nothing(
    one: Server, signed: Certificates, tmp_path: Path
) -> None:
    with opened(url([one])) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        issue(tmp_path / "others").ca.replace(signed.ca)

        assert members(store) == {"node-1"}
        with refused(one, "its certificate is refused"):
            store.health(timeout=TIMEOUT)


# Names.


def test_a_name_of_several_addresses_is_verified_by_the_name_at_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = issue(tmp_path / "signed", names=(NAME,))
    six, four = (Server(tmp_path, host=host, certificates=signed) for host in ("::1", "127.0.0.1"))
    four.port = six.port
    resolver = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **named: Any) -> Any:
        hosts = ["127.0.0.1", "::1"] if host.rstrip(".") == NAME else [host]
        return [found for one in hosts for found in resolver(one, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    try:
        six.start()
        four.start()
        for name in (NAME, f"{NAME}.", NAME.upper()):
            with opened(tls_url(f"{name}:{six.port}", ssl_ca=signed.ca)) as by_name:
                by_name.join(KEY, BEAT, timeout=TIMEOUT)
        for server in (six, four):
            with opened(url([server])) as store, refused(server, "IP address mismatch"):
                store.record(KEY, timeout=TIMEOUT)
            with opened(tls_url(server.address, ssl_ca=signed.ca, ssl_server_name=NAME)) as store:
                assert members(store) == {"node-1"}
    finally:
        six.stop()
        four.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_verified_by_itself(tmp_path: Path, signed: Certificates, host: str) -> None:
    with serving(tmp_path, host=host, certificates=signed) as (server,), opened(url([server])) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)

        assert members(store) == {"node-1"}


# Connections at rest.


def test_a_connection_serves_many_beats(one: Server) -> None:
    with opened(url([one])) as store, one.client() as client:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        before = int(client.stats()[b"total_connections"])
        for _ in range(20):
            CALLS["beat"](store, TIMEOUT)
            CALLS["publish"](store, TIMEOUT)
            CALLS["read"](store, TIMEOUT)

        assert int(client.stats()[b"total_connections"]) == before


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    location = parse(address)
    (found,) = resolve(location.servers[0], timeout=TIMEOUT)
    assert location.tls is not None
    connection = Connection(found, secure=Secure(location.tls))
    connection.deadline = time.monotonic() + TIMEOUT
    connection._connect()
    try:
        yield connection
    finally:
        connection.close()


def until_something_came(connection: Connection) -> None:
    look = select.poll()
    look.register(connection.sock, select.POLLIN)
    assert look.poll(TIMEOUT * 1000)


def test_session_tickets_that_come_unasked_spoil_nothing_and_an_end_does(one: Server) -> None:
    with connected(url([one])) as connection:
        until_something_came(connection)
        assert not connection.spoilt
        assert not connection.spoilt
        assert connection.fetch(["absent"]) == [None]
        one.kill()
        until_something_came(connection)
        assert connection.spoilt


@pytest.mark.parametrize("words", [b"VA 1 t1 c1\r\n", b"x" * 40_000], ids=["a line", "more than a record"])
def test_what_nobody_asked_for_spoils_a_connection(signed: Certificates, words: bytes) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed.server)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            client, _ = listener.accept()
            with context.wrap_socket(client, server_side=True) as secure:
                secure.recv(1)
                secure.sendall(words)
                done.wait(TIMEOUT)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        with connected(tls_url(f"127.0.0.1:{listener.getsockname()[1]}", ssl_ca=signed.ca)) as connection:
            connection.sock.sendall(b"x")
            deadline = time.monotonic() + TIMEOUT
            while not connection.spoilt:  # the tickets come first
                assert time.monotonic() < deadline
            connection.sock.recv(1)
            assert connection.spoilt, "the rest is held by TLS and not by the socket"
            done.set()
            thread.join(TIMEOUT)
