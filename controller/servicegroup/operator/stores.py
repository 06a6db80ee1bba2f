"""The operator's stores: a configuration file comes in, named addresses go out. What is wrong in it ends the start.

    stores:
      default: {driver: db, urlFile: /etc/servicegroup/stores/default/url}
      edge: {driver: db, url: "sqlite:////var/lib/servicegroup/edge.db"}

Without a file there is one store, `default`: SQLite. A URL's file is read when the store is opened, so that a Secret
that is mounted late, or wrongly, is an error of the groups that use it and of nobody else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servicegroup.config import InvalidSetting, default_database, read_url
from servicegroup.store import InvalidStore, Store, open_store

DRIVERS = ("db",)
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class StoreConfig:
    name: str
    driver: str
    url: str | None = None
    url_file: str | None = None

    def open(self, *, store_id: str) -> Store:
        """Raises InvalidSetting and StoreUnavailable; both may pass, when a file is mounted or a folder is made."""
        origin = f"store {self.name!r}"
        url = self.url if self.url is not None else read_url(Path(self.url_file or ""), origin=origin)
        try:
            return open_store(url, store_id=store_id)
        except InvalidStore as error:
            raise InvalidSetting(f"{origin}: {error}") from None


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
    if not isinstance(given, Mapping) or set(given) - {"driver", "url", "urlFile"}:
        raise InvalidSetting(f"{where}: allowed are driver, url and urlFile; take out what else is there")
    if given.get("driver") not in DRIVERS:
        shown = str(given.get("driver"))[:60]
        raise InvalidSetting(f"{where}.driver is {shown!r}: allowed are {', '.join(DRIVERS)}; correct it")
    addresses = [given[field] for field in ("url", "urlFile") if field in given]
    if len(addresses) != 1 or not isinstance(addresses[0], str) or not addresses[0]:
        raise InvalidSetting(f"{where}: give either url or urlFile, as text")
    return StoreConfig(name, given["driver"], url=given.get("url"), url_file=given.get("urlFile"))
