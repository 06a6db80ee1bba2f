"""Where memcached servers are: a URL comes in, addresses go out.

A name stands for all the addresses it resolves to: pymemcache itself would take the first that it finds.
"""

import errno
import re
import socket
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

PORT = 11211
FORM = (
    "memcached://host:port,host2:port2,[::1]:11211/ (the port is 11211 where none is given), or by TLS the same with "
    "memcacheds:// and behind it, where needed, ?ssl_ca=/file&ssl_cert=/file&ssl_key=/file&ssl_server_name=name"
)
OPTIONS = {"ssl_ca": "ca", "ssl_cert": "cert", "ssl_key": "key", "ssl_server_name": "server_name"}
"""Of memcacheds://, with the fields of Tls; named as MariaDB's are."""

HOST = re.compile(
    r"\[(?P<six>[0-9a-fA-F:.]+)\](?::(?P<port6>\d{1,5}))?|(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
)
SERVER_NAME = re.compile(r"[0-9a-fA-F:.]{2,45}|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){0,31}\.?")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One server: a number and a port once it is resolved, a name before. `name` is the host as it was given."""

    host: str
    port: int
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS as it was asked for: files in PEM form, and the name to verify where it is not the server's own.

    Without `ca` the system's authorities are trusted; without `cert` we show no certificate; `cert` may hold the key.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """The servers of a store, without repetition; `tls` is None where they are spoken to in the clear."""

    servers: tuple[Address, ...]
    tls: Tls | None = None


def parse(url: str) -> Location:
    """Raises ValueError with what is allowed, without the URL."""
    scheme, _, rest = url.partition("://")
    place, asked, options = rest.partition("?")
    hosts, _, path = place.partition("/")
    if path or not hosts:
        raise ValueError(f"not the address of memcached servers; allowed: {FORM}")
    if asked and scheme == "memcached":
        raise ValueError(f"memcached:// takes no options: for TLS write memcacheds://; allowed: {FORM}")
    servers = tuple(dict.fromkeys(_address(one) for one in hosts.split(",")))
    return Location(servers, None if scheme == "memcached" else _tls(options))


def _tls(text: str) -> Tls:
    given = parse_qsl(text, keep_blank_values=True)
    for name, value in given:
        if name not in OPTIONS:
            raise ValueError(f"option {name[:60]!r} is not allowed; allowed: {', '.join(OPTIONS)}; {FORM}")
        if not value or not value.isprintable():
            raise ValueError(f"option {name} is empty or no text: give it a value or leave it out; allowed: {FORM}")
    tls = Tls(**{OPTIONS[name]: value for name, value in given})
    if len(dict(given)) != len(given):
        raise ValueError(f"an option is given twice: take one of them away; allowed: {FORM}")
    if tls.key and not tls.cert:
        raise ValueError(f"ssl_key is given without ssl_cert: give both; allowed: {FORM}")
    if tls.server_name and not SERVER_NAME.fullmatch(tls.server_name):
        raise ValueError(f"ssl_server_name is no host's name and no address; allowed: {FORM}")
    return tls


def _address(text: str) -> Address:
    found = HOST.fullmatch(text)
    port = PORT if found is None else int(found["port"] or found["port6"] or PORT)
    if found is None or not 1 <= port <= 65535:  # noqa: PLR2004 - the ports there are
        raise ValueError(f"one of its servers is not host, host:port or [address]:port; allowed: {FORM}")
    host = (found["host"] or found["six"]).lower()
    return Address(host, port, host)


def resolve(address: Address, *, timeout: float) -> tuple[Address, ...]:
    """All addresses behind a name, sorted. Raises OSError; the resolver knows no deadline, so it has a thread."""
    found: list[Address] = []
    failed: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            found.extend(Address(str(to[0]), address.port, address.name) for *_, to in answers)
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError("it is no name"))

    thread = threading.Thread(target=ask, name="servicegroup-resolve", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise OSError(errno.EAGAIN, "this machine can start no thread for the resolver") from None
    thread.join(timeout)
    if found:
        return tuple(sorted(set(found)))
    raise failed[0] if failed else TimeoutError("the resolver did not answer")
