"""Where memcached servers are: a URL comes in, addresses go out.

A name stands for all the addresses it resolves to: pymemcache itself would take the first that it finds.
"""

import re
import socket
import threading
from dataclasses import dataclass

SCHEME = "memcached://"
PORT = 11211
FORM = "memcached://host:port,host2:port2,[::1]:11211/ (the port is 11211 where none is given)"
HOST = re.compile(
    r"\[(?P<six>[0-9a-fA-F:.]+)\](?::(?P<port6>\d{1,5}))?|(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One server: a number and a port once it is resolved, a name before."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> tuple[Address, ...]:
    """The servers that a URL names, without repetition. Raises ValueError with what is allowed, without the URL."""
    if url.startswith("memcacheds://"):
        raise ValueError(f"memcacheds:// (TLS) is not served yet: put a TLS proxy beside the client; allowed: {FORM}")
    hosts, _, rest = url.removeprefix(SCHEME).partition("/")
    if rest or not hosts:
        raise ValueError(f"not the address of memcached servers; allowed: {FORM}")
    return tuple(dict.fromkeys(_address(one) for one in hosts.split(",")))


def _address(text: str) -> Address:
    found = HOST.fullmatch(text)
    port = PORT if found is None else int(found["port"] or found["port6"] or PORT)
    if found is None or not 1 <= port <= 65535:  # noqa: PLR2004 - the ports there are
        raise ValueError(f"one of its servers is not host, host:port or [address]:port; allowed: {FORM}")
    return Address((found["host"] or found["six"]).lower(), port)


def resolve(address: Address, *, timeout: float) -> tuple[Address, ...]:
    """All addresses behind a name, sorted. Raises OSError; the resolver knows no deadline, so it has a thread."""
    found: list[Address] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            found.extend(Address(str(to[0]), address.port) for *_, to in answers)
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError("it is no name"))

    thread = threading.Thread(target=ask, name="servicegroup-resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if found:
        return tuple(sorted(set(found)))
    raise failed[0] if failed else TimeoutError("the resolver did not answer")
