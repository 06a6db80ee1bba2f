"""Gateways as processes, and a client that says exactly what a test wants said."""

import http.client
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.apiserver.operators import AWAITED, until
from tests.localcluster import processes
from tests.localcluster.processes import Child

ROLE = Path(__file__).parents[2] / "deploy" / "gateway-role.yaml"
LISTENS = re.compile(r"the gateway listens on (https?://\S+)")


def shipped_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load(ROLE.read_text(encoding="utf-8"))["rules"]
    return rules


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class Gateway:
    """One process; `url` is where it listens, once it does."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    name: str = "gateway"
    trust: ssl.SSLContext | None = None
    _child: Child | None = field(default=None, repr=False)
    _url: str | None = None
    _before: int = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "servicegroup", *self.arguments]
        self._url, self._before = None, len(LISTENS.findall(self.log))
        # The client's copies of its certificates outlive one that is killed.
        environ = {"PATH": os.environ["PATH"], "TMPDIR": str(self.folder), **self.environ}
        self._child = processes.start(command, log=self.path, environ=environ, folder=self.folder)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    @property
    def url(self) -> str:
        if self._url is None:
            self._url = until(self._listening, why=f"the gateway listens: {self.log}")
        assert self._url is not None
        return self._url

    def _listening(self) -> str | None:
        assert self._child is not None
        assert not processes.ended(self._child), self.log
        found = LISTENS.findall(self.log)
        return found[-1] if len(found) > self._before else None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.popen.pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        assert self._child is not None
        self._child.popen.send_signal(number)
        return self._child.popen.wait(timeout=AWAITED)

    def close(self) -> None:
        if self._child is not None and not processes.ended(self._child):
            processes.kill(self._child)

    def connect(self, *, timeout: float = AWAITED) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            assert self.trust is not None
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=self.trust)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`body` is sent as it is when it is bytes, as JSON otherwise."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        own = {} if token is None else {"Authorization": f"Bearer {token}"}
        with closing(self.connect()) as connection:
            connection.request(method, path, body=sent, headers={**own, **(headers or {})})
            return answer_of(connection.getresponse())


def answer_of(response: http.client.HTTPResponse) -> Answer:
    """What the server's parser refuses is text, all else JSON."""
    content = response.read()
    is_json = response.getheader("Content-Type", "").startswith("application/json")
    body = json.loads(content) if is_json and content else content.decode()
    return Answer(response.status, body, dict(response.getheaders()))


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.close()


def beat(group: str, member: str, *, sequence: int = 1, **other: object) -> dict[str, object]:
    return {
        "group": group,
        "member": member,
        "incarnation": "one",
        "sequence": sequence,
        "interval": 10.0,
        "state": "beating",
        **other,
    }
