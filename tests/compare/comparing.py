"""The two runs of a comparison beside each other: a plan comes in, figures go out."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cluster import image
from tests.compare import environment, faulting, kubelet
from tests.compare.faults import Fault
from tests.compare.kept import Found
from tests.compare.lanes import Progress, beside
from tests.compare.observations import Figures, figures
from tests.compare.plan import Plan, Seen
from tests.compare.systems import Kind
from tests.compare.versions import versions
from tests.localcluster import CONTROL_PLANE, NODE, LocalClusterError, find_or_build, lacking
from tests.localcluster.binaries import cache_home

__all__ = ["compare"]

NOTHING = Seen({}, {}, {})


def compare(plan: Plan, progress: Callable[[str], None]) -> Found:
    """Whatever must be compiled or fetched is there before anything starts. Where no kubelet runs, its lines say why.

    Raises LocalClusterError and Absent.
    """
    others = len(plan.of(Kind.KUBERNETES)) < len(plan.systems)
    nodes = bool(plan.of(Kind.KUBERNETES)) and not set(kubelet.ORDER).isdisjoint(plan.faults)
    reason = _no_kubelet() if nodes else ""
    if plan.of(Kind.NOVA):
        environment.find_or_make(progress=progress)
    nodes = nodes and not reason
    programs = find_or_build([*CONTROL_PLANE, *NODE] if nodes else CONTROL_PLANE, progress=progress)
    archive = image.build(cache_home(os.environ) / "image", progress=progress) if nodes else Path()

    def without(why: str) -> Seen:
        return Seen({}, {}, {one.name: why for one in plan.of(Kind.KUBERNETES)})

    def on_the_kubelet(tell: Progress) -> Seen:
        try:
            return kubelet.run(plan, programs=programs, image=archive, progress=tell)
        except LocalClusterError as error:
            return without(str(error).splitlines()[0])

    first, second = beside(
        lambda tell: faulting.run(plan, progress=tell) if others else NOTHING,
        lambda tell: on_the_kubelet(tell) if nodes else without(reason),
        progress=progress,
    )
    return Found(plan, {**_results(first), **_results(second)}, {**first.absent, **second.absent}, versions())


def _no_kubelet() -> str:
    missing = sorted(package for name, package in image.NEEDED.items() if shutil.which(name) is None)
    return lacking() or (f"the image needs {', '.join(missing)}" if missing else "")


def _results(seen: Seen) -> Mapping[str, Mapping[Fault, Figures]]:
    return {
        name: {
            fault: figures(seen.rounds[name], struck=one.struck, living=one.living, since=one.since, until=one.until)
            for fault, one in episodes.items()
        }
        for name, episodes in seen.episodes.items()
    }
