"""The operator's stores: a configuration file comes in, named addresses go out. What is wrong in it ends the start.

    stores:
      default: {driver: db, urlFile: /etc/servicegroup/stores/default/url}
      edge: {driver: db, url: "sqlite:////var/lib/servicegroup/edge.db"}
      cache: {driver: mc, servers: ["memcached-0:11211", "[fd00::1]:11211"], tls: {caFile: /etc/mc/ca.pem}}

Without a file there is one store, `default`: SQLite. A URL's file is read when the store is opened, so that a Secret
that is mounted late, or wrongly, is an error of the groups that use it and of nobody else; from then on it is followed.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from servicegroup.config import InvalidSetting, UrlFile, default_database, opened
from servicegroup.store import InvalidStore, Store, open_store
from servicegroup.store.mc_address import parse

DRIVERS = ("db", "mc")
ADDRESSES = {"db": ("url", "urlFile"), "mc": ("url", "urlFile", "servers")}
"""How each driver's store may be named."""

FIELDS = frozenset({"driver", "url", "urlFile", "servers", "tls", "maxBeatsPerSecond"})
MOST_BEATS = 1_000_000

TLS = {"caFile": "ssl_ca", "certFile": "ssl_cert", "keyFile": "ssl_key", "serverName": "ssl_server_name"}
"""Of `servers`, with the options of a URL."""

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class StoreConfig:
    name: str
    driver: str
    url: str | None = None
    url_file: str | None = None
    beats_per_second: float | None = None

    def open(self, *, store_id: str) -> Store:
        """Raises InvalidSetting and StoreUnavailable; both may pass, when a file is mounted or a folder is made."""
        address = self.url if self.url is not None else UrlFile(Path(self.url_file or ""), f"store {self.name!r}")
        return opened(address, connect=lambda url: self._connect(url, store_id=store_id))

    def _connect(self, url: str, *, store_id: str) -> Store:
        try:
            store = open_store(url, store_id=store_id)
        except InvalidStore as error:
            raise InvalidSetting(f"store {self.name!r}: {error}") from None
        if store.driver != self.driver:
            store.close()
            raise InvalidSetting(
                f"store {self.name!r}: its URL is one of the driver {store.driver}, not {self.driver}; correct it"
            )
        return store


@dataclass(slots=True)
class SharedStore:
    """One store for all who use it in this process, opened by the first of them; its calls come from many threads."""

    config: StoreConfig
    store_id: str
    _store: Store | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> Store:
        """Raises InvalidSetting and StoreUnavailable, as StoreConfig.open."""
        with self._lock:
            if self._store is None:
                self._store = self.config.open(store_id=self.store_id)
            return self._store

    def close(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()


def default_stores() -> dict[str, StoreConfig]:
    return {"default": StoreConfig("default", "db", url=f"sqlite:///{default_database()}")}


def read_stores(path: Path) -> dict[str, StoreConfig]:
    """Raises InvalidSetting."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"--stores names {path}, which cannot be read: {error.strerror}; correct it") from None
    except (yaml.YAMLError, ValueError):  # ValueError: no UTF-8, or a day that no calendar has
        # The parser's own text quotes the file, and a URL in it may hold a password.
        raise InvalidSetting(f"--stores names {path}, which is no YAML; see docs for its form") from None
    stores = content.get("stores") if isinstance(content, dict) else None
    if not isinstance(stores, dict) or not stores or set(content) != {"stores"}:
        raise InvalidSetting(f"--stores names {path}: it must hold `stores:` and under it a store per name; correct it")
    return {str(name): _store(str(name), given, path=path) for name, given in stores.items()}


def _store(name: str, given: Any, *, path: Path) -> StoreConfig:
    where = f"{path}: stores.{name[:80]}"
    if not NAME.fullmatch(name):
        raise InvalidSetting(
            f"{where}: a name has 1 to 63 of a-z 0-9 and -, and neither begins nor ends with -; rename it"
        )
    if not isinstance(given, Mapping) or set(given) - FIELDS:
        raise InvalidSetting(
            f"{where}: allowed are driver, url or urlFile or servers, tls, maxBeatsPerSecond; take out the rest"
        )
    if given.get("driver") not in DRIVERS:
        shown = str(given.get("driver"))[:60]
        raise InvalidSetting(f"{where}.driver is {shown!r}: allowed are {', '.join(DRIVERS)}; correct it")
    driver, beats = given["driver"], _beats(given.get("maxBeatsPerSecond"), where=f"{where}.maxBeatsPerSecond")
    if "servers" in given and "servers" in ADDRESSES[driver]:
        if {"url", "urlFile"} & set(given):
            raise InvalidSetting(f"{where}: give either servers, or url, or urlFile")
        return StoreConfig(name, driver, url=_servers(given, where=where), beats_per_second=beats)
    if "tls" in given:
        raise InvalidSetting(f"{where}: tls goes with servers of memcached; a URL has its own options for TLS")
    addresses = [given[field] for field in ("url", "urlFile") if field in given]
    if "servers" in given or len(addresses) != 1 or not isinstance(addresses[0], str) or not addresses[0]:
        raise InvalidSetting(f"{where}: give either url or urlFile, as text")
    return StoreConfig(name, driver, url=given.get("url"), url_file=given.get("urlFile"), beats_per_second=beats)


def _beats(given: Any, *, where: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= MOST_BEATS:
        raise InvalidSetting(
            f"{where} is {str(given)[:60]!r}: allowed is a number of beats above 0, up to {MOST_BEATS}; correct it, or "
            "leave it out for no limit"
        )
    return float(given)


def _servers(given: Mapping[str, Any], *, where: str) -> str:
    """The URL of memcached servers; without any it is the store in this process, as in Nova's `mc` driver."""
    servers = given["servers"]
    if not isinstance(servers, list) or not all(isinstance(one, str) for one in servers):
        raise InvalidSetting(f"{where}.servers: a list of host:port, each of them text; correct it")
    if not servers and "tls" not in given:
        return "memory:"
    url = f"memcached://{','.join(servers)}/"
    if "tls" in given:
        url = f"memcacheds://{','.join(servers)}/?{_tls(given['tls'], where=f'{where}.tls')}"
    try:
        parse(url)
    except ValueError as error:
        raise InvalidSetting(f"{where}.servers: {error}") from None
    return url


def _tls(given: Any, *, where: str) -> str:
    """Empty, it is TLS by the authorities that the system trusts."""
    options = {} if given is None else given
    if not isinstance(options, Mapping) or set(options) - set(TLS) or not all(map(_is_text, options.values())):
        raise InvalidSetting(f"{where}: allowed are {', '.join(TLS)}, each of them text; correct it")
    return urlencode({TLS[name]: value for name, value in options.items()}, safe="/")


def _is_text(given: Any) -> bool:
    return isinstance(given, str) and given != ""
