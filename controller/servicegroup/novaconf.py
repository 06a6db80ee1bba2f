"""Nova's own `nova.conf`: its text comes in, what it says of service groups goes out, checked. Pure.

Five options of `[DEFAULT]` are read. All else in such a file is other people's, holds their passwords and is never
quoted. The syntax is oslo.config's: the last of repeated options counts, an indented line continues the one before, a
pair of quotes around a value is none of it, and what Nova refuses to read is refused here.
"""

import math
from dataclasses import dataclass

from servicegroup.model import SIGHT_INTERVALS, InvalidName, check_member
from servicegroup.store.mc_address import parse as parse_servers

DRIVERS = ("db", "mc")
NO_VALUE = ("", "<None>")
"""Both mean that nothing is given: the first in the document of service groups, the second in generated files."""

INTERVAL, DOWN_TIME = 10, 60
"""Nova's defaults, in seconds."""

LONGEST_INTERVAL, LONGEST_DOWN_TIME = 3600, 86400
"""Seconds; as in the resource's schema."""


class InvalidNovaConf(ValueError):
    """What is refused; the message names the option or the line, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class NovaConf:
    """What a nova.conf says; None: nothing. Times are in seconds, `servers` are host:port of memcached."""

    driver: str | None = None
    servers: tuple[str, ...] = ()
    interval: int | None = None
    down_time: int | None = None
    host: str | None = None

    @property
    def store_url(self) -> str | None:
        """Of the driver `mc` alone: `db` is Nova's own database there, and beats have one to themselves."""
        if self.driver != "mc":
            return None
        return f"memcached://{','.join(self.servers)}/" if self.servers else "memory:"


def parse(text: str) -> NovaConf:
    """Raises InvalidNovaConf."""
    options = _options(text)
    interval = _seconds(options, "report_interval", high=LONGEST_INTERVAL)
    down_time = _seconds(options, "service_down_time", high=LONGEST_DOWN_TIME)
    _check_times(interval or INTERVAL, down_time or DOWN_TIME)
    driver = _value(options, "servicegroup_driver")
    if driver not in (None, *DRIVERS):
        raise InvalidNovaConf(
            f"[DEFAULT] servicegroup_driver is {str(driver)[:60]!r}: allowed are {' and '.join(DRIVERS)}; correct it"
        )
    return NovaConf(driver, _servers(options), interval, down_time, _host(options))


def _options(text: str) -> dict[str, str]:
    import configparser  # here and not above: most agents have no such file

    parser = configparser.RawConfigParser(strict=False, empty_lines_in_values=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # as to oslo.config, Host is not host
    try:
        parser.read_string(text)
    except configparser.ParsingError as error:  # its own text quotes lines
        before_any = isinstance(error, configparser.MissingSectionHeaderError)
        line = error.lineno if isinstance(error, configparser.MissingSectionHeaderError) else error.errors[0][0]
        missing = "stands before any section" if before_any else "is neither a [section] nor option = value"
        raise InvalidNovaConf(f"line {line} {missing}; correct it") from None
    return dict(parser.defaults())


def _value(options: dict[str, str], name: str) -> str | None:
    value = options.get(name, "").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if "$" in value:
        raise InvalidNovaConf(
            f"[DEFAULT] {name} refers to another option by $: that is not followed; write the value itself"
        )
    return None if value in NO_VALUE else value


def _seconds(options: dict[str, str], name: str, *, high: int) -> int | None:
    value = _value(options, name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= high):  # noqa: PLR2004
        raise InvalidNovaConf(
            f"[DEFAULT] {name} is {value[:60]!r}: allowed are whole seconds from 1 to {high}; correct it"
        )
    return int(value)


def _check_times(interval: int, down_time: int) -> None:
    """Nova raises a down time that is too short without a word, and then it is not the one that was asked for."""
    least = math.ceil(SIGHT_INTERVALS * interval)
    if down_time < least:
        raise InvalidNovaConf(
            f"[DEFAULT] service_down_time is {down_time} (Nova's default: {DOWN_TIME}), less than {SIGHT_INTERVALS} x "
            f"report_interval ({interval}; Nova's default: {INTERVAL}): one lost beat could be a death; raise it to at "
            f"least {least}"
        )


def _servers(options: dict[str, str]) -> tuple[str, ...]:
    value = _value(options, "memcached_servers")
    if value is None:
        return ()
    # inet6: is how OpenStack's other memcached clients are told of an IPv6 address
    servers = tuple(one.strip().removeprefix("inet6:") for one in value.split(","))
    try:
        parse_servers(f"memcached://{','.join(servers)}/")
    except ValueError:  # its sentence is about a URL
        raise InvalidNovaConf(
            "[DEFAULT] memcached_servers: one of them is not host:port or [address]:port, divided by commas; correct "
            "it, or leave the option out for a store inside the process"
        ) from None
    return servers


def _host(options: dict[str, str]) -> str | None:
    value = _value(options, "host")
    try:
        return None if value is None else check_member(value)
    except InvalidName as error:
        raise InvalidNovaConf(f"[DEFAULT] host: {error}") from None
