"""What wakes an agent, also in a process that has more files open than `select` can count."""

import fcntl
import os
import resource
import threading
from collections.abc import Iterator

import pytest
from servicegroup.agent.doorbell import Doorbell

MANY = 1100


@pytest.fixture
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft < 2 * MANY else soft, hard))
    opened = [os.open(os.devnull, os.O_RDONLY)]
    opened += [fcntl.fcntl(opened[0], fcntl.F_DUPFD_CLOEXEC, 0) for _ in range(MANY)]
    yield
    for number in opened:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_bell_that_rings_ends_the_wait() -> None:
    with Doorbell() as bell:
        threading.Timer(0.05, bell.ring).start()

        assert bell.wait(30.0)
        assert not bell.wait(0.01)


@pytest.mark.usefixtures("many_open_files")
def test_a_bell_rings_in_a_process_with_many_open_files() -> None:
    with Doorbell() as bell:
        bell.ring()

        assert bell.wait(30.0)
