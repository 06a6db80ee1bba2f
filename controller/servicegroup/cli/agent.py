"""`servicegroup agent`: join a group and beat until told to leave.

In a pod a bad setting must not end the process: a native sidecar that does not start keeps the pod from starting. There
it is logged, and tried again, since a mounted file may come yet.
"""

import argparse
import logging
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from servicegroup import config
from servicegroup.agent.doorbell import Doorbell
from servicegroup.agent.loop import BeatLoop
from servicegroup.cli.parser import USAGE, add_store, settings_of
from servicegroup.store import ClientStore, InvalidStore, MemoryStore, StoreUnavailable, open_client

if TYPE_CHECKING:
    from servicegroup.agent.checking import Checking

LOGGER = logging.getLogger("servicegroup.agent")
IDLE_SECONDS = 30.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "agent",
        help="join a group and beat until SIGTERM, which leaves; SIGUSR1, or `servicegroup draining`, says that this "
        "node is draining",
        epilog="Each flag is also a variable: --store-url is SERVICEGROUP_STORE_URL.",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def add_settings(parser: argparse.ArgumentParser) -> None:
    add_identity(parser)
    parser.add_argument(
        "--report-interval",
        metavar="SECONDS",
        help="until the operator publishes the group's own; default: 10",
    )
    _add_check(parser)
    add_store(parser)


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Which member of which group."""
    parser.add_argument("--group", metavar="[NAMESPACE/]NAME", help="the group to join")
    parser.add_argument("--namespace", metavar="NAME", help="of a group that is given without one; default: default")
    parser.add_argument("--member", metavar="NAME", help="the node's name; default: this host's")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    with Doorbell() as bell:
        waiting = _Waiting(bell)
        while not waiting.ended:
            try:
                loop, checking = _loop(arguments, environ, bell)
            except (config.InvalidSetting, InvalidStore, StoreUnavailable) as error:
                if "KUBERNETES_SERVICE_HOST" not in environ:
                    raise
                LOGGER.error("not beating: %s; looked at again in %.0f s", error, IDLE_SECONDS)  # noqa: TRY400
                bell.wait(IDLE_SECONDS)
            else:
                waiting.serve(loop)
                if checking is not None:
                    checking.start()
                loop.run()
                loop.store.close()
        waiting.over()
    return 0


class _Waiting:
    """The signals of this process: before there is a loop they end the waiting, then they are the loop's."""

    def __init__(self, bell: Doorbell) -> None:
        self.ended = False
        self._draining = False
        self._bell = bell
        self._loop: BeatLoop | None = None
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, lambda *_: self._end())
        signal.signal(signal.SIGUSR1, lambda *_: self._drain())

    def serve(self, loop: BeatLoop) -> None:
        self._loop = loop
        if self._draining:
            loop.drain()
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
        self._draining = True
        if self._loop is not None:
            self._loop.drain()


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        metavar="CHECK",
        help="of the main container: file:/path?max-age=SECONDS, http://host:port/path, https://..., tcp://host:port, "
        "unix:/path, exec:COMMAND; default: none",
    )
    parser.add_argument("--check-period", metavar="SECONDS", help="between two looks; default: 10")
    parser.add_argument("--check-timeout", metavar="SECONDS", help="for a look; default: 5")
    parser.add_argument("--check-failures", metavar="NUMBER", help="in a row, until it is unhealthy; default: 3")
    parser.add_argument(
        "--check-start", metavar="SECONDS", help="for which one that was never well may be starting; default: 60"
    )


def _loop(
    arguments: argparse.Namespace, environ: Mapping[str, str], bell: Doorbell
) -> "tuple[BeatLoop, Checking | None]":
    settings = settings_of(arguments, environ)
    key, member = config.group(settings), config.member(settings)
    interval = config.report_interval(settings)
    checking = _checking(settings, on_change=bell.ring)
    connect = partial(_connect, store_id=config.store_id(settings), ca_pem=config.ca_pem(settings))
    store = config.opened(config.store_address(settings), connect=connect)
    loop = BeatLoop(store, key, member, interval, bell=bell)
    if checking is not None:
        loop.service = checking.state
    return loop, checking


def _checking(settings: config.Settings, *, on_change: Callable[[], None]) -> "Checking | None":
    if settings.find("check") is None:
        return None
    # 3 MiB that only who checks something pays for.
    from servicegroup.agent.checking import Checking
    from servicegroup.agent.checks import check_of

    return Checking(check_of(settings), on_change=on_change)


def _connect(url: str, *, store_id: str, ca_pem: str | None) -> ClientStore:
    """Raises InvalidStore, StoreUnavailable."""
    store = open_client(url, store_id=store_id, ca_pem=ca_pem)
    if isinstance(store, MemoryStore):
        raise InvalidStore(
            "memory: (in nova.conf the driver mc without memcached_servers) is a store inside one process, and no "
            "operator would ever see this agent's beats in it; name a database or memcached servers, or use "
            "ServiceGroup(...).join in the operator's process"
        )
    return store


__all__ = ["USAGE", "add", "add_identity", "add_settings", "run"]
