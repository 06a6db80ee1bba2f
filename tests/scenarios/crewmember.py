"""What a crew does: several members of a group in one process, each by the package's own `join`, on a connection of its
own (or on a few, where they are many). SIGTERM leaves; everything else is done to it from outside, by signals.

It is forked from a process that has loaded all of this: a dozen crews a scenario would else take a core for seconds.
One whose clock is wrong is a program of its own, since a clock is set at a program's start.
"""

import json
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from servicegroup import ServiceGroup
from servicegroup.model import GroupKey

from tests.fleet import fleet
from tests.localcluster.processes import die_with_parent

FEW = 10
"""Members with a thread and a connection each; more of them share a few (`fleet`)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a crew plays. `interval` is in seconds."""

    url: str
    group: str
    interval: float
    members: Sequence[str]

    def text(self) -> str:
        return json.dumps(asdict(self))


def forked(part: Part, log: Path) -> None:
    """The whole life of a child of the process that forks crews."""
    die_with_parent()
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in (1, 2):
        os.dup2(output, number)
    perform(part)


def perform(part: Part) -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as stack:
        if len(part.members) > FEW:
            agents = stack.enter_context(fleet(part.url))
            agents.join(GroupKey.parse(part.group), part.members, interval=part.interval)
            ended.wait()
            agents.leave()
            return
        for name in part.members:
            group = stack.enter_context(ServiceGroup(part.url, part.group))
            stack.enter_context(group.join(name, report_interval=part.interval))
            # As agents start: spread over an interval.
            ended.wait(part.interval / len(part.members) * random.random())  # noqa: S311 - no secret
        ended.wait()


if __name__ == "__main__":
    perform(Part(**json.loads(sys.argv[1])))
