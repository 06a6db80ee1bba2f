"""A compute pod starts and serves as if there were no agent, whatever is wrong with that; and the group says so."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.site import AGENT, Site, daemon_set, injected

SYSTEM = "servicegroup-system"
SERVICE = "servicegroup-gateway"

REFUSED_TOKEN = {
    "volumes": [
        {
            "name": "servicegroup-token",  # the policy leaves alone what is there
            "projected": {"sources": [{"serviceAccountToken": {"audience": "someone-else", "path": "token"}}]},
        }
    ]
}
BAD_SETTING = {"annotations": {"servicegroup.dev/check": "telnet://localhost"}}


@contextmanager
def nobody_behind(kubectl: Callable[..., str], service: str) -> Iterator[None]:
    """Whoever connects to the service is refused meanwhile."""

    def select(nobody: str | None) -> None:
        patch = {"spec": {"selector": {"nobody": nobody}}}
        kubectl("patch", "service", "-n", SYSTEM, service, "--patch", json.dumps(patch))

    select("here")
    try:
        yield
    finally:
        select(None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(REFUSED_TOKEN, "401"), (BAD_SETTING, "SERVICEGROUP_CHECK")],
    ids=["the token is refused", "a setting is bad"],
)
def test_an_agent_that_cannot_join_harms_nothing_and_is_missing(
    site: Site, wrong: Mapping[str, Any], said: str
) -> None:
    site.create_group()
    site.apply(daemon_set(**wrong))
    pod = site.until_ready()
    assert len(injected(pod)) == 1
    assert site.serves(pod)
    site.until_member("Unknown", "Missing")
    assert said in site.kubectl("logs", "-n", site.namespace, pod["metadata"]["name"], "-c", AGENT)


def test_a_pod_starts_while_no_gateway_answers_and_joins_when_one_does(site: Site) -> None:
    site.create_group()
    with nobody_behind(site.kubectl, SERVICE):
        site.apply(daemon_set())
        pod = site.until_ready()
        assert len(injected(pod)) == 1
        assert site.serves(pod)
        status = site.until_member("Unknown", "Missing")
        assert status["counts"]["missing"] == 1
    site.until_member("Up", "Beating")
    assert not any("MembersDown" in alarm for alarm in site.alarms())
