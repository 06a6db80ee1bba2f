"""`python -m tests.compare`: Nova's service groups, a Kubernetes without us, and ours, under the same faults.

Faults and systems come in by flags; tables go out as Markdown, and an exit code: 0 it ran, whoever won, 1 it did not.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import image
from tests.compare import environment, faulting, kept, kubelet
from tests.compare.faults import Fault
from tests.compare.kept import Found
from tests.compare.lanes import beside
from tests.compare.observations import Figures, figures
from tests.compare.plan import Plan, Seen
from tests.compare.report import report
from tests.compare.systems import Kind, named, scaled
from tests.compare.versions import versions
from tests.contract.databases import Absent
from tests.localcluster import CONTROL_PLANE, NODE, LocalClusterError, ProgressLine, find_or_build, lacking
from tests.localcluster.binaries import cache_home

DOCUMENT = Path(__file__).parents[2] / "docs" / "compare.md"
MEMBERS = 3
NOTHING = Seen({}, {})


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through everything that cleans up
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        systems = [scaled(one, arguments.scale) for one in named(arguments.systems.split(","))]
        faults = [Fault(name) for name in arguments.only.split(",")]
    except ValueError as error:
        parser.error(str(error))
    try:
        if arguments.again is not None:
            found = kept.read(arguments.again)
        else:
            with _folder(arguments.folder) as folder, ProgressLine(stream=sys.stderr) as progress:
                found = _found(Plan(systems, faults, arguments.members, arguments.scale, folder), progress)
                kept.write(found)
    except (LocalClusterError, Absent, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    text = report(found)
    print(text)
    if arguments.write:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """One that was named stays."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="servicegroup-compare-") as folder:
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.compare", description=__doc__)
    parser.add_argument("--only", metavar="FAULT,...", default=",".join(Fault), help="default: %(default)s")
    parser.add_argument("--systems", metavar="NAME,...", default=",".join(Kind),
                        help="or the beginning of names; default: %(default)s")  # fmt: skip
    parser.add_argument("--members", type=int, default=MEMBERS, help="nodes that each fault strikes (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="of all times of all systems, for trying (1)")
    parser.add_argument("--folder", type=Path, help="new or empty: logs and all that was said stay there")
    parser.add_argument(
        "--again", type=Path, metavar="FOLDER", help="nothing runs: the page of a run with that --folder"
    )
    parser.add_argument("--write", action="store_true", help="the tables into docs/compare.md as well")
    return parser


def _found(plan: Plan, progress: Callable[[str], None]) -> Found:
    """Whatever must be compiled or fetched is there before anything starts."""
    others = [one for one in plan.systems if one.kind is not Kind.KUBERNETES]
    nodes = plan.of(Kind.KUBERNETES)
    absent = {}
    if nodes and (reason := _no_kubelet()):
        absent, nodes = dict.fromkeys((one.name for one in nodes), reason), []
    if plan.of(Kind.NOVA):
        environment.find_or_make(progress=progress)
    programs = find_or_build([*CONTROL_PLANE, *NODE] if nodes else CONTROL_PLANE, progress=progress)
    archive = image.build(cache_home(os.environ) / "image", progress=progress) if nodes else Path()
    first, second = beside(
        lambda tell: faulting.run(plan, progress=tell) if others else NOTHING,
        lambda tell: kubelet.run(plan, programs=programs, image=archive, progress=tell) if nodes else NOTHING,
        progress=progress,
    )
    return Found(plan, {**_results(first), **_results(second)}, absent, versions())


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
