"""What stands twice, since a chart can only hold files of its own: the same to the byte."""

import pytest

from tests.chart.rendering import CHART, ROOT, Helm, of_kind, parsed

COPIES = {
    "crds": (ROOT / "crds", CHART / "files" / "crds", "*.yaml"),
    "roles": (ROOT / "deploy", CHART / "files" / "roles", "*-role.yaml"),
}


@pytest.mark.parametrize("what", COPIES)
def test_the_chart_holds_what_the_repository_holds(what: str) -> None:
    source, copy, pattern = COPIES[what]
    sources = {file.name: file.read_bytes() for file in source.glob(pattern)}
    copies = {file.name: file.read_bytes() for file in copy.iterdir()}
    assert sources
    assert copies == sources, f"`make chart` copies {source.name}/ into the chart"


def test_the_definition_is_rendered_as_it_stands(helm: Helm) -> None:
    rendered = helm.template()
    for file in COPIES["crds"][0].glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        assert text in rendered
        (definition,) = parsed(text)
        assert of_kind(parsed(rendered), definition["kind"])[definition["metadata"]["name"]] == definition
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definition_can_be_left_out(helm: Helm) -> None:
    assert not of_kind(helm.render({"crds": {"enabled": False}}), "CustomResourceDefinition")
