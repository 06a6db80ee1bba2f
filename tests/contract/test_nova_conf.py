"""One nova.conf, as the document of service groups has it, is all that operator, agent and reader are given."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import servicegroup
from servicegroup import ServiceGroup
from servicegroup.__main__ import main
from servicegroup.store import open_store

from tests.contract import memcached
from tests.localcluster import processes

SOON = 30.0
GROUP = "kind: ComputeServiceGroup\nmetadata: {name: compute}\n"


@contextmanager
def running(*argv: str, folder: Path) -> Iterator[Path]:
    """A command of ours as a process; its log."""
    source = str(Path(servicegroup.__file__).parents[1])
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": source, "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    log = folder / f"{argv[0]}.log"
    child = processes.start([sys.executable, "-m", "servicegroup", *argv], log=log, environ=environ, folder=folder)
    try:
        yield log
    finally:
        processes.stop(child)


def test_agent_operator_and_reader_meet_by_the_config_file_alone(
    memcached_servers: Callable[[int, bool], list[memcached.Server]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = memcached_servers(1, False)
    nova, groups = tmp_path / "nova.conf", tmp_path / "groups.yaml"
    groups.write_text(GROUP, encoding="utf-8")
    nova.write_text(
        f'[DEFAULT]\nservicegroup_driver = "mc"\nmemcached_servers = {servers[0].address}\nhost = node-7\n'
        "report_interval = 1\nservice_down_time = 20\n",
        encoding="utf-8",
    )
    given = ("--config-file", str(nova), "--store-id", f"nova-conf-{os.getpid()}")

    with (
        running("operator", "--groups", str(groups), *given, folder=tmp_path),
        running("agent", "--group", "compute", *given, folder=tmp_path),
    ):
        deadline = time.monotonic() + SOON
        while main(["is-up", "compute", "node-7", *given]) != 0:
            assert time.monotonic() < deadline, capsys.readouterr().err
            time.sleep(0.1)

    assert capsys.readouterr().out.startswith("Up: Beating since")
    store = open_store(memcached.url(servers), store_id=given[-1])
    with ServiceGroup(store, "compute") as group:
        record = store.record(group.key, timeout=SOON)
    assert record is not None
    assert (record.header.policy.interval, record.header.policy.down_time) == (1.0, 20.0)
