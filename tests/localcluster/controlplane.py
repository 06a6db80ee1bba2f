"""A real etcd and kube-apiserver for as long as a test needs them: programs come in, a kubeconfig goes out.

Separate because it holds the resource: two processes and a folder, which go together however the work ends.
Start it from a thread that lives as long as it shall (see `processes`).
"""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

from . import processes
from .commandlines import AUDIT_POLICY, User, apiserver_argv, etcd_argv, kubeconfig, token_file
from .errors import LocalClusterError
from .layout import HOST, Layout, claim, free_ports, new_layout, remove, write_private
from .processes import Child
from .readiness import PortTakenError, apiserver_ready, etcd_ready, require_running, wait_until

__all__ = ["ADMIN", "ControlPlane", "stop_kept"]

ADMIN: Final = "admin"

T = TypeVar("T")

NOBODY: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})

TRIES_FOR_A_PORT: Final = 5
"""Between asking the kernel for a port and using it, somebody else may get it; five times in a row is no accident."""

ETCD: Final = "etcd"
APISERVER: Final = "kube-apiserver"
RECORD: Final = "processes.json"


class ControlPlane:
    """Made by `start`. Leaving the `with` block stops it, unless it was started with keep=True."""

    def __init__(
        self, *, binaries: Mapping[str, Path], layout: Layout, users: Sequence[User], audit_log: Path | None, keep: bool
    ) -> None:
        self._binaries = binaries
        self._layout = layout
        self._users = {user.name: user for user in users}
        self._audit_log = audit_log
        self._keep = keep
        self._children: dict[str, Child] = {}
        self._stopped = False

    @classmethod
    def start(
        cls,
        binaries: Mapping[str, Path],
        *,
        folder: Path,
        keep: bool = False,
        users: Mapping[str, Sequence[str]] = NOBODY,
        audit_log: Path | None = None,
        ports: Callable[[], Sequence[int]] = lambda: free_ports(2),
        address: str = HOST,
    ) -> ControlPlane:
        """Start in `folder`, which is new or empty and is removed at the end; return when requests are answered.

        `users` (name to groups) get a token each, beside `admin` who is in system:masters. `audit_log` gets one JSON
        line per request. With an `address` other than the loopback one it serves nodes and pods, and waits for a
        controller manager to make service accounts. With `keep` both processes outlive this one, until `stop` or
        `stop_kept`.
        Raises LocalClusterError, with the ends of the logs, when it does not come up.
        """
        if ADMIN in users:
            raise LocalClusterError(f"The user {ADMIN!r} is always there, in system:masters; give yours another name.")
        known = [User(name=name, groups=groups) for name, groups in {ADMIN: ["system:masters"], **users}.items()]

        def attempt() -> ControlPlane:
            claim(folder)
            layout = new_layout(folder, ports=ports(), address=address)
            plane = cls(binaries=binaries, layout=layout, users=known, audit_log=audit_log, keep=keep)
            return plane._started()

        return _despite_taken_ports(attempt)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._keep:
            self.stop()
        for child in self._children.values():
            processes.release(child)

    @property
    def url(self) -> str:
        return self._layout.url

    @property
    def folder(self) -> Path:
        """Holds the logs, etcd.log and kube-apiserver.log, until `stop`."""
        return self._layout.folder

    @property
    def layout(self) -> Layout:
        """Where its files are, for those who belong to the control plane."""
        return self._layout

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """A file that only its owner may read; raises LocalClusterError for a user who was not named at the start."""
        if user not in self._users:
            raise LocalClusterError(
                f"There is no user {user!r} here; start with users=..., now: {', '.join(self._users)}."
            )
        file = self.folder / f"{quote(user, safe='')}.kubeconfig"
        authority = base64.b64encode(self._layout.authority.read_bytes()).decode()
        write_private(file, text=kubeconfig(self._users[user], url=self.url, authority=authority))
        return file

    def require_running(self) -> None:
        """Raise LocalClusterError, with the end of the log, when one of the two processes is gone."""
        require_running(self._children)

    def pause_apiserver(self) -> None:
        """Connections stay open and nothing is answered, as on a machine that hangs."""
        self._children[APISERVER].popen.send_signal(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        self._children[APISERVER].popen.send_signal(signal.SIGCONT)

    def kill_apiserver(self) -> None:
        """Connections are refused until `start_apiserver`; what was written stays in etcd."""
        processes.kill(self._children[APISERVER])

    def start_apiserver(self) -> None:
        """Start it, on the port it had before if any, and return when requests are answered."""
        # On a restart, too, the port may be taken: a client that tries to connect to it may be given that very port.
        _despite_taken_ports(self._start_apiserver)

    def restart_apiserver(self) -> None:
        self.kill_apiserver()
        self.start_apiserver()

    def stop(self) -> None:
        """Stop kube-apiserver, then etcd, and remove the folder; again is no error."""
        if self._stopped:
            return
        for child in reversed(self._children.values()):
            processes.stop(child)
        remove(self.folder)
        self._stopped = True

    def _started(self) -> Self:
        try:
            write_private(self._layout.tokens, text=token_file(list(self._users.values())))
            write_private(self._layout.audit_policy, text=AUDIT_POLICY)
            self._start_etcd()
            self._start_apiserver()
        except BaseException:
            self.stop()
            raise
        return self

    def _start_etcd(self) -> None:
        layout = self._layout
        self._run(ETCD, argv=etcd_argv(self._binaries[ETCD], layout=layout))
        # Before the API server starts: it must not write into another's etcd which got our port.
        self._wait(ETCD, ready=lambda: etcd_ready(port=layout.etcd_port, name=layout.name))

    def _start_apiserver(self) -> None:
        layout, token = self._layout, self._users[ADMIN].token
        self._run(APISERVER, argv=apiserver_argv(self._binaries[APISERVER], layout=layout, audit_log=self._audit_log))
        self._wait(
            APISERVER,
            ready=lambda: apiserver_ready(
                address=layout.address, port=layout.apiserver_port, authority=layout.authority, token=token
            ),
        )

    def _run(self, name: str, *, argv: Sequence[str]) -> None:
        # etcd takes each ETCD_... for a flag, and those of the caller are meant for another etcd.
        environ = {key: value for key, value in os.environ.items() if not key.startswith("ETCD_")}
        self._children[name] = processes.start(
            argv,
            log=self.folder / f"{name}.log",
            environ=environ,
            folder=self.folder,
            dies_with_parent=not self._keep,
        )
        processes.record(self._children, file=self.folder / RECORD)

    def _wait(self, name: str, *, ready: Callable[[], bool]) -> None:
        wait_until(ready, what=name, children=self._children)


def stop_kept(folder: Path) -> None:
    """Stop what a start with keep=True left running in that folder, maybe of another Python process, and remove it.

    Raises LocalClusterError when no control plane was started there.
    """
    try:
        identities = processes.read_records(folder / RECORD)
    except OSError as error:
        raise LocalClusterError(f"{folder} is not the folder of a control plane: it has no {RECORD}.") from error
    for identity in reversed(identities.values()):
        processes.stop_recorded(identity)
    remove(folder)


def _despite_taken_ports(attempt: Callable[[], T]) -> T:
    for _ in range(TRIES_FOR_A_PORT - 1):
        with suppress(PortTakenError):
            return attempt()
    return attempt()
