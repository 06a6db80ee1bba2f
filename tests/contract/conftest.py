"""The drivers that the one contract suite runs on. A case that a driver cannot keep is not collected for it."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from servicegroup.store import MemoryStore, Store, open_store

from tests.contract import memcached

SHARED = "shared"
"""Several handles, of several processes, reach the same rows."""

STORE_IDS = "store ids"
"""Groups of the same name are kept apart by the store id."""


@dataclass(frozen=True)
class Driver:
    """How a test opens stores: `open` by store id; `url` for other processes, empty where there can be none.

    `tick` is the grain of the store's clock in seconds, `first` the store id of the test's own store.
    """

    open: Callable[[str], Store]
    url: str = ""
    tick: float = 0.0
    first: str = "one"


@dataclass(frozen=True)
class Offer:
    """A driver that the suite runs on: how it is made for a test in a folder, on so many servers, and what it can."""

    make: Callable[[Path, list[memcached.Server]], Driver]
    can: frozenset[str] = frozenset()
    servers: int = 0


def _memory(_folder: Path, _servers: list[memcached.Server]) -> Driver:
    return Driver(open=lambda _store_id: MemoryStore())


def _sqlite(folder: Path, _servers: list[memcached.Server]) -> Driver:
    url = f"sqlite:///{folder / 'beats.sqlite'}"
    return Driver(open=lambda store_id: open_store(url, store_id=store_id), url=url)


def _memcached(_folder: Path, servers: list[memcached.Server]) -> Driver:
    # The servers serve all tests of a session, as they may several clusters: store ids keep them apart.
    address, prefix = memcached.url(servers), secrets.token_hex(8)
    return Driver(
        open=lambda store_id: open_store(address, store_id=f"{prefix}-{store_id}"),
        url=address,
        tick=1.0,
        first=f"{prefix}-one",
    )


OFFERS = {
    "memory": Offer(_memory),
    "sqlite": Offer(_sqlite, frozenset({SHARED, STORE_IDS})),
    "memcached": Offer(_memcached, frozenset({SHARED, STORE_IDS}), servers=1),
    "memcached-3": Offer(_memcached, frozenset({SHARED, STORE_IDS}), servers=3),
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(ability): the case applies only to drivers that can do this")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" not in metafunc.fixturenames:
        return
    needed = {ability for mark in metafunc.definition.iter_markers("needs") for ability in mark.args}
    names = [name for name, offer in OFFERS.items() if needed <= offer.can]
    metafunc.parametrize("driver", names, indirect=True)


def need_memcached() -> None:
    """Skip a test where memcached is not installed; with REQUIRE_ALL=1 that is a failure."""
    if memcached.PROGRAM is None:
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(memcached.HOW_TO_GET_IT)


@pytest.fixture(scope="session")
def memcached_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], list[memcached.Server]]]:
    """So many servers, started when first asked for and stopped with the session."""
    started: dict[int, list[memcached.Server]] = {}
    with ExitStack() as stack:

        def servers(count: int) -> list[memcached.Server]:
            if count and count not in started:
                need_memcached()
                folder = tmp_path_factory.mktemp("memcached")
                started[count] = stack.enter_context(memcached.serving(folder, count))
            return started.get(count, [])

        yield servers


@pytest.fixture
def driver(
    request: pytest.FixtureRequest, tmp_path: Path, memcached_servers: Callable[[int], list[memcached.Server]]
) -> Driver:
    offer = OFFERS[request.param]
    return offer.make(tmp_path, memcached_servers(offer.servers))


@pytest.fixture
def store(driver: Driver) -> Iterator[Store]:
    opened = driver.open("one")
    yield opened
    opened.close()
