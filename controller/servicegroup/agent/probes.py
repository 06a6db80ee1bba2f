"""Ways to look at the main container, once each: nothing comes back when it is well, `Unwell` says why it is not.

A look may hang, on a file system or a name server: who asks for one gives it a thread, and counts a hang as a failure.
"""

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Protocol

from servicegroup.clock import monotonic

LONGEST_REASON = 200
"""Characters; some of it comes from the service."""

WELL = range(200, 400)
"""HTTP's statuses that a kubelet's probe takes for well, too."""


class Unwell(Exception):
    """The sentence why."""


class Probe(Protocol):
    @property
    def shown(self) -> str:
        """What is looked at, without what may be secret."""

    def look(self, *, timeout: float) -> None:
        """Raises Unwell."""


@dataclass(slots=True)
class FileAge:
    """A file that the service, or its own probe, touches. A change of its stamp is what counts: its age runs by the
    clock of this machine that nobody sets, from when the change was seen.
    """

    path: Path
    longest: float
    clock: Callable[[], float] = monotonic
    wall: Callable[[], float] = time.time
    _stamp: int | None = None
    _touched: float = 0.0
    _looked: float = field(default=float("-inf"))

    @property
    def shown(self) -> str:
        return f"file {self.path}"

    def look(self, *, timeout: float) -> None:  # noqa: ARG002 - a hang of it is noticed by who asks
        try:
            stamp = self.path.stat().st_mtime_ns
        except OSError as error:
            raise Unwell(f"it cannot be read: {error.strerror}") from None
        now = self.clock()
        if stamp != self._stamp:
            age = max(0.0, self.wall() - stamp / 1e9)
            self._stamp, self._touched = stamp, now - min(age, now - self._looked)
        self._looked = now
        if now - self._touched > self.longest:
            raise Unwell(f"it was touched {now - self._touched:.0f} s ago, allowed are {self.longest:g} s")


@dataclass(frozen=True, slots=True)
class HttpGet:
    """A GET. As with a kubelet's probe the certificate is not verified: it is the pod's own."""

    secure: bool
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def shown(self) -> str:
        return f"{'https' if self.secure else 'http'}://{_place(self.host, self.port)}{self.path}"

    def look(self, *, timeout: float) -> None:
        connection = self._connection(timeout)
        try:
            connection.request("GET", self.path + (f"?{self.query}" if self.query else ""), headers={"Accept": "*/*"})
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise Unwell(_cause(error)) from None
        finally:
            connection.close()
        if status not in WELL:
            raise Unwell(f"it answered {status}")

    def _connection(self, timeout: float) -> HTTPConnection:
        if not self.secure:
            return HTTPConnection(self.host, self.port, timeout=timeout)
        import ssl  # 3 MB that only who needs it pays for

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return HTTPSConnection(self.host, self.port, timeout=timeout, context=context)


@dataclass(frozen=True, slots=True)
class TcpConnect:
    host: str
    port: int

    @property
    def shown(self) -> str:
        return f"tcp://{_place(self.host, self.port)}"

    def look(self, *, timeout: float) -> None:
        try:
            socket.create_connection((self.host, self.port), timeout=timeout).close()
        except OSError as error:
            raise Unwell(_cause(error)) from None


@dataclass(frozen=True, slots=True)
class UnixConnect:
    path: Path

    @property
    def shown(self) -> str:
        return f"unix:{self.path}"

    def look(self, *, timeout: float) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            try:
                sock.connect(str(self.path))
            except OSError as error:
                raise Unwell(_cause(error)) from None


@dataclass(frozen=True, slots=True)
class Command:
    """A program, in the agent's container; one that takes too long is killed with all that it started."""

    words: tuple[str, ...]

    @property
    def shown(self) -> str:
        return f"exec:{shlex.quote(self.words[0])}"

    def look(self, *, timeout: float) -> None:
        quiet = subprocess.DEVNULL
        try:
            # What the pod's owner wrote; it runs with the rights of the agent's container.
            program = subprocess.Popen(  # noqa: S603
                self.words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
        except OSError as error:
            raise Unwell(f"it does not start: {error.strerror}") from None
        try:
            code = program.wait(timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise Unwell(f"it did not end within {timeout:g} s") from None
        if code != 0:
            raise Unwell(f"it ended with {code}")


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return " ".join(text.split())[:LONGEST_REASON]
