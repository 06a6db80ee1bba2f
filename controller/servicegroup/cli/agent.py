"""`servicegroup agent`: join a group and beat until told to leave.

In a pod a bad setting must not end the process: a native sidecar that does not start keeps the pod from starting. There
it is logged, and tried again, since a mounted file may come yet.
"""

import argparse
import logging
import signal
from collections.abc import Mapping

from servicegroup import config
from servicegroup.agent.doorbell import Doorbell
from servicegroup.agent.loop import BeatLoop
from servicegroup.cli.parser import USAGE, add_store, settings_of
from servicegroup.store import ClientStore, InvalidStore, MemoryStore, StoreUnavailable, open_client

LOGGER = logging.getLogger("servicegroup.agent")
IDLE_SECONDS = 30.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "agent",
        help="join a group and beat until SIGTERM, which leaves; SIGUSR1 says that this node is draining",
        epilog="Each flag is also a variable: --store-url is SERVICEGROUP_STORE_URL.",
    )
    parser.add_argument("--group", metavar="[NAMESPACE/]NAME", help="the group to join")
    parser.add_argument("--member", metavar="NAME", help="the node's name; default: this host's")
    parser.add_argument(
        "--report-interval",
        metavar="SECONDS",
        help="until the operator publishes the group's own; default: 10",
    )
    add_store(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    with Doorbell() as bell:
        waiting = _Waiting(bell)
        while not waiting.ended:
            try:
                loop = _loop(arguments, environ, bell)
            except (config.InvalidSetting, InvalidStore, StoreUnavailable) as error:
                if "KUBERNETES_SERVICE_HOST" not in environ:
                    raise
                LOGGER.error("not beating: %s; looked at again in %.0f s", error, IDLE_SECONDS)  # noqa: TRY400
                bell.wait(IDLE_SECONDS)
            else:
                waiting.serve(loop)
                loop.run()
                loop.store.close()
        waiting.over()
    return 0


class _Waiting:
    """The signals of this process: before there is a loop they end the waiting, then they are the loop's."""

    def __init__(self, bell: Doorbell) -> None:
        self.ended = False
        self._bell = bell
        self._loop: BeatLoop | None = None
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, lambda *_: self._end())
        signal.signal(signal.SIGUSR1, lambda *_: self._drain())

    def serve(self, loop: BeatLoop) -> None:
        self._loop = loop
        if self.ended:
            loop.leave()

    def over(self) -> None:
        """The rest is Python's own exit: a second signal in it must not make a good end look like a bad one."""
        for kind in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(kind, signal.SIG_IGN)

    def _end(self) -> None:
        self.ended = True
        self._bell.ring()
        if self._loop is not None:
            self._loop.leave()

    def _drain(self) -> None:
        if self._loop is not None:
            self._loop.drain()


def _loop(arguments: argparse.Namespace, environ: Mapping[str, str], bell: Doorbell) -> BeatLoop:
    settings = settings_of(arguments, environ)
    key, member = config.group(settings), config.member(settings)
    interval = config.report_interval(settings)
    store_id = config.store_id(settings)
    store = config.opened(config.store_address(settings), connect=lambda url: _connect(url, store_id=store_id))
    return BeatLoop(store, key, member, interval, bell=bell)


def _connect(url: str, *, store_id: str) -> ClientStore:
    """Raises InvalidStore, StoreUnavailable."""
    store = open_client(url, store_id=store_id)
    if isinstance(store, MemoryStore):
        raise InvalidStore(
            "memory: (in nova.conf the driver mc without memcached_servers) is a store inside one process, and no "
            "operator would ever see this agent's beats in it; name a database or memcached servers, or use "
            "ServiceGroup(...).join in the operator's process"
        )
    return store


__all__ = ["USAGE", "add", "run"]
