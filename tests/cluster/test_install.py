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


def test_the_image_runs_as_a_number_and_holds_no_installer(site: Site) -> None:
    site.apply(daemon_set())
    pod = site.until_ready()
    script = "id -u; python3 -c 'import pip' 2>&1 | tail -1; command -v pip gcc cc || true"
    said = site.execute(pod, "sh", "-c", script).splitlines()
    assert said == ["65532", "ModuleNotFoundError: No module named 'pip'"]
