"""What a person, or a scheduler, does to a group: by the API server, by the command line, by the package."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from servicegroup import ServiceGroup

from tests.scenarios.places import Place
from tests.scenarios.world import World

PATIENCE = 60.0
"""Seconds for a command."""


def override(world: World, place: Place, *entries: Mapping[str, Any]) -> None:
    """These entries and no others."""
    world.bench.edit(world.namespace, place.name, {"spec": {"overrides": list(entries)}})


def command(world: World, *words: str) -> None:
    """`servicegroup` as an administrator calls it; its failure is a finding."""
    done = subprocess.run(
        [sys.executable, "-m", "servicegroup", *words],
        env={"PATH": "", "KUBECONFIG": str(world.bench.plane.kubeconfig())},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    world.find(f"servicegroup {' '.join(words)}: {done.stdout}{done.stderr}", true=done.returncode == 0)


def release(world: World, place: Place) -> None:
    command(world, "release", f"{world.namespace}/{place.name}")


def asked(world: World, place: Place, member: str) -> str:
    """The verdict that a scheduler is given by the store, or by a gateway."""
    with closing(ServiceGroup(world.addresses[place.name], f"{world.namespace}/{place.name}")) as group:
        return str(group.member(member).verdict)


def remake(world: World, place: Place) -> None:
    """Delete the group, and make it again as it was."""
    world.bench.delete(world.namespace, place.name)
    world.bench.create(world.namespace, place.name, {"store": place.name, **world.spec})
