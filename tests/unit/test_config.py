"""Settings: each bad value is named with what is allowed, none gives a secret away, and flags win."""

import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servicegroup import config
from servicegroup.config import InvalidSetting, Settings
from servicegroup.model import GroupKey

SECRET = "hunter2"  # noqa: S105 - what must not be shown


@dataclass(frozen=True)
class Refused:
    """A setting's text, and words that its message must hold besides the setting's name."""

    name: str
    text: str
    words: tuple[str, ...]


def interval(settings: Settings) -> float:
    return config.seconds(settings, "report_interval", default=10.0, low=0.1, high=3600.0)


READERS: Mapping[str, Callable[[Settings], object]] = {
    "report_interval": interval,
    "group": config.group,
    "member": config.member,
    "store_id": config.store_id,
    "store_url_file": config.store_url,
}

RANGE = ("0.1", "3600")
REFUSED = {
    "an interval of zero": Refused("report_interval", "0", ("'0'", *RANGE)),
    "a negative interval": Refused("report_interval", "-1", ("'-1'", *RANGE)),
    "an interval that is no number": Refused("report_interval", "nan", ("'nan'", *RANGE)),
    "an infinite interval": Refused("report_interval", "inf", ("'inf'", *RANGE)),
    "a negatively infinite interval": Refused("report_interval", "-Infinity", ("'-Infinity'", *RANGE)),
    "an interval in words": Refused("report_interval", "ten", ("'ten'", *RANGE)),
    "an interval with its unit": Refused("report_interval", "10s", ("'10s'", *RANGE)),
    "an interval of more than an hour": Refused("report_interval", "3600.1", ("'3600.1'", *RANGE)),
    "a member's name of 300 characters": Refused("member", "x" * 300, ("300 characters", "1 to 253")),
    "a member's name of 254 characters of another script": Refused("member", "節" * 254, ("254", "1 to 253")),
    "a member's name with a line break": Refused("member", "node\n1", ("character 5", "U+000A", "control")),
    "a member's name with a NUL": Refused("member", "\x00", ("character 1", "U+0000", "control")),
    "a member's name with a control character of Latin-1": Refused("member", "a\x85b", ("U+0085", "control")),
    "a member's name with half a character": Refused("member", "node\udcff", ("U+DCFF", "half")),
    "a group without a name": Refused("group", "nova/", ("'nova/'", "namespace/name")),
    "a group with an empty namespace": Refused("group", "/compute", ("'/compute'", "namespace/name")),
    "a group of three parts": Refused("group", "a/b/c", ("'a/b/c'", "namespace/name")),
    "a group with a control character": Refused("group", "com\tpute", (r"'com\tpute'", "namespace/name")),
    "a group's name that is far too long": Refused("group", "g" * 1000, ("namespace/name",)),
    "a store id with a slash": Refused("store_id", "a/b", ("'a/b'", "a-z", "63")),
    "a store id with a space": Refused("store_id", "a b", ("'a b'", "a-z", "63")),
    "a store id of 64 characters": Refused("store_id", "x" * 64, ("a-z", "63")),
    "a store id of another script": Refused("store_id", "größe", ("a-z", "63")),
    "a file of a URL that is not there": Refused("store_url_file", "/nowhere/url", ("/nowhere/url", "No such file")),
    "a file of a URL that is a folder": Refused("store_url_file", "/", ("cannot be read", "directory")),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("origin", ["flag", "variable"])
def test_a_bad_setting_is_named_with_what_is_allowed(case: Refused, origin: str) -> None:
    variable = f"SERVICEGROUP_{case.name.upper()}"
    flag = f"--{case.name.replace('_', '-')}"
    given = Settings({case.name: case.text}, {}) if origin == "flag" else Settings({}, {variable: case.text})

    with pytest.raises(InvalidSetting) as caught:
        READERS[case.name](given)

    message = str(caught.value)
    assert message.startswith(flag if origin == "flag" else variable)
    for word in case.words:
        assert word in message
    assert len(message) < 500
    assert message.isprintable()


@pytest.mark.parametrize("name", ["member", "group", "store_id"])
def test_a_flag_that_is_given_empty_is_refused_and_not_taken_for_absent(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"--{name.replace('_', '-')}"):
        READERS[name](Settings({name: ""}, {f"SERVICEGROUP_{name.upper()}": "good"}))


def test_a_group_that_is_not_given_is_asked_for_by_flag_and_variable() -> None:
    with pytest.raises(InvalidSetting, match=r"--group.*SERVICEGROUP_GROUP"):
        config.group(Settings({"group": None}, {"SERVICEGROUP_GROUP": ""}))


@pytest.mark.parametrize("text", ["0.1", "3600", "10", "2.5"])
def test_intervals_within_the_bounds_are_taken(text: str) -> None:
    assert interval(Settings({"report_interval": text}, {})) == float(text)


GOOD_NAMES = {
    "one character": "n",
    "253 characters of four bytes": "\U0001f5a5" * 253,
    "a node's name in DNS": "worker-7.rack-4.example.org",
    "colons": "10.0.0.1:6640",
    "an IPv6 address": "fe80::1%eth0",
    "spaces": "rack 4 node 7",
    "an ideographic space": "機架\u3000七",
    "Chinese": "計算節點",
    "Arabic, from right to left": "عقدة-\u0667",
    "a letter and its accent apart": "e\u0301",
    "quotes and backslashes": "\"node\\1'",
    "a slash": "rack/7",
    "a per cent sign and braces": "%s{}%",
}


@pytest.mark.parametrize("name", GOOD_NAMES.values(), ids=GOOD_NAMES.keys())
def test_a_member_may_be_called_by(name: str) -> None:
    assert config.member(Settings({"member": name}, {})) == name


def test_a_member_without_a_setting_is_this_host_as_in_nova() -> None:
    assert config.member(Settings({"member": None}, {"SERVICEGROUP_MEMBER": ""})) == socket.gethostname()


GROUPS = {
    "compute": GroupKey("default", "compute"),
    "nova/compute": GroupKey("nova", "compute"),
    "nova/rack 4:compute": GroupKey("nova", "rack 4:compute"),
    "計算": GroupKey("default", "計算"),
}


@pytest.mark.parametrize(("text", "key"), GROUPS.items())
def test_a_group_is_a_name_or_a_namespace_and_a_name(text: str, key: GroupKey) -> None:
    assert config.group(Settings({"group": text}, {})) == key


def test_a_flag_wins_over_the_environment() -> None:
    environ = {"SERVICEGROUP_REPORT_INTERVAL": "20", "SERVICEGROUP_MEMBER": "from-environment"}

    assert interval(Settings({"report_interval": "5"}, environ)) == 5.0
    assert config.member(Settings({"member": "from-flag"}, environ)) == "from-flag"
    assert interval(Settings({"report_interval": None}, environ)) == 20.0


def test_an_empty_variable_is_not_set() -> None:
    empty = {f"SERVICEGROUP_{name}": "" for name in ("REPORT_INTERVAL", "STORE_ID", "STORE_URL", "STORE_URL_FILE")}
    given = Settings({}, empty | {"XDG_STATE_HOME": "/state"})

    assert interval(given) == 10.0
    assert config.store_id(given) == "default"
    assert config.store_url(given) == "sqlite:////state/servicegroup/servicegroup.db"


def test_by_default_the_store_is_a_file_of_this_user() -> None:
    assert config.store_url(Settings({}, {"HOME": "/home/u"})).startswith("sqlite:////home/u/.local/state/")


@dataclass(frozen=True)
class Place:
    """What a file of a URL holds; None: it is given a URL as well."""

    content: bytes
    words: tuple[str, ...]
    flags: Mapping[str, str | None] = field(default_factory=dict)


BAD_FILES = {
    "is empty": Place(b"", ("first line is empty",)),
    "begins with an empty line": Place(f"\npostgresql://nova:{SECRET}@db/nova\n".encode(), ("first line is empty",)),
    "holds spaces alone": Place(b"   \n", ("first line is empty",)),
    "is no text": Place(f"postgresql://nova:{SECRET}".encode() + b"\xff\xfe@db/nova", ("it is no text",)),
    "stands beside a URL": Place(
        f"postgresql://nova:{SECRET}@db/nova".encode(),
        ("--store-url and SERVICEGROUP_STORE_URL_FILE", "both"),
        {"store_url": f"postgresql://nova:{SECRET}@db/other"},
    ),
}


@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_of_a_url_is_refused_without_what_it_holds_when_it(case: Place, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_bytes(case.content)

    with pytest.raises(InvalidSetting) as caught:
        config.store_url(Settings(case.flags, {"SERVICEGROUP_STORE_URL_FILE": str(file)}))

    for word in case.words:
        assert word in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_of_a_file_of_a_url_the_first_line_counts_and_the_space_around_it_does_not(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_bytes(b"  sqlite:////var/lib/a.db \r\n# rotated in May\n")

    assert config.store_url(Settings({"store_url_file": str(file)}, {})) == "sqlite:////var/lib/a.db"
