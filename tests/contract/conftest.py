"""The drivers that the one contract suite runs on. A case that a driver cannot keep is not collected for it."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from servicegroup.config import UrlFile, opened
from servicegroup.store import MemoryStore, Store, open_store

from tests.contract import certificates, memcached
from tests.contract.databases import KINDS, MARIADB, POSTGRESQL, Absent, Kind, Server, served
from tests.mounting import mount

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
    """A driver that the suite runs on: how it is made for a test, and what it can."""

    make: Callable[[pytest.FixtureRequest], Driver]
    can: frozenset[str] = frozenset()


def _memory(_request: pytest.FixtureRequest) -> Driver:
    return Driver(open=lambda _store_id: MemoryStore())


def _sqlite(request: pytest.FixtureRequest) -> Driver:
    return _at(f"sqlite:///{request.getfixturevalue('tmp_path') / 'beats.sqlite'}")


def _followed(request: pytest.FixtureRequest) -> Driver:
    """SQLite by a file that names it."""
    url = f"sqlite:///{request.getfixturevalue('tmp_path') / 'beats.sqlite'}"
    address = UrlFile(mount(request.getfixturevalue("tmp_path") / "secret", url), "--store-url-file")
    return Driver(open=lambda store_id: opened(address, connect=partial(open_store, store_id=store_id)), url=url)


def _postgresql(request: pytest.FixtureRequest) -> Driver:
    return _at(ready(request.getfixturevalue("postgresql")).url())


def _mariadb(request: pytest.FixtureRequest) -> Driver:
    return _at(ready(request.getfixturevalue("mariadb")).url())


def _at(url: str) -> Driver:
    return Driver(open=lambda store_id: open_store(url, store_id=store_id), url=url)


def _memcached(count: int, *, tls: bool = False) -> Callable[[pytest.FixtureRequest], Driver]:
    def make(request: pytest.FixtureRequest) -> Driver:
        # The servers serve all tests of a session, as they may several clusters: store ids keep them apart.
        address, prefix = memcached.url(request.getfixturevalue("memcached_servers")(count, tls)), secrets.token_hex(8)
        return Driver(
            open=lambda store_id: open_store(address, store_id=f"{prefix}-{store_id}"),
            url=address,
            tick=1.0,
            first=f"{prefix}-one",
        )

    return make


FOR_ALL = frozenset({SHARED, STORE_IDS})
OFFERS = {
    "memory": Offer(_memory),
    "sqlite": Offer(_sqlite, FOR_ALL),
    "sqlite-followed": Offer(_followed, FOR_ALL),
    "postgresql": Offer(_postgresql, FOR_ALL),
    "mariadb": Offer(_mariadb, FOR_ALL),
    "memcached": Offer(_memcached(1), FOR_ALL),
    "memcached-3": Offer(_memcached(3), FOR_ALL),
    "memcached-tls": Offer(_memcached(1, tls=True), FOR_ALL),
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
def memcached_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int, bool], list[memcached.Server]]]:
    """So many servers, started when first asked for and stopped with the session."""
    started: dict[tuple[int, bool], list[memcached.Server]] = {}
    with ExitStack() as stack:

        def servers(count: int, tls: bool) -> list[memcached.Server]:  # noqa: FBT001
            if (count, tls) not in started:
                need_memcached()
                folder = tmp_path_factory.mktemp("memcached")
                signed = certificates.issue(folder / "certificates") if tls else None
                started[count, tls] = stack.enter_context(memcached.serving(folder, count, certificates=signed))
            return started[count, tls]

        yield servers


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Driver:
    return OFFERS[request.param].make(request)


@pytest.fixture
def store(driver: Driver) -> Iterator[Store]:
    opened = driver.open("one")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with having(POSTGRESQL) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with having(MARIADB) as server:
        yield server


@contextmanager
def having(kind: Kind) -> Iterator[Server]:
    """A server of one's own; a test is skipped where there can be none, with REQUIRE_ALL=1 that is a failure."""
    try:
        with served(kind) as server:
            yield server
    except Absent as absent:
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(str(absent))


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each database server in turn; it serves, whatever the test before did to it, and its tables are empty."""
    return ready(request.getfixturevalue(request.param))


def ready(server: Server) -> Server:
    server.start()
    server.empty()
    return server
