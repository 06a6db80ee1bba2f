"""A gateway that is killed under 500 beats a second, with another beside it, while an operator judges.

The store is a server, as it has to be for two gateways. Agents are the real beat loops on the real driver; what the
operator decided is read from its own record of transitions, and what it published from a watch of the resource.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch
from servicegroup.model import GroupKey
from servicegroup.store import Store, open_store

from tests.apiserver import operators
from tests.apiserver.operators import Kubectl, Site, account, until
from tests.contract.conftest import ready
from tests.contract.databases import Server
from tests.gateway.crowd import Crowd, crowd
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens

INTERVAL, DOWN_TIME = 2, 20
"""Seconds. T is ten intervals: a machine that serves a tenth of the load, for a while, still finds nobody silent."""

LOAD = 500
"""Beats a second, as asked for: an agent waits for an interval at most. What is reached is the machine's affair."""

MEMBERS = [f"node-{number}" for number in range(LOAD * INTERVAL)]
DYING = set(MEMBERS[::40])
"""They end with the gateway: that the operator finds them shows that it would have found others."""

LONG = 240.0


@contextmanager
def published(api: client.ApiClient, key: GroupKey) -> Iterator[list[dict[str, Any]]]:
    """Every status that is published meanwhile. The group is deleted at the end, which ends the watch."""
    place: dict[str, Any] = {
        "group": "servicegroup.dev", "version": "v1alpha1", "namespace": key.namespace,
        "plural": "computeservicegroups",
    }  # fmt: skip
    custom: Any = client.CustomObjectsApi(api)
    since = custom.list_namespaced_custom_object(**place)["metadata"]["resourceVersion"]
    found: list[dict[str, Any]] = []
    ended = threading.Event()

    def look() -> None:
        event: Any
        for event in watch.Watch().stream(custom.list_namespaced_custom_object, resource_version=since, **place):
            if event["type"] == "DELETED":
                ended.set()
                return
            found.append(event["object"].get("status", {}))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        custom.delete_namespaced_custom_object(**place, name=key.name)
        thread.join(timeout=LONG)
    assert ended.is_set(), "the watch saw everything there was"


def counts(statuses: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Up, down and unknown, as they were published last."""
    last = statuses[-1].get("counts", {}) if statuses else {}
    return last.get("up", 0), last.get("down", 0), last.get("unknown", 0)


def served(told: Crowd, *, beats: int) -> Callable[[], bool]:
    """Whether everyone that lives has been answered so many beats from now on."""
    before = dict(told.acknowledged)
    return lambda: all(
        told.acknowledged.get(name, 0) >= before.get(name, 0) + beats for name in MEMBERS if name not in DYING
    )


@pytest.mark.timeout(600, func_only=True)
def test_no_acknowledged_beat_is_lost_and_nobody_alive_is_called_down(  # noqa: PLR0917 - fixtures
    postgresql: Server,
    kubeconfig: Path,
    admin: client.ApiClient,
    kubectl: Kubectl,
    tokens: Tokens,
    tmp_path: Path,
) -> None:
    url = ready(postgresql).url()
    key = GroupKey.parse(tokens.group(reportIntervalSeconds=INTERVAL, serviceDownTimeSeconds=DOWN_TIME))
    token = tokens.file(tokens.of_subject("outside", "beat"))
    file = tmp_path / "decisions.jsonl"
    site = Site(
        namespace=tokens.namespace,
        folder=tmp_path,
        kubeconfig=account(kubectl, namespace=tokens.namespace, rules=operators.shipped_rules(), folder=tmp_path),
        arguments=("--namespaces", tokens.namespace, "--decisions", str(file)),
        store=url,
    )
    with published(admin, key) as statuses, operators.running(site):
        words = ["gateway", "--stores", str(tmp_path / "stores.yaml"), "--listen", "127.0.0.1:0", "--insecure-http"]
        environ = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}
        with (
            running(Gateway(words, environ, tmp_path, name="doomed")) as doomed,
            running(Gateway(words, environ, tmp_path, name="other")) as other,
        ):
            hosts = ",".join(one.url.removeprefix("http://") for one in (doomed, other))
            with crowd(f"http://{hosts}/?token_file={token}", key, MEMBERS, interval=INTERVAL) as told:
                until(lambda: counts(statuses) == (len(MEMBERS), 0, 0), why="all are Up", seconds=LONG)
                until(served(told, beats=3), why="they beat", seconds=LONG)
                beats, started = told.beats, time.monotonic()
                told.kill(DYING)
                doomed.end(signal.SIGKILL)
                # Before anybody's next beat, which would make good what was lost.
                assert lost(url, key, dict(told.acknowledged)) == {}
                alive = len(MEMBERS) - len(DYING)
                all_of_t = served(told, beats=3 + DOWN_TIME // INTERVAL)
                until(lambda: counts(statuses) == (alive, len(DYING), 0), why="the dead are Down", seconds=LONG)
                until(all_of_t, why="the others beat, for longer than T", seconds=LONG)
                reached = (told.beats - beats) / (time.monotonic() - started)
    print(f"{LOAD} beats a second were asked for, {reached:.0f} answered; {told.failed} calls failed")
    assert lost(url, key, told.acknowledged) == {}
    assert {one["member"] for status in statuses for one in status.get("notUp", ())} == DYING
    assert max(sum(counts([status])[1:]) for status in statuses) == len(DYING)
    decided = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {one["member"] for one in decided if one["after"] is None or one["after"]["verdict"] != "Up"} == DYING


def lost(url: str, key: GroupKey, acknowledged: Mapping[str, int]) -> dict[str, int]:
    """Sequences that were acknowledged, and are higher than in the store."""
    with closing(open_store(url, store_id="default")) as store:
        written = {fact.member: fact.sequence for fact in store.read([key], timeout=30.0).facts[key]}
    return {name: number for name, number in acknowledged.items() if written.get(name, 0) < number}


def test_a_receipt_is_given_for_what_is_written(store: Store, tokens: Tokens, gateway: Gateway) -> None:
    """The next moment after the answer, the beat is in the store."""
    key = GroupKey.parse(tokens.group())
    token = tokens.of_subject("outside", "beat")
    for sequence in range(1, 20):
        verb = "join" if sequence == 1 else "beat"
        body = {"group": str(key), "member": "a", "incarnation": "one", "sequence": sequence, "interval": 1.0}
        answer = gateway.ask("POST", f"/v1/{verb}", token=token, body=body)
        assert answer.body["owned"]
        (fact,) = store.read([key], timeout=30.0).facts[key]
        assert fact.sequence == sequence
