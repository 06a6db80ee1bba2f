"""The drivers that the one contract suite runs on. A case that a driver cannot keep is not collected for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servicegroup.store import MemoryStore, Store, open_store

SHARED = "shared"
"""Several handles, of several processes, reach the same rows."""

STORE_IDS = "store ids"
"""Groups of the same name are kept apart by the store id."""


@dataclass(frozen=True)
class Driver:
    """How a test opens stores: `open` by store id; `url` for other processes, empty where there can be none."""

    open: Callable[[str], Store]
    url: str = ""


@dataclass(frozen=True)
class Offer:
    """A driver that the suite runs on: how it is made for a test in a folder, and what it can."""

    make: Callable[[Path], Driver]
    can: frozenset[str] = frozenset()


def _memory(_folder: Path) -> Driver:
    return Driver(open=lambda _store_id: MemoryStore())


def _sqlite(folder: Path) -> Driver:
    url = f"sqlite:///{folder / 'beats.sqlite'}"
    return Driver(open=lambda store_id: open_store(url, store_id=store_id), url=url)


OFFERS = {
    "memory": Offer(_memory),
    "sqlite": Offer(_sqlite, frozenset({SHARED, STORE_IDS})),
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(ability): the case applies only to drivers that can do this")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" not in metafunc.fixturenames:
        return
    needed = {ability for mark in metafunc.definition.iter_markers("needs") for ability in mark.args}
    names = [name for name, offer in OFFERS.items() if needed <= offer.can]
    metafunc.parametrize("driver", names, indirect=True)


@pytest.fixture
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return OFFERS[request.param].make(tmp_path)


@pytest.fixture
def store(driver: Driver) -> Iterator[Store]:
    opened = driver.open("one")
    yield opened
    opened.close()
