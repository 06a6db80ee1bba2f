"""Starts memcached servers for tests, unprivileged, on free ports, one process each; and says how to get memcached."""

import os
import shutil
import signal
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from pymemcache import Client
from pymemcache.exceptions import MemcacheError

from tests.contract.certificates import Certificates
from tests.contract.ports import free_port
from tests.localcluster import processes

PROGRAM = shutil.which("memcached", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin")
HOW_TO_GET_IT = "memcached is not installed: on Debian or Ubuntu `apt-get install --no-install-recommends memcached`"
STARTS_WITHIN = 15.0
UNPRIVILEGED = ("-u", "nobody") if os.geteuid() == 0 else ()


@dataclass
class Server:
    """One memcached that can be killed and started again on its port; with certificates it serves by TLS alone."""

    folder: Path
    options: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    child: processes.Child | None = None
    certificates: Certificates | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.popen.pid

    def start(self) -> None:
        """Returns when it answers. A port that somebody took in between is another port, at the first start."""
        assert PROGRAM is not None, HOW_TO_GET_IT
        argv = [PROGRAM, "-l", self.host, "-p", str(self.port), "-U", "0", "-t", "1", *UNPRIVILEGED, *self.options]
        if self.certificates is not None:
            argv += ["-Z", "-o", f"ssl_chain_cert={self.certificates.server},ssl_key={self.certificates.server}"]
        log = self.folder / f"memcached-{self.port}.log"
        self.child = processes.start(argv, log=log, environ={**os.environ, **self.environ}, folder=self.folder)
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            ended = processes.ended(self.child)
            assert not ended, f"memcached ended: {log.read_text(encoding='utf-8', errors='replace')}"
            assert time.monotonic() < deadline, "memcached does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return int(client.stats()[b"pid"]) == self.pid
        except (OSError, MemcacheError):
            return False

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A bare client, as anybody has who can reach the server."""
        tls = None if self.certificates is None else _anybodys(self.certificates)
        client = Client((self.host, self.port), connect_timeout=10, timeout=10, default_noreply=False, tls_context=tls)
        try:
            yield client
        finally:
            client.close()

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.popen.send_signal(number)
        if number == signal.SIGSTOP:  # one of its threads may be serving on the other core still
            stopped = Path(f"/proc/{self.child.popen.pid}/status")
            while "T (stopped)" not in stopped.read_text(encoding="ascii"):
                time.sleep(0.001)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self.child is not None
        processes.kill(self.child)

    def stop(self) -> None:
        """It has nothing to save, and would take a second over SIGTERM."""
        if self.child is not None:
            processes.kill(self.child)


def _anybodys(certificates: Certificates) -> ssl.SSLContext:
    """With the client's certificate, and without looking at the server's: a test may have it wrong."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificates.client)
    return context


@contextmanager
def serving(
    folder: Path,
    count: int = 1,
    *,
    options: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    certificates: Certificates | None = None,
) -> Iterator[list[Server]]:
    """So many servers, which end with the block however it ends."""
    servers = [Server(folder, options, host, certificates=certificates) for _ in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()


def url(servers: list[Server]) -> str:
    places = ",".join(server.address for server in servers)
    certificates = servers[0].certificates
    return f"memcached://{places}/" if certificates is None else tls_url(places, ssl_ca=certificates.ca)


def tls_url(places: str, **options: Path | str) -> str:
    return f"memcacheds://{places}/?{urlencode(options)}"
