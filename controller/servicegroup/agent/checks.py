"""What is to be checked, and how often: settings come in, a probe and its rhythm go out; each error says what is
allowed.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from servicegroup.agent.probes import Command, FileAge, HttpGet, Probe, TcpConnect, UnixConnect
from servicegroup.config import InvalidSetting, Settings, seconds, whole

ALLOWED = (
    "file:/path?max-age=SECONDS (touched at most so long ago), http://host:port/path or https://... (answers 200 to "
    "399), tcp://host:port or unix:/path (takes a connection), exec:COMMAND ARGUMENT... (ends with 0)"
)
PORTS = {"http": 80, "https": 443, "tcp": None}
LONGEST_AGE = 86400.0
LONGEST_FAILURES = 100
SHORTEST, LONGEST = 0.1, 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Check:
    """`period` from the start of one look to that of the next, `timeout` for each, `failures` in a row are ill health;
    for `start` a service that was never well yet may still be starting. Seconds.
    """

    probe: Probe
    period: float = 10.0
    timeout: float = 5.0
    failures: int = 3
    start: float = 60.0


def check_of(settings: Settings) -> Check:
    """Raises InvalidSetting."""
    origin, text = settings.required("check")
    return Check(
        probe_of(text, origin=origin),
        period=seconds(settings, "check_period", default=10.0, low=SHORTEST, high=LONGEST),
        timeout=seconds(settings, "check_timeout", default=5.0, low=SHORTEST, high=LONGEST),
        failures=whole(settings, "check_failures", default=3, low=1, high=LONGEST_FAILURES),
        start=seconds(settings, "check_start", default=60.0, low=0.0, high=LONGEST),
    )


def probe_of(text: str, *, origin: str) -> Probe:
    """Raises InvalidSetting, without the text: it may hold a password."""
    kind, colon, rest = text.partition(":")
    try:
        if colon and kind == "file":
            return _file(rest)
        if colon and kind == "unix":
            return UnixConnect(_path(rest))
        if colon and kind == "exec":
            return _command(rest)
        if colon and kind in PORTS:
            return _place(text)
    except ValueError as error:
        raise InvalidSetting(f"{origin}, {kind}: {error}; allowed: {ALLOWED}") from None
    raise InvalidSetting(f"{origin} is no check that there is, by its first word; allowed: {ALLOWED}")


def _path(text: str) -> Path:
    if not text.startswith("/") or "\0" in text:
        raise ValueError("a path begins with a slash")
    return Path(text)


def _file(text: str) -> FileAge:
    path, _, options = text.partition("?")
    given = dict(parse_qsl(options, keep_blank_values=True, strict_parsing=bool(options)))
    try:
        longest = float(given.pop("max-age"))
    except (KeyError, ValueError):
        raise ValueError("it needs ?max-age=SECONDS") from None
    if given or not 0 < longest <= LONGEST_AGE:
        raise ValueError(f"the only option is max-age, above 0 and up to {LONGEST_AGE:.0f} s")
    return FileAge(_path(path), longest)


def _command(text: str) -> Command:
    words = shlex.split(text)
    if not words or "\0" in text:
        raise ValueError("it names no command")
    return Command(tuple(words))


def _place(text: str) -> Probe:
    try:
        url = urlsplit(text)
        port = url.port if url.port is not None else PORTS[url.scheme]
    except ValueError:  # whose sentence holds a part of the text
        raise ValueError("it is no address; a port is a number up to 65535") from None
    if not url.hostname or not port:
        raise ValueError("it needs a host, and a port")
    if url.username is not None or url.password is not None:
        raise ValueError("a name and a password are not sent; take them out")
    if url.scheme != "tcp":
        where = url.path + url.query
        if not (where.isascii() and where.isprintable()) or " " in where:
            raise ValueError("the path is written in ASCII, without spaces")
        return HttpGet(url.scheme == "https", url.hostname, port, url.path or "/", url.query)
    if url.path not in ("", "/") or url.query:
        raise ValueError("it has a host and a port and nothing else")
    return TcpConnect(url.hostname, port)
