"""`python -m tests.compare`: Nova's service groups, a Kubernetes without us, and ours, under the same faults.

Faults and systems come in by flags; tables go out as Markdown, and an exit code: 0 it ran, whoever won, 1 it did not.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compare import kept
from tests.compare.comparing import compare
from tests.compare.faults import Fault, faults_named
from tests.compare.plan import MEMBERS, Plan
from tests.compare.report import report
from tests.compare.systems import Kind, named, scaled
from tests.contract.databases import Absent
from tests.localcluster import LocalClusterError, ProgressLine

DOCUMENT = Path(__file__).parents[2] / "docs" / "compare.md"


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through everything that cleans up
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        systems = [scaled(one, arguments.scale) for one in named(arguments.systems.split(","))]
        faults = faults_named(arguments.only.split(","))
    except ValueError as error:
        parser.error(str(error))
    if arguments.members < 1 or arguments.scale <= 0:
        parser.error(f"--members {arguments.members} --scale {arguments.scale:g}: at least 1, and more than 0")
    try:
        if arguments.again is not None:
            found = kept.read(arguments.again)
        else:
            with _folder(arguments.folder) as folder, ProgressLine(stream=sys.stderr) as progress:
                found = compare(Plan(systems, faults, arguments.members, arguments.scale, folder), progress)
                kept.write(found)
    except (LocalClusterError, Absent, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = report(found)
    print(text, end="")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
