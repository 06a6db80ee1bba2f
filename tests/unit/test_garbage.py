"""The garbage collector is as it was when the last of all blocks has ended, whoever was in one."""

import gc
import threading
from collections.abc import Iterator

import pytest
from servicegroup.store.garbage import uncollected


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.enable()


def test_it_stands_still_inside_and_runs_afterwards() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_inside_lets_it_run_again() -> None:
    with pytest.raises(ValueError, match="inside"), uncollected():
        raise ValueError("inside")
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()


def test_the_first_to_leave_leaves_it_off_for_the_other() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with uncollected():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with uncollected():
        thread.start()
        entered.wait()
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()
