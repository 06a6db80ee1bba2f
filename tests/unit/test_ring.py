"""The order in which an agent asks its gateways, by what each of them said before. They are servers that say what they
are told to, over real sockets.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from servicegroup.model import Beat, GroupKey
from servicegroup.store import StoreUnavailable, open_client
from servicegroup.store.mc_address import Address, resolve
from servicegroup.store.remote_address import parse
from servicegroup.store.remote_gateways import Ring

TIMEOUT = 30.0
NO_ROOM = 1 << 47
"""Bytes of a thread's stack: as much as a process can address."""


@dataclass
class Server:
    """Answers with `status`, when it may; it counts."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: int = 0
    answered: int = 0
    port: int = 0
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()


@contextmanager
def serving(one: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # its connections are kept

        def do_GET(self) -> None:
            one.asked += 1
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            one.may_answer.wait(TIMEOUT)
            self.send_response(one.status)
            for name, value in {**one.headers, "Content-Length": str(len(one.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(one.body)
            one.answered += 1

        do_POST = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        one.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield one
        finally:
            one.may_answer.set()
            http.shutdown()
            thread.join()


Two = tuple[Ring, Server, Server]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """A ring, the gateway that it asks first and the other one."""
    (tmp_path / "token").write_text("a.b.c", encoding="ascii")
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(Server())) for _ in range(2)]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in servers)
        ring = stack.enter_context(closing(Ring(parse(f"http://{hosts}/?token_file={tmp_path / 'token'}"))))
        assert ask(ring) == 200
        first, other = sorted(servers, key=lambda one: -one.asked)
        assert (first.asked, other.asked) == (1, 0)
        yield ring, first, other


def ask(ring: Ring, *, timeout: float = TIMEOUT, method: str = "POST", at_once: bool = False) -> int:
    return ring.ask(method, "/", body=None, timeout=timeout, at_once=at_once).status


def until(condition: Callable[[], bool], *, why: str) -> None:
    limit = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < limit, f"not within {TIMEOUT:g} s: {why}"
        time.sleep(0.01)


def test_a_gateway_that_serves_is_asked_again(two: Two) -> None:
    ring, first, other = two
    assert [ask(ring) for _ in range(3)] == [200] * 3
    assert (first.asked, other.asked) == (4, 0)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_gateway_that_refuses_is_heard_and_asked_last_from_then_on(two: Two, status: int) -> None:
    """One whose own API server knows no token of ours would keep the agent silent for ever, beside one that serves."""
    ring, first, other = two
    first.status = status
    assert [ask(ring) for _ in range(3)] == [status, 200, 200]
    assert (first.asked, other.asked) == (2, 2)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_gateway_that_is_busy_or_broken_is_answered_for_by_another(two: Two, status: int) -> None:
    ring, first, other = two
    first.status = status
    assert [ask(ring) for _ in range(3)] == [200] * 3
    assert (first.asked, other.asked) == (2, 3)


def test_a_gateway_that_rests_hides_none_that_is_free(two: Two) -> None:
    ring, first, other = two
    first.status, first.headers, other.status = 503, {"Retry-After": "5"}, 503
    with pytest.raises(StoreUnavailable, match="it answered 503"):
        ask(ring, timeout=1.0)
    other.status = 200
    assert ask(ring, timeout=4.0) == 200
    assert first.asked == 2, "it is left alone for five seconds"


def test_a_gateway_that_rests_is_not_left_alone_by_who_has_no_time_to_come_again(two: Two) -> None:
    ring, first, other = two
    for one in (first, other):
        one.status, one.headers = 503, {"Retry-After": "5"}
    with pytest.raises(StoreUnavailable, match="it answered 503"):
        ask(ring)
    first.status = other.status = 200
    with pytest.raises(StoreUnavailable, match="left alone"):
        ask(ring, timeout=1.0)
    assert ask(ring, timeout=1.0, at_once=True) == 200


def test_a_refusal_is_no_answer_while_one_that_was_asked_before_may_still_serve(two: Two) -> None:
    ring, first, other = two
    first.may_answer.clear()
    other.status = 401
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask, ring, timeout=4.0)
        until(lambda: other.answered == 1, why="the first's share of the time is over")
        first.may_answer.set()
        assert asked.result() == 200


def test_a_refusal_is_the_answer_where_no_other_comes(two: Two) -> None:
    ring, first, other = two
    first.may_answer.clear()
    other.status = 401
    assert ask(ring, timeout=1.0) == 401


def test_what_is_not_there_is_an_answer_to_a_reader_like_any_other(two: Two) -> None:
    ring, first, other = two
    first.status = 404
    assert [ask(ring, method="GET") for _ in range(3)] == [404] * 3
    assert other.asked == 0


def test_who_leaves_says_so_to_a_gateway_that_rests(tmp_path: Path) -> None:
    """It has a second, and gateways ask for up to three."""
    (tmp_path / "token").write_text("a.b.c", encoding="ascii")
    busy = Server(503, {"Retry-After": "5"})
    with (
        serving(busy) as one,
        closing(
            open_client(f"http://127.0.0.1:{one.port}/?token_file={tmp_path / 'token'}", store_id="default")
        ) as remote,
    ):
        key, beat = GroupKey("nova", "compute"), Beat("node-1", "one", 1, 10.0)
        with pytest.raises(StoreUnavailable, match="it answered 503"):
            remote.beat(key, beat, timeout=1.0)
        one.status, one.body = 200, b'{"left": true}'
        assert remote.leave(key, beat, timeout=1.0)


@contextmanager
def without_room_for_threads() -> Iterator[None]:
    before = threading.stack_size(NO_ROOM)
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            threading.Thread(target=print).start()
        yield
    finally:
        threading.stack_size(before)


def test_where_no_thread_can_be_started_a_beat_goes_out_on_a_connection_that_was_kept(two: Two) -> None:
    ring, first, other = two
    with without_room_for_threads():
        assert ask(ring) == 200
        first.status = 503
        with pytest.raises(StoreUnavailable, match="no thread for the resolver"):
            ask(ring)
    assert (first.asked, other.asked) == (3, 0)


def test_where_no_thread_can_be_started_a_name_is_trouble_of_the_network() -> None:
    with without_room_for_threads(), pytest.raises(OSError, match="no thread"):
        resolve(Address("localhost", 1, "localhost"), timeout=TIMEOUT)
