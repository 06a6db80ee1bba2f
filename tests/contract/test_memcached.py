"""memcached as it fails: paused, killed, flushed, full, evicting, out of connections, written to by others; one of
several away; and how names reach the operator all the same.
"""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymemcache.exceptions import MemcacheError
from servicegroup.evaluation import View, advance
from servicegroup.liveness import Published
from servicegroup.model import Beat, Fact, GroupKey, GroupSpec, Old, Policy, Reason, State, Verdict
from servicegroup.observation import Pass
from servicegroup.operator.survey import survey
from servicegroup.record import Header
from servicegroup.store import Store, StoreUnavailable, mc_servers, open_store
from servicegroup.store.mc_wire import TTL, encode_row, key

from tests.contract import memcached
from tests.contract.conftest import need_memcached
from tests.contract.memcached import Server, serving

KEY = GroupKey("nova", "compute")
GROUP = f"one/{KEY}"
BEAT = Beat("node-1", "one", 1, 10.0)
HEADER = Header(publication=1, policy=Policy(10.0, 60.0), epoch="e", store_back_for=0.0, blind_for=0.0)
UP = Published(Verdict.UP, Reason.BEATING, 0.0)
DOWN = Published(Verdict.DOWN, Reason.SILENT, 0.0)
TIMEOUT = 20.0
SHORT = 0.4
SLOW_MACHINE = 10.0
"""Seconds within which a call of 0.4 s has ended, however loaded the machine is; less than TIMEOUT."""

Call = Callable[[Store, float], object]
CALLS: dict[str, Call] = {
    "join": lambda store, timeout: store.join(KEY, BEAT, timeout=timeout),
    "beat": lambda store, timeout: store.beat(KEY, at(2), timeout=timeout),
    "leave": lambda store, timeout: store.leave(KEY, BEAT, timeout=timeout),
    "read": lambda store, timeout: store.read([KEY], timeout=timeout),
    "health": lambda store, timeout: store.health(timeout=timeout),
    "publish": lambda store, timeout: store.publish(KEY, HEADER, changes={"a": UP}, whole=True, timeout=timeout),
    "record": lambda store, timeout: store.record(KEY, timeout=timeout),
}
WRITES = {name: CALLS[name] for name in ("join", "health", "publish")}


@pytest.fixture(autouse=True)
def _installed() -> None:
    need_memcached()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as servers:
        yield servers[0]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Server]]:
    with serving(tmp_path, 3) as servers:
        yield servers


@contextmanager
def opened(*servers: Server) -> Iterator[Store]:
    with closing(open_store(memcached.url(list(servers)), store_id="one")) as store:
        yield store


def at(sequence: int, member: str = "node-1", incarnation: str = "one") -> Beat:
    return Beat(member, incarnation, sequence, 10.0)


def facts(store: Store) -> dict[str, Fact]:
    return {fact.member: fact for fact in store.read([KEY], timeout=TIMEOUT).facts[KEY]}


def publish(store: Store, changes: dict[str, Published | None] | None = None, *, whole: bool = False) -> None:
    store.publish(KEY, HEADER, changes=changes or {}, whole=whole, timeout=TIMEOUT)


def said(store: Store) -> dict[str, Published]:
    record = store.record(KEY, timeout=TIMEOUT)
    assert record is not None
    return dict(record.members)


def epoch(store: Store) -> str:
    return store.read([KEY], timeout=TIMEOUT).epoch


def beat_or_join(store: Store, beat: Beat) -> None:
    """As an agent does it."""
    if not store.beat(KEY, beat, timeout=TIMEOUT).owned:
        store.join(KEY, beat, timeout=TIMEOUT)


def stored(server: Server, name: str) -> bytes | None:
    with server.client() as client:
        value = client.get(name)
    assert value is None or isinstance(value, bytes)
    return value


def test_a_join_that_is_asked_again_after_its_row_alone_was_written_is_listed(one: Server) -> None:
    """As by a second gateway, when the first one's server went away in between."""
    with opened(one) as gateway, opened(one) as operator:
        gateway.join(KEY, at(1, incarnation="before"), timeout=TIMEOUT)
        assert set(facts(operator)) == {"node-1"}
        publish(operator)
        operator.forget(KEY, [Old("node-1", "before", 1)], timeout=TIMEOUT)
        assert facts(operator) == {}
        publish(operator)
        with one.client() as client:
            client.set(key("row", GROUP, "node-1"), encode_row(GROUP, BEAT, term=1), expire=TTL)
        assert facts(operator) == {}
        assert gateway.join(KEY, BEAT, timeout=TIMEOUT).owned
        assert set(facts(operator)) == {"node-1"}


# One server, paused and killed.


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_paused_server_is_trouble_within_the_deadline_and_serves_again(one: Server, call: Call) -> None:
    with opened(one) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        publish(store)
        one.signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"{one.address}: no answer in time"):
            call(store, SHORT)
        assert SHORT * 0.9 <= time.monotonic() - started < SLOW_MACHINE
        one.signal(signal.SIGCONT)
        call(store, TIMEOUT)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_server_that_is_gone_is_trouble_and_never_no_members(one: Server, call: Call) -> None:
    with opened(one) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        one.kill()
        with pytest.raises(StoreUnavailable, match=one.address):
            call(store, TIMEOUT)
        one.start()
        call(store, TIMEOUT)


def test_a_restart_is_another_epoch_and_agents_come_back_by_joining(one: Server) -> None:
    with opened(one) as store, opened(one) as agent:
        agent.join(KEY, BEAT, timeout=TIMEOUT)
        publish(store, {"node-1": UP}, whole=True)
        before = epoch(store)
        assert epoch(store) == before
        one.kill()
        one.start()

        assert store.health(timeout=TIMEOUT).epoch == epoch(store) != before
        receipt = agent.beat(KEY, at(2), timeout=TIMEOUT)
        assert (receipt.owned, receipt.other) == (False, None)
        agent.join(KEY, at(3), timeout=TIMEOUT)
        assert facts(store)["node-1"].sequence == 3
        publish(store)
        assert said(store) == {"node-1": UP}


# Through the rules: agents and an observer whose clock is virtual, on real servers.

MEMBERS = [f"node-{number}" for number in range(200)]
DEAD = frozenset(MEMBERS[:5])
SPEC = GroupSpec(KEY, Policy(10.0, 60.0))


class Observer:
    """What the operator does in a pass, with ten seconds of its clock between two passes of the test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.view = View()
        self.now = 1000.0
        self.changes: list[tuple[str, Verdict | None]] = []

    def passes(self, count: int = 1, *, step: float = 1.0) -> None:
        for _ in range(count):
            self.now += step
            try:
                health, reading = self.store.health(timeout=TIMEOUT), self.store.read([KEY], timeout=TIMEOUT)
            except StoreUnavailable:
                seen = Pass(self.now, self.now)
            else:
                assert health.epoch == reading.epoch
                seen = Pass(self.now, self.now, reading.epoch, reading.facts[KEY])
            self.view, changes = advance(self.view, seen, spec=SPEC, wall=self.now)
            self.changes += [(one.member, one.after.verdict if one.after else None) for one in changes]
            if seen.healthy:
                said: dict[str, Published | None] = {one.member: one.after for one in changes}
                self.store.publish(KEY, HEADER, changes=said, whole=False, timeout=TIMEOUT)

    def verdicts(self) -> dict[str, Verdict]:
        return {member: published.verdict for member, published in self.view.published.items()}


@contextmanager
def settled(*servers: Server) -> Iterator[tuple[Observer, Callable[[], None]]]:
    """200 members, five of them Down; and a function with which those who live beat once."""
    with opened(*servers) as store, opened(*servers) as agents:
        observer, sequence = Observer(store), 1
        for member in MEMBERS:
            agents.join(KEY, at(1, member), timeout=TIMEOUT)

        def beat() -> None:
            nonlocal sequence
            sequence += 1
            for member in MEMBERS:
                if member not in DEAD:
                    beat_or_join(agents, at(sequence, member))

        observer.passes()
        for _ in range(7):
            observer.passes(3, step=3.3)
            beat()
        observer.passes(2)
        assert {member for member, verdict in observer.verdicts().items() if verdict is Verdict.DOWN} == DEAD
        assert set(observer.verdicts().values()) == {Verdict.UP, Verdict.DOWN}
        observer.changes.clear()
        yield observer, beat


def restart(server: Server) -> None:
    server.kill()
    server.start()


def flush(server: Server) -> None:
    with server.client() as client:
        client.flush_all()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("loss", [restart, flush])
def test_a_store_that_loses_all_makes_no_transition(one: Server, loss: Callable[[Server], None]) -> None:
    with settled(one) as (observer, beat):
        loss(one)
        observer.passes(3)
        for _ in range(8):
            beat()
            observer.passes(3, step=3.3)

        assert observer.changes == []


@pytest.mark.timeout(120)
def test_an_outage_longer_than_the_down_time_makes_nobody_down(one: Server) -> None:
    with settled(one) as (observer, beat):
        one.kill()
        observer.passes(30, step=3.3)
        one.start()
        for _ in range(8):
            beat()
            observer.passes(3, step=3.3)

        assert {verdict for _, verdict in observer.changes} == {Verdict.UNKNOWN, Verdict.UP}
        assert {member for member, verdict in observer.verdicts().items() if verdict is Verdict.DOWN} == DEAD


@pytest.mark.timeout(120)
@pytest.mark.parametrize("loss", [Server.kill, restart, flush])
@pytest.mark.parametrize("which", [0, 2], ids=["the first", "the last"])
def test_one_of_three_that_is_lost_makes_no_transition_and_no_other_epoch(
    three: list[Server], loss: Callable[[Server], None], which: int
) -> None:
    with settled(*three) as (observer, beat):
        before = observer.view.watch
        loss(three[which])
        observer.passes(3)
        for _ in range(3):
            beat()
            observer.passes(3, step=3.3)

        assert observer.changes == []
        assert (observer.view.watch.epoch, observer.view.watch.store_back) == (before.epoch, before.store_back)


# Several servers.


def test_all_of_several_servers_away_is_trouble_that_names_each(three: list[Server]) -> None:
    with opened(*three) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        for server in three:
            server.kill()
        with pytest.raises(StoreUnavailable) as caught:
            store.read([KEY], timeout=TIMEOUT)

        assert all(server.address in str(caught.value) for server in three)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_one_of_three_that_hangs_costs_a_part_of_the_deadline_and_then_nothing(three: list[Server], call: Call) -> None:
    with opened(*three) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        three[0].signal(signal.SIGSTOP)
        started = time.monotonic()
        call(store, 4.0)
        assert time.monotonic() - started < 4.0
        three[0].signal(signal.SIGCONT)


def test_what_a_server_missed_is_written_again_with_the_next_beat_and_the_next_publication(three: list[Server]) -> None:
    with opened(*three) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        publish(store, {"node-1": DOWN}, whole=True)
        flush(three[1])
        assert store.beat(KEY, at(2), timeout=TIMEOUT).owned
        publish(store)

    with opened(three[1]) as alone:
        assert facts(alone)["node-1"].sequence == 2
        assert said(alone) == {"node-1": DOWN}


def test_a_server_that_comes_back_does_not_bring_back_a_former_owner(three: list[Server]) -> None:
    with opened(*three) as store, opened(*three[:2]) as without:
        for _ in range(3):
            store.join(KEY, BEAT, timeout=TIMEOUT)
        without.join(KEY, at(1, incarnation="two"), timeout=TIMEOUT)
        without.beat(KEY, at(2, incarnation="two"), timeout=TIMEOUT)
        late = store.beat(KEY, at(9), timeout=TIMEOUT)

        assert (late.owned, late.other and late.other.incarnation) == (False, "two")
        assert facts(store)["node-1"].incarnation == "two"
        assert store.beat(KEY, at(3, incarnation="two"), timeout=TIMEOUT).owned
    with opened(three[2]) as alone:
        assert facts(alone)["node-1"].incarnation == "two"


def test_a_leave_that_one_server_missed_is_a_leave(three: list[Server]) -> None:
    with opened(*three) as store, opened(*three[:2]) as without:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        assert without.leave(KEY, at(2), timeout=TIMEOUT)

        assert facts(store)["node-1"].state is State.LEFT
        assert not store.beat(KEY, at(3), timeout=TIMEOUT).owned


def test_a_record_that_a_server_kept_while_it_was_away_is_not_the_answer(three: list[Server]) -> None:
    with opened(*three) as store, opened(*three[:2]) as without:
        publish(store, {"node-1": UP}, whole=True)
        wait_until(lambda: said(without) == {"node-1": UP} and age(without) >= 2)
        publish(without, {"node-1": DOWN})

        assert said(store) == {"node-1": DOWN}


def age(store: Store) -> float:
    record = store.record(KEY, timeout=TIMEOUT)
    assert record is not None
    return record.age


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_ipv6_address_serves_and_is_named_when_it_does_not(tmp_path: Path, call: Call) -> None:
    with serving(tmp_path, host="::1") as (server,), opened(server) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        call(store, TIMEOUT)
        server.kill()
        with pytest.raises(StoreUnavailable, match=rf"\[::1\]:{server.port}: "):
            call(store, TIMEOUT)


def resolver(addresses: Callable[[], list[str]]) -> Callable[..., Any]:
    """The system's, but for one name that means these addresses at the moment."""
    system = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **named: Any) -> Any:
        hosts = addresses() if host == "memcached.example" else [host]
        return [answer for one in hosts for answer in system(one, port, *rest, **named)]

    return resolve


def test_a_name_that_means_another_server_since_one_failed_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Server(tmp_path, host="::1"), Server(tmp_path)
    new.port = old.port
    addresses = ["::1"]
    monkeypatch.setattr(socket, "getaddrinfo", resolver(lambda: addresses))
    monkeypatch.setattr(mc_servers, "RESOLVE_EVERY", 0.1)
    try:
        old.start()
        with closing(open_store(f"memcached://memcached.example:{old.port}/", store_id="one")) as store:
            store.join(KEY, BEAT, timeout=TIMEOUT)
            old.kill()
            assert not healthy(store)
            new.start()
            addresses[:] = ["127.0.0.1"]
            wait_until(lambda: healthy(store))
            store.join(KEY, at(2), timeout=TIMEOUT)
        with opened(new) as direct:
            assert set(facts(direct)) == {"node-1"}
    finally:
        old.stop()
        new.stop()


def test_a_name_of_several_addresses_means_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    six, four = Server(tmp_path, host="::1"), Server(tmp_path)
    four.port = six.port
    monkeypatch.setattr(socket, "getaddrinfo", resolver(lambda: ["127.0.0.1", "::1"]))
    try:
        six.start()
        four.start()
        with closing(open_store(f"memcached://memcached.example:{six.port}/", store_id="one")) as by_name:
            by_name.join(KEY, BEAT, timeout=TIMEOUT)
        for server in (six, four):
            with opened(server) as store:
                assert set(facts(store)) == {"node-1"}
    finally:
        six.stop()
        four.stop()


def test_a_name_that_is_none_is_trouble_of_its_own(one: Server) -> None:
    with (
        closing(open_store("memcached://nowhere.invalid/", store_id="one")) as store,
        pytest.raises(StoreUnavailable, match=r"nowhere\.invalid:11211: its name cannot be resolved"),
    ):
        store.health(timeout=TIMEOUT)
    address = f"memcached://nowhere.invalid,{one.address}/"
    with closing(open_store(address, store_id="one")) as store:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        assert set(facts(store)) == {"node-1"}


# What others write, and what does not fit.

FOREIGN = {
    "nothing": b"",
    "no JSON": b"\x80\x04pickle",
    "another shape": b"[1,2]",
    "brackets alone": b"[" * 100_000,
    "an answer of memcached's": b"EN\r\nVA 2 t1 c1\r\nMN\r\n",
    "a number that is none": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":1,"p":NaN,"t":"beating","n":1}',
    "an interval of no time": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":1,"p":0,"t":"beating","n":1}',
    "an interval below": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":1,"p":-10,"t":"beating","n":1}',
    "an interval without end": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":1,"p":1e999,"t":"beating","n":1}',
    "a sequence below 0": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":-1,"p":10,"t":"beating","n":1}',
    "a sequence of letters": b'{"g":"one/nova/compute","m":"node-1","i":"x","s":"1","p":10,"t":"beating","n":1}',
    "half a character": b'{"g":"one/nova/compute","m":"node-1","i":"\\ud800","s":1,"p":10,"t":"beating","n":1}',
    "the highest term": b'{"g":"one/nova/compute","m":"node-2","i":"x","s":1,"p":10,"t":"beating","n":%d}' % 2**63,
    "another member's row": b'{"g":"one/nova/compute","m":"node-2","i":"x","s":1,"p":10,"t":"beating","n":1}',
    "a megabyte": b"x" * 1_000_000,
}


@pytest.mark.parametrize("value", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_value_is_no_member_and_no_crash_and_is_overwritten_by_joining(one: Server, value: bytes) -> None:
    with opened(one) as store, one.client() as client:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        store.join(KEY, at(1, "node-3"), timeout=TIMEOUT)
        client.set(key("row", GROUP, "node-1"), value, expire=TTL)

        assert set(facts(store)) == {"node-3"}
        receipt = store.beat(KEY, at(2), timeout=TIMEOUT)
        assert (receipt.owned, receipt.other) == (False, None)
        store.join(KEY, at(3), timeout=TIMEOUT)
        assert facts(store)["node-1"].sequence == 3


@pytest.mark.parametrize("kind", ["head", "inbox"])
@pytest.mark.parametrize("value", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_head_or_inbox_costs_an_interval_at_most(one: Server, kind: str, value: bytes) -> None:
    with opened(one) as store, opened(one) as agent, one.client() as client:
        agent.join(KEY, BEAT, timeout=TIMEOUT)
        client.set(key(kind, GROUP), value, expire=TTL)
        publish(store, {"a": UP}, whole=True)
        agent.beat(KEY, at(2), timeout=TIMEOUT)

        assert set(facts(store)) == {"node-1"}
        publish(store)
        assert said(store) == {"a": UP}


NO_NAMES = ("", "x" * 254, "\N{ROCKET}" * 254, "a\nb", "a\x00", "\x7f", "\x9b", "\ud800")


def test_names_that_can_be_nobodys_are_left_out_of_the_inbox(one: Server) -> None:
    with opened(one) as store, one.client() as client:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        for name in (*NO_NAMES, 5, None, ["node-1"]):
            client.append(key("inbox", GROUP), b"\n" + json.dumps(name).encode() + b"\n")
        for name in NO_NAMES:
            value = json.loads(encode_row(GROUP, BEAT, term=1)) | {"m": name}
            client.set(key("row", GROUP, name), json.dumps(value), expire=TTL)

        assert set(facts(store)) == {"node-1"}
        publish(store, {"node-1": UP}, whole=True)
        assert said(store) == {"node-1": UP}


def test_what_is_wrong_in_a_record_is_left_out_one_by_one(one: Server) -> None:
    with opened(one) as store, one.client() as client:
        store.join(KEY, at(1, "odd"), timeout=TIMEOUT)
        publish(store, {"a": UP, "odd": UP}, whole=True)
        (chunk,) = chunks(one)
        value = json.loads(stored(one, key("chunk", GROUP, chunk)) or b"")
        value["m"] |= dict.fromkeys(NO_NAMES, value["m"]["a"])
        for odd in (5, [], "verdict", ["Asleep", "x", 0.0, False, False, None], ["Up", "Beating", "0", 0, 0, None]):
            value["m"]["odd"] = odd
            client.set(key("chunk", GROUP, chunk), json.dumps(value), expire=TTL)
            with opened(one) as reader:
                assert said(reader) == {"a": UP}
                assert set(facts(reader)) == {"odd"}
        with opened(one) as operator:
            publish(operator, {"odd": DOWN})
        assert said(store) == {"a": UP, "odd": DOWN}


@pytest.mark.parametrize("interval", [b"0", b"-10.0", b"1e999", b"NaN", b'"10"', b"null"])
def test_an_interval_that_is_none_is_not_told_to_agents(one: Server, interval: bytes) -> None:
    with opened(one) as store, one.client() as client:
        store.join(KEY, BEAT, timeout=TIMEOUT)
        publish(store)
        head = stored(one, key("head", GROUP)) or b""
        client.set(key("head", GROUP), head.replace(b'"interval":10.0', b'"interval":' + interval), expire=TTL)

        assert store.beat(KEY, at(2), timeout=TIMEOUT).interval is None
        publish(store)
        assert store.beat(KEY, at(3), timeout=TIMEOUT).interval == 10.0


def fill(server: Server) -> None:
    """Write until nothing more fits, in items of every size that we write: each size has a page of its own."""
    with server.client() as client:
        for size in [int(10 * 1.2**step) for step in range(30)]:
            try:
                for start in range(0, 100_000, 500):
                    client.set_many({f"junk-{size}-{number}": b"x" * size for number in range(start, start + 500)})
            except MemcacheError:
                continue


@pytest.mark.timeout(120)
@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES.keys())
def test_a_full_server_that_may_not_evict_is_trouble_until_there_is_room(tmp_path: Path, call: Call) -> None:
    with (
        serving(tmp_path, options=("-M", "-m", "2")) as (server,),
        opened(server) as store,
    ):
        fill(server)
        with pytest.raises(StoreUnavailable, match="out of memory"):
            call(store, TIMEOUT)
        flush(server)
        call(store, TIMEOUT)


def ballast(server: Server) -> None:
    """More than fits, beside what we write and at once: items of the sizes of a row and of what is longer."""
    pieces = ((f"junk-{size}-{number}", b"x" * size) for number in range(12_000) for size in (150, 1500))
    words = [b"set %s 0 0 %d noreply\r\n%s\r\n" % (name.encode(), len(value), value) for name, value in pieces]
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as raw:
        raw.sendall(b"".join(words) + b"version\r\n")
        assert raw.recv(100).startswith(b"VERSION")


@pytest.mark.timeout(120)
def test_members_that_were_evicted_are_back_after_an_interval(tmp_path: Path) -> None:
    with serving(tmp_path, options=("-m", "2")) as (server,), opened(server) as store, opened(server) as agents:
        for number in range(50):
            agents.join(KEY, at(1, f"node-{number}"), timeout=TIMEOUT)
        publish(store)
        assert store.health(timeout=TIMEOUT).evictions == 0
        ballast(server)
        assert store.health(timeout=TIMEOUT).evictions > 0
        assert len(facts(store)) < 50
        for number in range(50):
            beat_or_join(agents, at(2, f"node-{number}"))
        publish(store)
        for number in range(50):
            beat_or_join(agents, at(3, f"node-{number}"))

        with opened(server) as new:
            assert len(facts(new)) == 50


@pytest.mark.timeout(120)
def test_one_of_two_that_evicts_is_counted_and_takes_no_member_with_it(tmp_path: Path) -> None:
    with serving(tmp_path, options=("-m", "2")) as (small,), serving(tmp_path) as (large,), ExitStack() as ends:
        observer, beat = ends.enter_context(settled(small, large))
        before = observer.store.health(timeout=TIMEOUT).evictions
        for _ in range(2):
            ballast(small)
            observer.passes(3)
            beat()
            observer.passes(3, step=3.3)
        with opened(small) as alone:
            evicted = alone.health(timeout=TIMEOUT).evictions

        assert observer.store.health(timeout=TIMEOUT).evictions == before + evicted > 0
        assert observer.changes == []


def test_a_server_out_of_connections_is_trouble_until_one_is_free(tmp_path: Path) -> None:
    with serving(tmp_path, options=("-c", "40")) as (server,), opened(server) as store:
        with ExitStack() as stack:
            for _ in range(80):
                stack.enter_context(socket.create_connection((server.host, server.port)))
            with pytest.raises(StoreUnavailable, match=server.address):
                store.health(timeout=SHORT)
        wait_until(lambda: healthy(store))


def healthy(store: Store) -> bool:
    try:
        store.health(timeout=SHORT)
    except StoreUnavailable:
        return False
    return True


# Names on their way to the operator.


def test_names_in_the_inbox_go_into_the_directory_and_leave_the_inbox(one: Server) -> None:
    with opened(one) as store:
        for number in range(20):
            store.join(KEY, at(1, f"node-{number}"), timeout=TIMEOUT)
        for _ in range(2):
            store.read([KEY], timeout=TIMEOUT)
            publish(store)
        inbox = stored(one, key("inbox", GROUP))
        assert inbox is not None
        assert b"node" not in inbox
    with opened(one) as new:
        assert len(facts(new)) == 20


@pytest.mark.parametrize("kind", ["head", "inbox", "chunk"])
def test_a_name_comes_back_whatever_was_lost_on_its_way(one: Server, kind: str) -> None:
    with opened(one) as agent, one.client() as client:
        agent.join(KEY, BEAT, timeout=TIMEOUT)
        with opened(one) as first:
            publish(first)
        agent.beat(KEY, at(2), timeout=TIMEOUT)
        if kind == "chunk":
            for chunk in chunks(one):
                client.delete(key("chunk", GROUP, chunk))
        else:
            client.delete(key(kind, GROUP))
        with opened(one) as operator:
            publish(operator)
            agent.beat(KEY, at(3), timeout=TIMEOUT)
        with opened(one) as new:
            assert set(facts(new)) == {"node-1"}


def test_an_operator_that_starts_over_a_record_with_a_hole_looks_all_the_same_and_renews_it(one: Server) -> None:
    with opened(one) as first, one.client() as client:
        first.join(KEY, BEAT, timeout=TIMEOUT)
        publish(first)
        for chunk in chunks(one):
            client.delete(key("chunk", GROUP, chunk))
    with opened(one) as new, opened(one) as reader:
        with pytest.raises(StoreUnavailable, match="lost part of a record"):
            reader.record(KEY, timeout=TIMEOUT)
        found = survey(new, [KEY], new=[KEY], timeout=TIMEOUT)
        assert (found.failure, found.records) == (None, {KEY: None})
        publish(new)
        assert reader.record(KEY, timeout=TIMEOUT) is not None


def chunks(server: Server) -> list[str]:
    from servicegroup.store.mc_document import decode_head
    from servicegroup.store.mc_wire import Item

    value = stored(server, key("head", GROUP))
    assert value is not None
    head = decode_head(Item(value, TTL, 1), group=GROUP)
    assert head is not None
    return list(head.chunks)


def test_a_full_inbox_refuses_nobody_and_lists_them_after_it_was_drained(one: Server) -> None:
    with opened(one) as store, opened(one) as agent, one.client() as client:
        publish(store)
        client.append(key("inbox", GROUP), b"x" * (1024 * 1024 - 300))
        for number in range(20):
            assert agent.join(KEY, at(1, f"node-{number}"), timeout=TIMEOUT).owned
        assert len(facts(store)) < 20
        publish(store)
        for number in range(20):
            assert agent.beat(KEY, at(2, f"node-{number}"), timeout=TIMEOUT).owned

        assert len(facts(store)) == 20


@pytest.mark.timeout(120)
def test_names_that_arrive_while_operators_drain_are_all_found(one: Server) -> None:
    joined = threading.Event()

    def drain() -> None:
        with opened(one) as operator:
            while not joined.is_set():
                operator.read([KEY], timeout=TIMEOUT)
                publish(operator)

    def live(number: int) -> None:
        with opened(one) as agent:
            for node in range(50):
                agent.join(KEY, at(1, f"node-{number}-{node}"), timeout=TIMEOUT)

    with ThreadPoolExecutor(6) as threads:
        operators = [threads.submit(drain) for _ in range(2)]
        agents = [threads.submit(live, number) for number in range(4)]
        try:
            for agent in agents:
                agent.result()
        finally:
            joined.set()
        for operator in operators:
            operator.result()
    with opened(one) as new:
        assert len(facts(new)) == 200


@pytest.mark.timeout(180)
def test_ten_thousand_members_with_the_longest_names(tmp_path: Path) -> None:
    names = [f"{number:05}" + "\N{ROCKET}" * 248 for number in range(10_000)]
    with serving(tmp_path, options=("-m", "128")) as (server,), opened(server) as store:
        publish(store, dict.fromkeys(names, UP), whole=True)
        with opened(server) as new:
            assert set(said(new)) == set(names)
            for name in names[:10]:
                new.join(KEY, at(1, name), timeout=TIMEOUT)
            assert set(facts(new)) == set(names[:10])


# Round trips.


def test_a_thousand_members_are_read_in_a_few_round_trips(one: Server) -> None:
    with opened(one) as store:
        for number in range(1000):
            store.join(KEY, at(1, f"node-{number}"), timeout=TIMEOUT)
        publish(store)
    with counting(one) as (port, turns), closing(open_store(f"memcached://127.0.0.1:{port}/", store_id="one")) as near:
        assert len(facts(near)) == 1000
        assert len(turns) <= 5  # the head and the inbox, the chunks, the stats, and twice five hundred rows


@contextmanager
def counting(server: Server) -> Iterator[tuple[int, list[None]]]:
    """A relay before a server that counts how often the client spoke after the server had answered."""
    turns: list[None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = threading.Thread(target=_relay, args=(listener, server, turns), daemon=True)
        relay.start()
        yield listener.getsockname()[1], turns
        relay.join(TIMEOUT)


def _relay(listener: socket.socket, server: Server, turns: list[None]) -> None:
    client, _ = listener.accept()
    with client, socket.create_connection((server.host, server.port)) as upstream:
        answered = threading.Event()
        answered.set()

        def back() -> None:
            while piece := upstream.recv(65536):
                answered.set()
                client.sendall(piece)

        answers = threading.Thread(target=back, daemon=True)
        answers.start()
        while piece := client.recv(1 << 20):
            if answered.is_set():
                answered.clear()
                turns.append(None)
            upstream.sendall(piece)
        upstream.shutdown(socket.SHUT_WR)
        answers.join(TIMEOUT)
