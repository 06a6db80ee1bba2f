"""The program of a crew: several members of a group in one process, each by the package's own `join`, on a connection
of its own (or on a few, where they are many). SIGTERM leaves; everything else is done to it from outside, by signals.
"""

import argparse
import logging
import random
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from servicegroup import ServiceGroup
from servicegroup.model import GroupKey

from tests.fleet import fleet

FEW = 10
"""Members with a thread and a connection each; more of them share a few (`fleet`)."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.crewmember")
    parser.add_argument("url")
    parser.add_argument("store_id")
    parser.add_argument("group")
    parser.add_argument("interval", type=float)
    parser.add_argument("members", nargs="+")
    given = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as stack:
        if len(given.members) > FEW:
            agents = stack.enter_context(fleet(given.url, store_id=given.store_id))
            agents.join(GroupKey.parse(given.group), given.members, interval=given.interval)
            ended.wait()
            agents.leave()
            return
        for name in given.members:
            group = stack.enter_context(ServiceGroup(given.url, given.group, store_id=given.store_id))
            stack.enter_context(group.join(name, report_interval=given.interval))
            # As agents start: spread over an interval. A wrong clock makes no sense of time.sleep.
            ended.wait(given.interval / len(given.members) * random.random())  # noqa: S311 - no secret
        ended.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
