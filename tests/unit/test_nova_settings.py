"""`--config-file`: where nova.conf stands among the settings, and what agent, operator and readers make of it."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from servicegroup import config
from servicegroup.__main__ import main
from servicegroup.cli import operator as command
from servicegroup.config import InvalidSetting, Settings, with_nova_conf
from servicegroup.novaconf import NovaConf
from servicegroup.operator import run, stores
from servicegroup.operator.stores import StoreConfig

SECRET = "hunter2"  # noqa: S105 - what must not be shown
MC = "servicegroup_driver = mc\nmemcached_servers = mc-0:11211,mc-1\n"
URL = "memcached://mc-0:11211,mc-1/"

Given = Callable[..., Settings]


@pytest.fixture
def nova(tmp_path: Path) -> Callable[[str], str]:
    def write(options: str) -> str:
        file = tmp_path / "nova.conf"
        file.write_text(f"[DEFAULT]\n{options}\n[database]\nconnection = mysql://{SECRET}@db/nova\n", encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def given(nova: Callable[[str], str]) -> Given:
    """Settings with such options in a nova.conf."""

    def read(options: str, flags: Mapping[str, str | None] = {}, **environ: str) -> Settings:
        return with_nova_conf(Settings({"config_file": nova(options), **flags}, environ))

    return read


def test_the_file_is_named_by_a_flag_or_a_variable_and_the_flag_wins(nova: Callable[[str], str]) -> None:
    variable = {"SERVICEGROUP_CONFIG_FILE": nova("host = node-7")}

    assert with_nova_conf(Settings({}, variable)).nova == NovaConf(host="node-7")
    with pytest.raises(InvalidSetting, match=r"--config-file names '/nowhere'"):
        with_nova_conf(Settings({"config_file": "/nowhere"}, variable))
    assert with_nova_conf(Settings({"config_file": None}, {})).nova == NovaConf()


def test_flags_win_over_variables_and_both_over_the_file(given: Given) -> None:
    options = f"host = from-file\nreport_interval = 20\n{MC}"
    environ = {
        "SERVICEGROUP_MEMBER": "from-variable",
        "SERVICEGROUP_REPORT_INTERVAL": "5",
        "SERVICEGROUP_STORE_URL": "sqlite:////variable.db",
    }
    flags = {"member": "from-flag", "report_interval": "2", "store_url": "sqlite:////flag.db"}

    def read(settings: Settings) -> tuple[str, float, str]:
        return config.member(settings), config.report_interval(settings), config.store_url(settings)

    assert read(given(options)) == ("from-file", 20.0, URL)
    assert read(given(options, **environ)) == ("from-variable", 5.0, "sqlite:////variable.db")
    assert read(given(options, flags, **environ)) == ("from-flag", 2.0, "sqlite:////flag.db")


def test_a_file_of_a_url_wins_over_the_servers_of_the_config_file(given: Given, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sqlite:////mounted.db\n", encoding="utf-8")

    assert config.store_url(given(MC, {"store_url_file": str(tmp_path / "url")})) == "sqlite:////mounted.db"


def test_with_the_driver_db_the_store_is_the_default_one_and_not_novas_database(given: Given) -> None:
    assert config.store_url(given("servicegroup_driver = db", XDG_STATE_HOME="/state")).startswith("sqlite:////state/")


def test_a_file_without_times_leaves_the_defaults(given: Given) -> None:
    assert config.report_interval(given("")) == 10.0


def test_comments_in_latin_1_and_a_mark_at_the_beginning_are_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_bytes("\ufeff[DEFAULT]\n".encode() + "# Größe\nhost = a\n".encode("latin-1"))

    assert with_nova_conf(Settings({"config_file": str(file)}, {})).nova.host == "a"


BAD = {
    "it is not there": (None, "cannot be read: No such file"),
    "it is a folder": ("/", "cannot be read: Is a directory"),
    "its name is no name": ("\0", "cannot be read"),
}


@pytest.mark.parametrize(("name", "words"), BAD.values(), ids=BAD.keys())
def test_a_file_that_cannot_be_read_is_named_when(name: str | None, words: str, tmp_path: Path) -> None:
    path = name or f"{tmp_path}/nova.conf"
    with pytest.raises(InvalidSetting) as caught:
        with_nova_conf(Settings({}, {"SERVICEGROUP_CONFIG_FILE": path}))

    assert str(caught.value).startswith(f"SERVICEGROUP_CONFIG_FILE names {path!r}, which {words}")


@pytest.mark.parametrize(
    "argv",
    [("agent", "--group", "c"), ("operator",), ("members", "c"), ("is-up", "c", "m"), ("store", "init")],
    ids=lambda argv: argv[0],
)
def test_a_bad_value_ends_each_command_with_file_section_key_and_advice(
    argv: tuple[str, ...], nova: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = nova("report_interval = 0")

    assert main([*argv, "--config-file", file], {}) == 64
    said = capsys.readouterr().err
    assert f"--config-file names {file!r}: [DEFAULT] report_interval is '0': allowed are whole seconds" in said
    assert SECRET not in said


def test_an_agent_refuses_the_store_of_mc_without_servers(
    nova: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "--group", "c", "--config-file", nova("servicegroup_driver = mc")], {}) == 64

    said = capsys.readouterr().err
    assert "no operator would ever see" in said
    assert "memcached_servers" in said


def test_a_foreign_password_is_in_no_traceback(nova: Callable[[str], str]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        with_nova_conf(Settings({"config_file": nova(f"[x\n{SECRET}")}, {}))

    assert SECRET not in "".join(traceback.format_exception(caught.value))


OPERATORS = {
    "memcached servers": (NovaConf("mc", ("a:1",)), StoreConfig("default", "mc", url="memcached://a:1/"), ""),
    "mc without servers": (NovaConf("mc"), StoreConfig("default", "mc", url="memory:"), "where no agent reaches it"),
    "the driver db": (NovaConf("db", ("a:1",)), stores.default_stores()["default"], ""),
    "no word of a store": (NovaConf(), stores.default_stores()["default"], ""),
}


@pytest.mark.parametrize(("nova_conf", "store", "said"), OPERATORS.values(), ids=OPERATORS.keys())
def test_an_operators_default_store_is_that_of(
    nova_conf: NovaConf, store: StoreConfig, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert command._stores(None, nova_conf) == {"default": store}
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)


def test_an_operators_stores_file_wins_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "stores.yaml"
    file.write_text("stores: {edge: {driver: db, url: 'sqlite:////edge.db'}}\n", encoding="utf-8")

    with caplog.at_level(logging.INFO):
        assert set(command._stores(str(file), NovaConf("mc", ("a:1",)))) == {"edge"}
    assert f"stores: those of {file}; servicegroup_driver of the config file counts for nothing" in caplog.text


SPECS: Mapping[str, tuple[object, object]] = {
    "no spec": (None, {"reportIntervalSeconds": 20, "serviceDownTimeSeconds": 90}),
    "one of both": ({"reportIntervalSeconds": 5}, {"reportIntervalSeconds": 5, "serviceDownTimeSeconds": 90}),
    "other fields": ({"store": "x"}, {"reportIntervalSeconds": 20, "serviceDownTimeSeconds": 90, "store": "x"}),
    "a spec that is none": ("x", "x"),
}


@pytest.mark.parametrize(("spec", "filled"), SPECS.values(), ids=SPECS.keys())
def test_the_times_fill_a_groups_manifest_that_has(spec: object, filled: object) -> None:
    defaults = command._defaults(NovaConf(interval=20, down_time=90))
    body = {"metadata": {"name": "compute"}, "spec": spec}

    assert run.with_defaults(body, defaults) == {"metadata": {"name": "compute"}, "spec": filled}


def test_an_operator_over_kubernetes_says_that_the_times_apply_to_no_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    times = run.Configuration(stores={}, store_id="default", defaults=command._defaults(NovaConf(interval=20)))

    with pytest.raises(Exception, match=r"kube-?config|KUBECONFIG"):
        asyncio.run(run.with_kubernetes(times))

    assert "apply to no group of Kubernetes" in caplog.text
