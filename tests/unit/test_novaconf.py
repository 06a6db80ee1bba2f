"""Nova's nova.conf as it is found in life: what is taken from it, what is refused, and whose passwords stay in it."""

import traceback
from dataclasses import dataclass

import pytest
from servicegroup.novaconf import InvalidNovaConf, NovaConf, parse

SECRET = "hunter2"  # noqa: S105 - what must not be shown

IN_LIFE = f"""\
# Généré par l'installateur \u2013 ne pas modifier
[DEFAULT]
debug = False
transport_url = rabbit://openstack:{SECRET}%40@controller:5672/
log_format = %(asctime)s %(levelname)s [%(name)s] %(message)s
passthrough_whitelist = {{"vendor_id": "8086"}}
passthrough_whitelist = {{"vendor_id": "15b3"}}
my_ip = 10.0.0.31
host = compute-31
vncserver_proxyclient_address = $my_ip
service_down_time = 30
service_down_time: 90
report_interval=20
servicegroup_driver = "mc"
memcached_servers = mc-0:11211,
    mc-1,
\t[fd00::2]:11311, inet6:[fd00::3]:11211
#service_down_time = 1
;host = nobody

[database]
connection = mysql+pymysql://nova:{SECRET}%@controller/nova
host = another
report_interval = none of ours

[DEFAULT]
compute_driver = libvirt.LibvirtDriver

[keystone_authtoken]
password = {SECRET}
host
"""


def test_what_a_file_in_life_says_is_taken_and_all_else_is_left_in_it() -> None:
    said = parse(IN_LIFE.removesuffix("host\n"))

    assert said == NovaConf(
        driver="mc",
        servers=("mc-0:11211", "mc-1", "[fd00::2]:11311", "[fd00::3]:11211"),
        interval=20,
        down_time=90,
        host="compute-31",
    )
    assert said.store_url == "memcached://mc-0:11211,mc-1,[fd00::2]:11311,[fd00::3]:11211/"


def default(*lines: str) -> str:
    return "\n".join(("[DEFAULT]", *lines, ""))


MC = "servicegroup_driver = mc"
TAKEN = {
    "nothing at all": ("", NovaConf()),
    "comments alone": ("# [DEFAULT]\n; host = a\n", NovaConf()),
    "a section without options": (default(), NovaConf()),
    "options of other sections alone": ("[neutron]\nhost = a\nreport_interval = 0\n", NovaConf()),
    "a section that is called default in small letters": ("[default]\nhost = a\n", NovaConf()),
    "an option in capitals": (default("Host = a"), NovaConf()),
    "the document's own example": (
        default('servicegroup_driver = "mc"', "memcached_servers = ", "service_down_time = 60"),
        NovaConf("mc", down_time=60),
    ),
    "options without values": (default("host =", "report_interval = <None>", "servicegroup_driver = ''"), NovaConf()),
    "a value in single quotes": (default("host = 'a b'"), NovaConf(host="a b")),
    "a quote that has no other": (default("host = \"a'"), NovaConf(host="\"a'")),
    "a sign in it that others take for a comment": (default("host = rack#7;a"), NovaConf(host="rack#7;a")),
    "a name of another script": (default("host = 計算節點"), NovaConf(host="計算節點")),
    "a per cent sign": (default("host = fe80::1%eth0"), NovaConf(host="fe80::1%eth0")),
    "lines that end as on Windows": (default("host = a\r", "report_interval = 5\r"), NovaConf(host="a", interval=5)),
    "servers on lines of their own": (
        default(MC, "memcached_servers =", "  a:1,", "  b:2"),
        NovaConf("mc", ("a:1", "b:2")),
    ),
    "the last of repeated options, in the last of repeated sections": (
        default("host = a", "host = b", "[x]", "y = 1", "[DEFAULT]", "host = c"),
        NovaConf(host="c"),
    ),
    "the shortest down time of an odd interval": (
        default("report_interval = 11", "service_down_time = 28"),
        NovaConf(interval=11, down_time=28),
    ),
}


@pytest.mark.parametrize(("text", "said"), TAKEN.values(), ids=TAKEN.keys())
def test_it_is_read_as_oslo_config_reads(text: str, said: NovaConf) -> None:
    assert parse(text) == said


SERVERS = "memcached_servers = a:1"
STORES = {
    "the driver db": (default("servicegroup_driver = db", SERVERS), None),
    "no driver, which in Nova is db": (default(SERVERS), None),
    "mc and a server": (default(MC, SERVERS), "memcached://a:1/"),
    "mc and no servers": (default(MC), "memory:"),
    "mc and empty servers": (default(MC, 'memcached_servers = ""'), "memory:"),
    "mc and none": (default(MC, "memcached_servers = <None>"), "memory:"),
}


@pytest.mark.parametrize(("text", "url"), STORES.values(), ids=STORES.keys())
def test_the_store_is_that_of(text: str, url: str | None) -> None:
    assert parse(text).store_url == url


@dataclass(frozen=True)
class Refused:
    text: str
    words: tuple[str, ...]


SECONDS = ("report_interval", "whole seconds from 1 to 3600")
REFUSED = {
    "a driver that is gone": Refused(default("servicegroup_driver = zk"), ("servicegroup_driver is 'zk'", "db and mc")),
    "an interval of nothing": Refused(default("report_interval = 0"), SECONDS),
    "an interval with a point": Refused(default("report_interval = 2.5"), SECONDS),
    "an interval and a remark": Refused(default("report_interval = 10 # s"), SECONDS),
    "an interval of endless digits": Refused(default(f"report_interval = {'9' * 5000}"), SECONDS),
    "an interval on two lines": Refused(default("report_interval = 1", "  0"), SECONDS),
    "a down time below nothing": Refused(
        default("service_down_time = -1"), ("service_down_time is '-1'", "1 to 86400")
    ),
    "a down time that one lost beat could use up": Refused(
        default("report_interval = 11", "service_down_time = 27"), ("service_down_time is 27", "2.5", "11", "least 28")
    ),
    "a down time too short for Nova's own interval": Refused(default("service_down_time = 24"), ("24", "at least 25")),
    "an interval too long for Nova's own down time": Refused(default("report_interval = 60"), ("is 60", "least 150")),
    "a host with a control character": Refused(default("host = a\x07b"), ("host", "U+0007", "take it out")),
    "a host of half a character": Refused(default("host = a\udcffb"), ("host", "U+DCFF", "take it out")),
    "a host of 300 characters": Refused(default(f"host = {'x' * 300}"), ("host", "1 to 253")),
    "a host that is another option": Refused(default("host = $my_ip"), ("host", "$", "write the value itself")),
    "a server that is a socket": Refused(
        default(MC, "memcached_servers = unix:/run/x"), ("memcached_servers", "host:")
    ),
    "a server with a password": Refused(default(MC, f"memcached_servers = nova:{SECRET}@mc:1"), ("memcached_servers",)),
    "a comma and nothing behind it": Refused(default(MC, "memcached_servers = a:1,"), ("memcached_servers", "commas")),
    "an option before any section": Refused(f"password = {SECRET}\n[DEFAULT]\n", ("line 1", "before any section")),
    "a line that is no option": Refused(IN_LIFE, (f"line {len(IN_LIFE.splitlines())}", "option = value")),
    "a section that does not end": Refused(default("host = a", f"[{SECRET}", "host = b"), ("line 3", "[section]")),
    "an option without a name": Refused(default(f"= {SECRET}"), ("line 2", "option = value")),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_in_a_sentence_without_what_is_not_ours_for(case: Refused) -> None:
    with pytest.raises(InvalidNovaConf) as caught:
        parse(case.text)

    for word in case.words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
