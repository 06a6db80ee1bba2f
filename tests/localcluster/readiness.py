"""Waits until servers answer: a question and the processes that shall answer it come in, nothing or an error goes out.

Separate because it is the only place that talks to the servers, and the only one that polls.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

from .errors import LocalClusterError
from .layout import HOST
from .processes import Child, ended

__all__ = ["PortTakenError", "apiserver_ready", "etcd_ready", "require_running", "wait_until"]

DEADLINE: Final = 60.0
"""Seconds; a kube-apiserver needs 4 to 5 on two idle cores."""

SECONDS_BETWEEN_LOOKS: Final = 0.1

SECONDS_FOR_AN_ANSWER: Final = 5.0

TAIL: Final = 15
"""Lines of each log in an error."""


class PortTakenError(LocalClusterError):
    """A server ended since somebody else listens on its port: worth another try, with another port."""


def wait_until(
    ready: Callable[[], bool], *, what: str, children: Mapping[str, Child], within: float = DEADLINE
) -> None:
    """Return once `ready`; raise LocalClusterError with the ends of the logs when a child ends or time is up."""
    limit = time.monotonic() + within
    while not ready():
        require_running(children)
        if time.monotonic() > limit:
            raise LocalClusterError(f"{what} was not ready within {within:.0f} s.{_tails(children)}")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    require_running(children)


def require_running(children: Mapping[str, Child]) -> None:
    """Raise LocalClusterError, with the end of its log, when a child is gone."""
    for name, child in children.items():
        if ended(child):
            text = f"{name} ended with code {child.popen.returncode}.{_tails({name: child})}"
            raise PortTakenError(text) if "address already in use" in text else LocalClusterError(text)


def etcd_ready(*, port: int, name: str) -> bool:
    """Whether an etcd serves there and is the one of that unique name: another's may have got our port."""
    answer = _answer(
        HTTPConnection(HOST, port, timeout=SECONDS_FOR_AN_ANSWER), path="/v3/cluster/member/list", body="{}"
    )
    return answer is not None and name.encode() in answer


def apiserver_ready(*, address: str, port: int, authority: Path, token: str) -> bool:
    """Whether /readyz says so and the namespace `default`, which is created a moment later, is there."""
    try:
        trust = ssl.create_default_context(cafile=authority)
    except OSError:  # not written yet, or half of it
        return False
    connection = HTTPSConnection(address, port, timeout=SECONDS_FOR_AN_ANSWER, context=trust)
    paths = ("/readyz", "/api/v1/namespaces/default")
    return all(_answer(connection, path=path, token=token) is not None for path in paths)


def _answer(connection: HTTPConnection, *, path: str, token: str = "", body: str | None = None) -> bytes | None:
    """The body of a good answer; None while it does not listen, is not ready, or is not the server we started."""
    try:
        with closing(connection):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
            response = connection.getresponse()
            return response.read() if response.status == HTTPStatus.OK else None
    except (OSError, HTTPException):
        return None


def _tails(children: Mapping[str, Child]) -> str:
    return "".join(f"\nThe end of the log of {name}:\n{_tail(child.log)}" for name, child in children.items())


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:])
