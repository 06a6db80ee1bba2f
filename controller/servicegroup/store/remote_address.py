"""Where gateways are: a URL comes in, hosts and files go out.

    https://host:port,host2:port2/?ca=/path/ca.crt&token_file=/path/token&server_name=gateway.example

`ca` pins the authority of the gateways' certificate; `server_name` is the name in it, where hosts are given as numbers
(a pod on its node's network may not reach the cluster's DNS).
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qsl

from servicegroup.store.base import InvalidStore
from servicegroup.store.mc_address import HOST, Address

PORT = 8443
TOKEN_FILE = "/var/run/secrets/servicegroup.dev/token"  # noqa: S105 - where it is, and not what
FORM = "https://host:port,host2:port2/?ca=/path/ca.crt&token_file=/path/token&server_name=name"
OPTIONS = ("ca", "token_file", "server_name")


@dataclass(frozen=True, slots=True)
class Gateways:
    """`ca` None: the authorities that this machine trusts; `server_name` None: each host's own name."""

    hosts: tuple[Address, ...]
    secure: bool
    token_file: str = TOKEN_FILE
    ca: str | None = None
    server_name: str | None = None

    @property
    def shown(self) -> str:
        return f"{'https' if self.secure else 'http'}://{','.join(map(str, self.hosts))}"


def parse(url: str) -> Gateways:
    """Raises InvalidStore, without the URL: somebody may have written a password into it."""
    scheme, _, rest = url.partition("://")
    hosts, _, options = rest.partition("?")
    try:
        pairs = parse_qsl(options, keep_blank_values=True, strict_parsing=True) if options else []
    except ValueError:
        raise InvalidStore(f"gateway URL: its options are not of the form a=b&c=d; write {FORM}") from None
    given = dict(pairs)
    if len(given) < len(pairs) or not all(given.values()) or set(given) - set(OPTIONS):
        raise InvalidStore(f"gateway URL: allowed options are {', '.join(OPTIONS)}, each once; write {FORM}")
    addresses = tuple(dict.fromkeys(_host(one) for one in hosts.removesuffix("/").split(",")))
    secure = scheme == "https"
    if not secure and not all(_loopback(one.host) for one in addresses):
        raise InvalidStore(f"gateway URL: without TLS the token would be read on its way; write {FORM}")
    return Gateways(addresses, secure, given.get("token_file", TOKEN_FILE), given.get("ca"), given.get("server_name"))


def _host(text: str) -> Address:
    found = HOST.fullmatch(text)
    port = PORT if found is None else int(found["port"] or found["port6"] or PORT)
    if found is None or not 1 <= port <= 65535:  # noqa: PLR2004 - the ports there are
        raise InvalidStore(f"gateway URL: one of its hosts is not host, host:port or [address]:port; write {FORM}")
    return Address((found["host"] or found["six"]).lower(), port)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
