"""The agents' cases of the stores' one contract, by the remote driver and a gateway to SQLite.

Those of readers and of the operator are the store's own; what a reader is told by the gateway is in test_queries. Three
of the agents' are left out: a gateway takes four calls of one member at a time, and incarnations of ASCII alone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client
from servicegroup.model import Beat, GroupKey, Receipt
from servicegroup.store import Store, open_client, open_store
from servicegroup.store.base import ClientStore

from tests.contract import test_store_contract as contract
from tests.contract.conftest import Driver
from tests.gateway.gateways import Gateway
from tests.gateway.tokens import Tokens

CASES = (
    "who_joins_owns_its_row",
    "a_row_keeps_what_was_written_exactly",
    "a_row_ages_and_a_beat_makes_it_young",
    "a_beat_carries_its_promise_and_its_state",
    "a_late_beat_changes_nothing_and_is_no_quarrel",
    "a_beat_without_a_row_is_told_so_and_makes_none",
    "the_last_to_join_owns_the_row_and_learns_whom_it_displaced",
    "the_displaced_learns_who_owns_the_row_and_writes_nothing",
    "who_joins_again_displaces_nobody_and_goes_on_counting",
    "the_displaced_may_join_again",
    "who_leaves_closes_its_row",
    "a_beat_after_leaving_is_refused",
    "the_wrong_incarnation_cannot_leave_for_the_owner",
    "a_leave_without_a_row_makes_none",
    "who_has_left_owns_nothing_that_it_could_leave_again",
    "a_row_that_was_left_is_free_to_join",
    "names_are_compared_byte_for_byte",
    "agents_learn_the_published_interval_with_each_answer",
    "publication_does_not_disturb_beats",
    "threads_beat_at_the_same_time",
)
globals().update({f"test_{case}": getattr(contract, f"test_{case}") for case in CASES})


@dataclass(frozen=True)
class Through:
    """Agents' calls by the gateway, all others on the store behind it."""

    remote: ClientStore
    behind: Store

    @property
    def driver(self) -> str:
        return self.behind.driver

    def join(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self.remote.join(key, beat, timeout=timeout)

    def beat(self, key: GroupKey, beat: Beat, *, timeout: float) -> Receipt:
        return self.remote.beat(key, beat, timeout=timeout)

    def leave(self, key: GroupKey, beat: Beat, *, timeout: float) -> bool:
        return self.remote.leave(key, beat, timeout=timeout)

    def close(self) -> None:
        self.remote.close()
        self.behind.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


@pytest.fixture(scope="session")
def nova(admin: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The groups that the contract's cases name, and the token of who may beat for all of their members."""
    body: Any = {"metadata": {"name": "nova"}}
    client.CoreV1Api(admin).create_namespace(body)
    tokens = Tokens(admin, "nova", tmp_path_factory.mktemp("nova"))
    for key in (contract.KEY, contract.OTHER):
        tokens.group(key.name)
    return str(tokens.file(tokens.of_subject("outside", "beat")))


@pytest.fixture
def driver(gateway: Gateway, nova: str, url: str) -> Driver:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as rows:
        for table in ("member", "group", "verdict"):
            if rows.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"servicegroup_{table}",)).fetchone():
                rows.execute(f"DELETE FROM servicegroup_{table}")  # noqa: S608 - names of ours
        rows.commit()

    def open_through(_store_id: str) -> Store:
        remote = open_client(f"{gateway.url}/?token_file={nova}", store_id="default")
        through: Any = Through(remote, open_store(url, store_id="default"))
        found: Store = through
        return found

    return Driver(open=open_through)


@pytest.fixture
def store(driver: Driver) -> Iterator[Store]:
    opened = driver.open("one")
    yield opened
    opened.close()
