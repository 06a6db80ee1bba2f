"""Settings from flags, environment and nova.conf: raw text comes in, checked values go out, each error names what is
wrong.

A flag `--report-interval` and a variable `SERVICEGROUP_REPORT_INTERVAL` are one setting; the flag wins, and both win
over `--config-file`. An empty variable is not set, as Kubernetes renders an absent value.
"""

import math
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

from servicegroup.model import LONGEST_INTERVAL, SHORTEST_INTERVAL, GroupKey, InvalidName, check_member
from servicegroup.novaconf import InvalidNovaConf, NovaConf
from servicegroup.novaconf import parse as parse_nova_conf
from servicegroup.store import ClientStore, Store
from servicegroup.store.following import FollowingStore

S = TypeVar("S", bound=ClientStore)

PREFIX = "SERVICEGROUP_"
DEFAULT_INTERVAL = 10.0


class InvalidSetting(ValueError):
    """A setting that is refused; the message names it, what is allowed and what to do, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was given, by setting's name in lower case with underscores; and what a nova.conf says."""

    flags: Mapping[str, str | None]
    environ: Mapping[str, str]
    nova: NovaConf = field(default_factory=NovaConf)

    def find(self, name: str) -> tuple[str, str] | None:
        """Where the setting came from, and its text; None when it was not given."""
        flag = self.flags.get(name)
        if flag is not None:
            return f"--{name.replace('_', '-')}", flag
        variable = PREFIX + name.upper()
        text = self.environ.get(variable)
        return (variable, text) if text else None

    def required(self, name: str) -> tuple[str, str]:
        found = self.find(name)
        if found is None:
            raise InvalidSetting(f"--{name.replace('_', '-')} is missing: give it, or set {PREFIX}{name.upper()}")
        return found


def with_nova_conf(settings: Settings) -> Settings:
    """With what the file says that `--config-file` names. Raises InvalidSetting, without what is not ours in it."""
    found = settings.find("config_file")
    if found is None:
        return settings
    origin, name = found
    try:
        # Comments may be of any encoding; a bad byte in a value of ours is refused where that is checked.
        text = Path(name).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        cause = error.strerror if isinstance(error, OSError) else "it is no file's name"
        raise InvalidSetting(
            f"{origin} names {name!r}, which cannot be read: {cause}; mount it or correct it"
        ) from None
    try:
        return replace(settings, nova=parse_nova_conf(text))
    except InvalidNovaConf as error:
        raise InvalidSetting(f"{origin} names {name!r}: {error}") from None


def report_interval(settings: Settings) -> float:
    default = float(settings.nova.interval or DEFAULT_INTERVAL)
    return seconds(settings, "report_interval", default=default, low=SHORTEST_INTERVAL, high=LONGEST_INTERVAL)


def seconds(settings: Settings, name: str, *, default: float, low: float, high: float) -> float:
    found = settings.find(name)
    if found is None:
        return default
    origin, text = found
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise InvalidSetting(f"{origin} is {text[:60]!r}: not a number of seconds from {low:g} to {high:g}; correct it")
    return value


def whole(settings: Settings, name: str, *, default: int, low: int, high: int) -> int:
    found = settings.find(name)
    if found is None:
        return default
    origin, text = found
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise InvalidSetting(f"{origin} is {text[:60]!r}: not a whole number from {low} to {high}; correct it")
    return int(text)


def group(settings: Settings) -> GroupKey:
    """`namespace/name`, or a name in the namespace that another setting gives."""
    origin, text = settings.required("group")
    namespace = settings.find("namespace")
    if namespace is not None and "/" not in text:
        origin, text = f"{namespace[0]} and {origin}", f"{namespace[1]}/{text}"
    try:
        return GroupKey.parse(text)
    except InvalidName as error:
        raise InvalidSetting(f"{origin}: {error}") from None


def member(settings: Settings) -> str:
    """The member's name: the node's. Without a setting the host's own name, as Nova's `host`."""
    origin, text = settings.find("member") or ("the host's name", settings.nova.host or socket.gethostname())
    try:
        return check_member(text)
    except InvalidName as error:
        raise InvalidSetting(f"{origin}: {error}") from None


def store_id(settings: Settings) -> str:
    origin, text = settings.find("store_id") or ("", "default")
    if not (1 <= len(text) <= 63 and all(c.isascii() and (c.isalnum() or c in "-._") for c in text)):  # noqa: PLR2004
        raise InvalidSetting(f"{origin} is {text[:60]!r}: allowed are 1 to 63 of a-z A-Z 0-9 - . _; choose another")
    return text


@dataclass(frozen=True, slots=True)
class UrlFile:
    """A file whose first line is a store's URL (a mounted Secret), and the setting that names it."""

    path: Path
    origin: str

    def read(self) -> str:
        """Raises InvalidSetting, without what the file holds."""
        return read_url(self.path, origin=self.origin)


def store_address(settings: Settings) -> str | UrlFile:
    """The store's URL, or the file that holds it; else that of nova.conf's memcached servers; by default a SQLite file
    of this user.
    """
    direct, in_file = settings.find("store_url"), settings.find("store_url_file")
    if direct is not None and in_file is not None:
        raise InvalidSetting(f"{direct[0]} and {in_file[0]} are both given: take one of them away")
    if in_file is not None:
        return UrlFile(Path(in_file[1]), in_file[0])
    if direct is not None:
        return direct[1]
    return settings.nova.store_url or f"sqlite:///{default_database(settings.environ)}"


def ca_pem(settings: Settings) -> str | None:
    """The authority of the gateways' certificate, as text: where nothing of ours can be mounted."""
    found = settings.find("ca_pem")
    return None if found is None else found[1]


def store_url(settings: Settings) -> str:
    """The store's URL as it is now."""
    address = store_address(settings)
    return address if isinstance(address, str) else address.read()


def opened(address: str | UrlFile, *, connect: Callable[[str], S]) -> S:
    """The store there; one whose URL is in a file follows what the file says. Raises InvalidSetting, and what `connect`
    raises.
    """
    if isinstance(address, str):
        return connect(address)
    # It passes on every call of a store's; who connects to a gateway makes only those that a gateway serves.
    following = FollowingStore(address.path, read=address.read, connect=cast("Callable[[str], Store]", connect))
    return cast("S", following)


def read_url(path: Path, *, origin: str) -> str:
    """The first line of a file. Raises InvalidSetting, without what the file holds."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidSetting(f"{origin} names {path}, which cannot be read: {cause}; mount it or correct it") from None
    if not lines[0].strip():
        raise InvalidSetting(f"{origin} names {path}, whose first line is empty: write the store's URL into it")
    return lines[0].strip()


def names(origin: str, text: str) -> tuple[str, ...]:
    """A list of namespaces, divided by commas."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise InvalidSetting(f"{origin} is {text[:60]!r}: names divided by commas are allowed; leave it out for all")
    return found


def default_database(environ: Mapping[str, str] = os.environ) -> Path:
    state = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or "/") / ".local/state")
    return Path(state) / "servicegroup" / "servicegroup.db"
