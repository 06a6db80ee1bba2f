"""The operator's stores file: each form that is refused, the sentence, and no secret in it."""

import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest
from servicegroup.config import InvalidSetting
from servicegroup.operator.stores import StoreConfig, default_stores, read_stores
from servicegroup.store import InvalidStore, StoreUnavailable, open_store
from servicegroup.store.mc_address import Tls, parse

SECRET = "hunter2"  # noqa: S105 - what must not be shown
URL = f"postgresql+psycopg://nova:{SECRET}@db/nova"


@dataclass(frozen=True)
class Refused:
    content: str | bytes
    words: tuple[str, ...]


WHOLE = ("`stores:`",)
REFUSED = {
    "it is empty": Refused("", WHOLE),
    "it is a list": Refused("- default\n", WHOLE),
    "it is a word": Refused(f"{URL}\n", WHOLE),
    "it has no stores": Refused("stores: {}\n", WHOLE),
    "its stores are a list": Refused(f"stores: [{{driver: db, url: '{URL}'}}]\n", WHOLE),
    "it holds something else beside the stores": Refused("stores: {default: {driver: db, url: x}}\nstore: x\n", WHOLE),
    "it is no YAML, and holds a password": Refused(f"stores:\n  default: {{driver: db, url: {URL}\n", ("no YAML",)),
    "it has a tab, and a password beside it": Refused(f"stores:\n\tdefault: {URL}\n", ("no YAML",)),
    "it names a class of Python": Refused(f"stores: !!python/object:os.system ['{URL}']\n", ("no YAML",)),
    "it holds a day that no calendar has": Refused("stores: 2027-13-45\n", ("no YAML",)),
    "it is no text": Refused(b"stores: \xff\xfe" + URL.encode(), ("no YAML",)),
    "a store is a URL": Refused(
        f"stores: {{default: '{URL}'}}\n",
        ("stores.default", "driver, url or urlFile or servers, tls, maxBeatsPerSecond"),
    ),
    "a store is nothing": Refused(
        "stores: {default: }\n", ("stores.default", "driver, url or urlFile or servers, tls, maxBeatsPerSecond")
    ),
    "a store has a field of another name": Refused(
        f"stores: {{default: {{driver: db, uri: '{URL}'}}}}\n",
        ("stores.default", "driver, url or urlFile or servers, tls, maxBeatsPerSecond"),
    ),
    "a store has a name with capitals": Refused("stores: {Default: {driver: db, url: x}}\n", ("stores.Default", "a-z")),
    "a store has a name that ends with a hyphen": Refused("stores: {a-: {driver: db, url: x}}\n", ("stores.a-", "a-z")),
    "a store has a name of 64 characters": Refused(f"stores: {{{'a' * 64}: {{driver: db, url: x}}}}\n", ("63",)),
    "a store has no name": Refused("stores: {'': {driver: db, url: x}}\n", ("a-z",)),
    "a store has no driver": Refused(f"stores: {{default: {{url: '{URL}'}}}}\n", ("stores.default.driver", "db")),
    "a store has an unknown driver": Refused(
        f"stores: {{default: {{driver: redis, url: '{URL}'}}}}\n", ("stores.default.driver", "'redis'", "db")
    ),
    "a store has neither URL nor file": Refused("stores: {default: {driver: db}}\n", ("either url or urlFile",)),
    "a store has both": Refused(
        f"stores: {{default: {{driver: db, url: '{URL}', urlFile: /x}}}}\n", ("stores.default", "either url or urlFile")
    ),
    "a store has an empty URL": Refused("stores: {default: {driver: db, url: ''}}\n", ("either url or urlFile",)),
    "a database has servers": Refused(
        "stores: {a: {driver: db, servers: [x]}}\n", ("stores.a", "either url or urlFile")
    ),
    "a store has servers and a URL": Refused(
        f"stores: {{a: {{driver: mc, servers: [x], url: '{URL}'}}}}\n", ("stores.a", "either servers, or url")
    ),
    "servers are a text": Refused("stores: {a: {driver: mc, servers: 'x:1'}}\n", ("stores.a.servers", "a list")),
    "a server is a number": Refused("stores: {a: {driver: mc, servers: [11211]}}\n", ("stores.a.servers", "a list")),
    "a server has a port that is none": Refused("stores: {a: {driver: mc, servers: ['x:0']}}\n", ("host:port",)),
    "a server is a URL": Refused(f"stores: {{a: {{driver: mc, servers: ['{URL}']}}}}\n", ("memcached servers",)),
    "TLS of a database": Refused("stores: {a: {driver: db, url: x, tls: {}}}\n", ("stores.a", "servers of memcached")),
    "TLS beside a URL": Refused("stores: {a: {driver: mc, url: x, tls: {}}}\n", ("stores.a", "servers of memcached")),
    "TLS of no servers": Refused("stores: {a: {driver: mc, servers: [], tls: {}}}\n", ("stores.a.servers",)),
    "TLS is a word": Refused("stores: {a: {driver: mc, servers: [x], tls: yes}}\n", ("stores.a.tls", "caFile")),
    "TLS has a field of another name": Refused(
        f"stores: {{a: {{driver: mc, servers: [x], tls: {{password: {SECRET}}}}}}}\n", ("stores.a.tls", "caFile")
    ),
    "TLS has a file that is a number": Refused(
        "stores: {a: {driver: mc, servers: [x], tls: {caFile: 5}}}\n", ("stores.a.tls", "text")
    ),
    "TLS has a key and no certificate": Refused(
        "stores: {a: {driver: mc, servers: [x], tls: {keyFile: /k}}}\n", ("stores.a.servers", "ssl_cert")
    ),
    "a store bears nothing": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: 0}}\n", ("stores.a.maxBeatsPerSecond", "'0'", "above 0")
    ),
    "a store bears less than nothing": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: -5}}\n", ("stores.a.maxBeatsPerSecond", "'-5'")
    ),
    "a store bears a word": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: '100'}}\n", ("stores.a.maxBeatsPerSecond", "'100'")
    ),
    "a store bears what is true": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: yes}}\n", ("stores.a.maxBeatsPerSecond",)
    ),
    "a store bears more than there are": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: 1000001}}\n", ("1000000", "leave it out")
    ),
    "a store bears what is no number": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: .nan}}\n", ("stores.a.maxBeatsPerSecond", "'nan'")
    ),
    "a store bears without end": Refused(
        "stores: {a: {driver: db, url: x, maxBeatsPerSecond: .inf}}\n", ("stores.a.maxBeatsPerSecond", "'inf'")
    ),
    "a store's URL is a number": Refused("stores: {default: {driver: db, url: 5}}\n", ("either url or urlFile",)),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_stores_file_is_refused_without_what_it_holds_when(case: Refused, tmp_path: Path) -> None:
    file = tmp_path / "stores.yaml"
    file.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())

    with pytest.raises(InvalidSetting) as caught:
        read_stores(file)

    for word in (str(file), *case.words):
        assert word in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_stores_file_that_cannot_be_read_is_named_with_the_reason(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"cannot be read: (No such file|Is a directory)"):
        read_stores(tmp_path / name)


def test_stores_have_names_drivers_and_addresses(tmp_path: Path) -> None:
    file = tmp_path / "stores.yaml"
    file.write_text(
        "stores:\n"
        "  default: {driver: db, urlFile: /etc/servicegroup/url}\n"
        "  edge-2: {driver: db, url: 'sqlite:////var/lib/servicegroup/edge.db'}\n"
        "  7: {driver: db, url: 'sqlite:////var/lib/servicegroup/seven.db'}\n"
        "  cache: {driver: mc, servers: ['mc-0:11211', '[::1]', mc-1]}\n"
        "  in-process: {driver: mc, servers: []}\n"
        "  secure: {driver: mc, servers: [mc-0, mc-1], tls: {caFile: /a+b/c a.pem, certFile: /c, keyFile: /k}}\n"
        "  public: {driver: mc, servers: [mc-0], tls: }\n"
        "  paced: {driver: db, url: 'sqlite:////p.db', maxBeatsPerSecond: 500}\n"
        "  slow: {driver: mc, servers: [mc-0], maxBeatsPerSecond: 0.5}\n"
        "  free: {driver: db, url: 'sqlite:////f.db', maxBeatsPerSecond: }\n",
        encoding="utf-8",
    )

    assert read_stores(file) == {
        "default": StoreConfig("default", "db", url_file="/etc/servicegroup/url"),
        "edge-2": StoreConfig("edge-2", "db", url="sqlite:////var/lib/servicegroup/edge.db"),
        "7": StoreConfig("7", "db", url="sqlite:////var/lib/servicegroup/seven.db"),
        "cache": StoreConfig("cache", "mc", url="memcached://mc-0:11211,[::1],mc-1/"),
        "in-process": StoreConfig("in-process", "mc", url="memory:"),
        "secure": StoreConfig(
            "secure", "mc", url="memcacheds://mc-0,mc-1/?ssl_ca=/a%2Bb/c+a.pem&ssl_cert=/c&ssl_key=/k"
        ),
        "public": StoreConfig("public", "mc", url="memcacheds://mc-0/?"),
        "paced": StoreConfig("paced", "db", url="sqlite:////p.db", beats_per_second=500.0),
        "slow": StoreConfig("slow", "mc", url="memcached://mc-0/", beats_per_second=0.5),
        "free": StoreConfig("free", "db", url="sqlite:////f.db"),
    }
    assert parse("memcacheds://mc-0,mc-1/?ssl_ca=/a%2Bb/c+a.pem&ssl_cert=/c&ssl_key=/k").tls == Tls(
        "/a+b/c a.pem", "/c", "/k"
    )


def test_without_a_file_there_is_one_store_of_sqlite() -> None:
    (store,) = default_stores().values()

    assert (store.name, store.driver) == ("default", "db")
    assert store.url is not None
    assert store.url.startswith("sqlite:///")


def test_a_file_of_a_url_is_read_when_the_store_is_opened_so_that_it_may_be_mounted_late(tmp_path: Path) -> None:
    file = tmp_path / "url"
    store = StoreConfig("edge", "db", url_file=str(file))
    with pytest.raises(InvalidSetting, match=r"store 'edge' names .*No such file"):
        store.open(store_id="default")

    file.write_text(f"sqlite:///{tmp_path}/edge.db\n", encoding="utf-8")
    opened = store.open(store_id="default")

    assert opened.health(timeout=2.0).epoch
    opened.close()


REFUSED_URLS = {
    "an unknown scheme": (f"redis://nova:{SECRET}@db/0", "'redis'"),
    "a bracket in its password": (f"postgresql://nova:{SECRET}[@db/nova", "store URL"),
    "a sign in its password that stands for several": (f"postgresql://nova:{SECRET}\u2100@db/nova", "store URL"),
    "no scheme": (f"nova/{SECRET}", "scheme ''"),
    "SQLite and a password": (f"sqlite://nova:{SECRET}@db/nova", "not the address of a file"),
    "SQLite and a key as a query": (f"sqlite:////var/lib/a.db?key={SECRET}", "not the address of a file"),
    "SQLite and a host": ("sqlite://relative.db", "not the address of a file"),
    "SQLite and no file": ("sqlite:///", "not the address of a file"),
    "SQLite and memory": ("sqlite://", "not the address of a file"),
    "SQLite and a NUL in the file's name": ("sqlite:////var/lib/a\x00.db", "not the address of a file"),
    "nothing in it": ("", "scheme ''"),
    "memcached and a password": (f"memcached://nova:{SECRET}@mc/", "host:port"),
    "memcached and a path": (f"memcached://mc/{SECRET}", "not the address of memcached servers"),
    "memcached and nobody": ("memcached:///", "not the address of memcached servers"),
    "memcached and an empty server": ("memcached://mc,,mc2/", "host:port"),
    "memcached and a port too high": ("memcached://mc:65536/", "host:port"),
    "memcached and a bare IPv6 address": ("memcached://fd00::1/", "host:port"),
    "memcached and options without TLS": (f"memcached://mc/?ssl_ca={SECRET}", "takes no options: for TLS"),
    "memcached and a question mark": ("memcached://mc?", "memcached://host:port"),
    "memcached by TLS and nobody": (f"memcacheds://?ssl_ca=/{SECRET}", "not the address of memcached servers"),
    "memcached by TLS and another option": (
        f"memcacheds://mc/?ssl_check_hostname={SECRET}",
        "option 'ssl_check_hostname' is not allowed; allowed: ssl_ca",
    ),
    "memcached by TLS and an empty option": ("memcacheds://mc/?ssl_ca=", "option ssl_ca is empty"),
    "memcached by TLS and a NUL in a file's name": (
        "memcacheds://mc/?ssl_ca=/a%00b",
        "option ssl_ca is empty or no text",
    ),
    "memcached by TLS and an option twice": ("memcacheds://mc/?ssl_ca=/a&ssl_ca=/b", "given twice"),
    "memcached by TLS and a key alone": (f"memcacheds://mc/?ssl_key=/{SECRET}", "ssl_key is given without ssl_cert"),
    "memcached by TLS and a name that is none": (
        f"memcacheds://mc/?ssl_server_name=.{SECRET}",
        "ssl_server_name is no host's name",
    ),
}


@pytest.mark.parametrize(("url", "words"), REFUSED_URLS.values(), ids=REFUSED_URLS.keys())
def test_a_url_is_refused_with_what_is_allowed_and_without_its_password_that_has(url: str, words: str) -> None:
    with pytest.raises(InvalidStore) as caught:
        open_store(url, store_id="default")

    assert words in str(caught.value)
    assert "sqlite:////absolute/path" in str(caught.value) or "memcached://host:port" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(InvalidSetting, match="store 'edge': "):
        StoreConfig("edge", "db", url=url).open(store_id="default")


def test_a_folder_that_cannot_be_made_is_trouble_that_may_pass(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match="its folder cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/deeper/a.db", store_id="default")


def test_a_driver_whose_url_is_another_drivers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="store 'edge': its URL is one of the driver db, not mc"):
        StoreConfig("edge", "mc", url=f"sqlite:///{tmp_path}/edge.db").open(store_id="default")


ADDRESSES = {
    "a name": ("memcached://mc/", ["mc:11211"]),
    "a port": ("memcached://mc:5", ["mc:5"]),
    "several, one of them twice": ("memcached://a:1,b,a:1/", ["a:1", "b:11211"]),
    "IPv6": ("memcached://[::1]:7,[fd00::2]/", ["[::1]:7", "[fd00::2]:11211"]),
}


@pytest.mark.parametrize(("url", "servers"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_servers_are_read_from_a_url(url: str, servers: list[str]) -> None:
    location = parse(url)

    assert [str(one) for one in location.servers] == servers
    assert location.tls is None


OPTIONS = {
    "none": ("memcacheds://mc", Tls()),
    "an authority": ("memcacheds://mc/?ssl_ca=/tls/ca.pem", Tls("/tls/ca.pem")),
    "all": ("memcacheds://mc:5?ssl_ca=%2Fa&ssl_cert=/b&ssl_key=/c&ssl_server_name=mc.a", Tls("/a", "/b", "/c", "mc.a")),
    "an address as the name": ("memcacheds://mc/?ssl_server_name=fd00::1", Tls(server_name="fd00::1")),
}


@pytest.mark.parametrize(("url", "tls"), OPTIONS.values(), ids=OPTIONS.keys())
def test_tls_is_read_from_a_url(url: str, tls: Tls) -> None:
    assert parse(url).tls == tls
