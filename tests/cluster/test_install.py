"""What a person does and sees first: install, a group, a label."""

from tests.cluster.site import Site, daemon_set, injected, state


def test_a_daemon_set_joins_by_its_label_alone(site: Site) -> None:
    site.create_group()
    site.apply(daemon_set())
    status = site.until_member("Up", "Beating")
    assert status["counts"]["summary"] == "1/1"
    pod = site.until_ready()
    (agent,) = injected(pod)
    assert agent["restartPolicy"] == "Always"
    assert state(pod, "servicegroup-agent")["state"].keys() == {"running"}
    assert site.alarms() == []
