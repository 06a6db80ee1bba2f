"""The whole document of a run: what was compared, how, the tables, and what speaks for the others; text goes out."""

from collections.abc import Mapping

from tests.compare.plan import Plan
from tests.compare.table import Results, render
from tests.compare.versions import versions

__all__ = ["report"]

HEAD = """\
# Beside the others

`make compare` prints this page; `ARGS=--write` writes it. The same faults, in one run, on Nova's own service groups, on
what a Kubernetes user has without us, and on ours."""


def report(plan: Plan, results: Results, *, absent: Mapping[str, str]) -> str:
    options = "" if plan.scale == 1 else f" --scale {plan.scale:g}"
    tables = render(results, systems=plan.systems, faults=plan.faults, absent=absent, options=options)
    return f"{HEAD}\n\n{_versions()}\n\n{tables}"


def _versions() -> str:
    return "\n".join(f"- {one}" for one in versions())
