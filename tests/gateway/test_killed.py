"""A gateway that is killed under load, with another beside it: agents go to the other, and nothing told is lost."""

import signal
from pathlib import Path

import pytest
from servicegroup.model import GroupKey
from servicegroup.store import Store

from tests.apiserver.operators import until
from tests.gateway.crowd import crowd
from tests.gateway.gateways import Gateway, running
from tests.gateway.tokens import Tokens

INTERVAL = 2.0
DOWN_TIME = 6 * INTERVAL
MEMBERS = 400
"""200 beats a second of real clients in this process; the gateways share two cores with them."""


@pytest.mark.timeout(180, func_only=True)
def test_agents_go_to_the_other_and_no_acknowledged_beat_is_lost(
    gateway: Gateway, tokens: Tokens, store: Store, folder: Path
) -> None:
    key = GroupKey.parse(tokens.group())
    token = tokens.file(tokens.of_subject("outside", "beat"))
    names = [f"node-{number}" for number in range(MEMBERS)]
    with running(Gateway(gateway.arguments, gateway.environ, folder, name="doomed")) as doomed:
        hosts = ",".join(one.url.removeprefix("http://") for one in (doomed, gateway))
        with crowd(f"http://{hosts}/?token_file={token}", key, names, interval=INTERVAL) as told:
            until(lambda: len(told.acknowledged) == MEMBERS, why="all have joined")
            until(lambda: told.beats > 4 * MEMBERS, why="they beat")
            doomed.end(signal.SIGKILL)
            before = told.beats
            until(lambda: told.beats > before + 4 * MEMBERS, why="they beat by the other", seconds=60.0)
    written = {fact.member: fact.sequence for fact in store.read([key], timeout=30.0).facts[key]}
    assert {name: number for name, number in told.acknowledged.items() if written.get(name, 0) < number} == {}
    assert told.longest < DOWN_TIME, "nobody was silent for long enough to be called down"


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
