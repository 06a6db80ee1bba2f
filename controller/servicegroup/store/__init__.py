"""The stores of beats: one protocol (`base`), drivers that speak it, and the one place that opens them."""

from pathlib import Path

from servicegroup.store.base import (
    AgentStore,
    ClientStore,
    GatewayStore,
    InvalidStore,
    ReaderStore,
    Store,
    StoreUnavailable,
)
from servicegroup.store.memory import MemoryStore

__all__ = [
    "AgentStore",
    "ClientStore",
    "GatewayStore",
    "InvalidStore",
    "MemoryStore",
    "ReaderStore",
    "Store",
    "StoreUnavailable",
    "open_client",
    "open_store",
]

SERVERS = ("postgresql+psycopg", "mysql+pymysql")
"""Schemes with their driver: what `postgresql` alone means has changed from one SQLAlchemy to the next."""

GATEWAYS = ("https", "http")
"""What agents and readers are given instead of a store's address."""

ALLOWED = (
    "sqlite:////absolute/path (a file), postgresql+psycopg://user:password@host/database, "
    "mysql+pymysql://user:password@host/database (MariaDB too), memcached://host:port,host2:port/ (servers; "
    "memcacheds:// by TLS), or memory: (in the operator's own process)"
)


def open_client(url: str, *, store_id: str, ca_pem: str | None = None) -> ClientStore:
    """For an agent or a reader: the way to a gateway, or a store itself. `ca_pem` is the authority of a gateway's
    certificate, where its URL names no file with it. Raises InvalidStore, StoreUnavailable.
    """
    if url.partition("://")[0] in GATEWAYS:
        from servicegroup.store.remote import RemoteStore

        return RemoteStore(url, ca_pem=ca_pem)
    return open_store(url, store_id=store_id)


def open_store(url: str, *, store_id: str) -> Store:
    """The driver for a URL; it connects at its first call. Raises InvalidStore, StoreUnavailable."""
    scheme = url.partition("://")[0] if "://" in url else ""  # urlsplit raises over what a password may hold
    if url == "memory:":
        return MemoryStore()
    if scheme in ("memcached", "memcacheds"):
        return _open_memcached(url, store_id=store_id)
    if scheme in SERVERS:
        from servicegroup.store.database import DatabaseStore
        from servicegroup.store.server import open_server

        return DatabaseStore(open_server(url), store_id=store_id)
    if scheme != "sqlite":
        raise InvalidStore(f"store URL with the scheme {scheme[:60]!r}: no driver for it; allowed: {ALLOWED}")
    path = url.removeprefix("sqlite:///")
    if path == url or not path.strip() or "?" in path or "\0" in path:
        shown = "sqlite:..." if "@" in url or "?" in url else url[:200]  # what is not ours may hold a password
        raise InvalidStore(f"store URL {shown!r}: not the address of a file; allowed: {ALLOWED}")
    # SQLAlchemy is half of an agent's memory: only who uses it pays for it.
    from servicegroup.store.database import DatabaseStore
    from servicegroup.store.sqlite import open_sqlite

    return DatabaseStore(open_sqlite(Path(path).absolute()), store_id=store_id)


def _open_memcached(url: str, *, store_id: str) -> Store:
    try:
        from servicegroup.store.memcached import MemcachedStore
    except ImportError:
        raise InvalidStore("store URL: memcached needs pymemcache: pip install 'servicegroup[memcached]'") from None
    try:
        return MemcachedStore(url, store_id=store_id)
    except ValueError as error:
        raise InvalidStore(f"store URL: {error}") from None
