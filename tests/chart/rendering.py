"""Helm as a program: values come in, manifests or its word against the values go out."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "charts" / "servicegroup"
RELEASE, NAMESPACE = "servicegroup", "servicegroup-system"
POLICIES = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"

Manifest = Mapping[str, Any]
Values = Mapping[str, Any]
NOTHING: Values = {}


@dataclass(frozen=True, slots=True)
class Helm:
    """`home` gets its caches; without a kubeconfig it asks no cluster."""

    program: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        environ = {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        if self.kubeconfig is not None:
            environ["KUBECONFIG"] = str(self.kubeconfig)
        done = subprocess.run(
            [self.program, *words], input=stdin, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def install(self, values: Values = NOTHING, *more: str, chart: Path = CHART) -> str:
        """Install it, or upgrade it; what it says."""
        words = ("upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, "--create-namespace", "-f", "-", *more)
        return self.run(*words, stdin=yaml.safe_dump(dict(values))).stdout

    def template(self, values: Values = NOTHING, *more: str) -> str:
        words = ("template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", "-", *more)
        return self.run(*words, stdin=yaml.safe_dump(dict(values))).stdout

    def render(
        self, values: Values = NOTHING, *, kubernetes: str = "1.37.0", apis: Sequence[str] = ()
    ) -> list[Manifest]:
        known = (word for api in apis for word in ("--api-versions", api))
        return parsed(self.template(values, "--kube-version", kubernetes, *known))

    def refusal(self, values: Values, *more: str) -> str:
        """What it says against these values, which it must not take."""
        words = ("template", RELEASE, str(CHART), "-n", NAMESPACE, "-f", "-", *more)
        done = self.run(*words, stdin=yaml.safe_dump(dict(values)), check=False)
        assert done.returncode != 0, "the values were taken"
        return done.stderr


def parsed(text: str) -> list[Manifest]:
    return [found for found in yaml.safe_load_all(text) if found]


def of_kind(manifests: Iterable[Manifest], kind: str) -> dict[str, Any]:
    """By name."""
    return {found["metadata"]["name"]: found for found in manifests if found["kind"] == kind}


def pod_templates(manifests: Iterable[Manifest]) -> dict[str, Any]:
    """Every pod that these make, by kind and name."""
    found = {}
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            template: Any = manifest
        elif isinstance(manifest.get("spec"), dict) and "template" in manifest["spec"]:
            template = manifest["spec"]["template"]
        else:
            continue
        found[f"{manifest['kind']}/{manifest['metadata']['name']}"] = template
    return found
