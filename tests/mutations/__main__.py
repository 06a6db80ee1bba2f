"""`make mutations`: the rules are got wrong one by one, in a copy, and the tests of the rules must notice each time.

It prints a line for each and fails when one survives. `ARGS="--only epoch"` takes those whose rule has the word.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutations.rules import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
PURE = ROOT / "controller" / "servicegroup"
TESTS = [
    f"tests/unit/test_{name}.py"
    for name in (
        "liveness",
        "observation",
        "lateness",
        "restore",
        "memcached_epochs",
        "status",
        "pods",
        "announcement",
        "evaluation",
        "mass_failure",
        "forgetting",
        "rules_properties",
        "rules_machine",
    )
]
"""The quick ones first: most mutations do not live to see the others."""

LONGEST = 900.0
"""Seconds for one mutation, which may well make a loop endless."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make mutations")
    parser.add_argument("--only", default="", help="a word of the rule's name")
    only = parser.parse_args(arguments).only
    chosen = [mutation for mutation in MUTATIONS if only in mutation.rule]
    survivors = 0
    for number, mutation in enumerate(chosen, start=1):
        started = time.monotonic()
        killer = killed_by(mutation)
        survivors += killer is None
        said = f"killed by {killer}" if killer else "SURVIVES"
        print(f"{number}/{len(chosen)} {mutation.rule}: {said} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutations are killed")
    return 1 if survivors or not chosen else 0


def killed_by(mutation: Mutation) -> str | None:
    """The first test that fails under it; None when all pass."""
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "servicegroup"
        shutil.copytree(PURE, package, ignore=shutil.ignore_patterns("__pycache__"))
        mutate(package / mutation.module, mutation)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "-o",
                f"pythonpath={scratch} .",
                *TESTS,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": scratch, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    if done.returncode == 0:
        return None
    failed = [line.removeprefix("FAILED ") for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    if done.returncode != 1 or not failed:  # no test failed: the tests themselves did not run
        raise SystemExit(f"{mutation.rule}: pytest ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return failed[0].partition("::")[2].partition(" ")[0]


def mutate(module: Path, mutation: Mutation) -> None:
    text = module.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.rule}: {mutation.module} has {mutation.old!r} {text.count(mutation.old)} times; bring "
            "tests/mutations/rules.py up to date"
        )
    module.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
