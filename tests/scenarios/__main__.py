"""`make test-scenarios`: every scenario on every store to which it applies; the table goes to docs/failure-modes.md.

ARGS="--only 'stands still' --stores sqlite,postgresql" plays some; then nothing is written. ARGS="--at-once 2" plays
two at a time, each with servers of its own. It fails when a verdict was wrong, and keeps that scenario's logs below
build/. `soak` as the first word is `make soak`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.scenarios import soak
from tests.scenarios.bench import STORES, bench
from tests.scenarios.catalogue import SECTIONS
from tests.scenarios.scenario import play
from tests.scenarios.table import Entry, document, entry, lines

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failure-modes.md"
LOGS = ROOT / "build" / "scenarios"
ALL = [(section, one) for section, scenarios in SECTIONS.items() for one in scenarios]


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == "soak":
        return soak.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="make test-scenarios")
    parser.add_argument("--only", default="", help="words of a scenario's name")
    parser.add_argument("--stores", default=",".join(STORES), help="some of them, with commas; default: %(default)s")
    parser.add_argument("--at-once", type=int, default=1, help="so many at a time; one takes some half of a core")
    parser.add_argument("--part", default="0/1", help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    began, what = time.monotonic(), commit()
    with tempfile.TemporaryDirectory(prefix="servicegroup-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # servers that are not root's look into it
        if given.kept is not None:
            return played(given, folder, kept=given.kept)
        kept = folder / "kept"
        same = ["--only", given.only, "--stores", given.stores, "--kept", str(kept)]
        parts = [
            subprocess.Popen([sys.executable, "-m", "tests.scenarios", *same, "--part", f"{part}/{given.at_once}"])
            for part in range(given.at_once)
        ]
        wrong = sum(part.wait() for part in parts)
        entries = [Entry(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    chosen = [one for section, one in ALL if given.only in f"{section}: {one.name}"]
    minutes = (time.monotonic() - began) / 60
    result = (
        f"{len(entries)} of {len(chosen)} scenarios were played in {minutes:.0f} min; in {wrong} something was wrong"
    )
    print(result)
    if len(entries) == len(ALL) and given.stores == parser.get_default("stores"):
        how = f"{what}, {given.at_once} at a time on {os.cpu_count()} cores: {result}"
        PAGE.write_text(document(entries, how=how), encoding="utf-8")
    missing = len(chosen) - len(entries) if os.environ.get("REQUIRE_ALL") == "1" else 0
    return 1 if wrong or missing or not entries else 0


def commit() -> str:
    """What was played, as Git names it; with what was changed since it is another thing, and says so."""
    git = ["git", "describe", "--always", "--dirty= with changes", "--exclude=*"]
    try:
        done = subprocess.run(git, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # an archive of the sources, or no Git
        return "no commit"
    return f"commit {done.stdout.strip()}"


def played(given: argparse.Namespace, folder: Path, *, kept: Path) -> int:
    """This process's part: in how many scenarios a verdict was wrong. Of each the entry is appended to a file."""
    part, parts = map(int, given.part.split("/"))
    chosen = [(number, *one) for number, one in enumerate(ALL) if given.only in f"{one[0]}: {one[1].name}"]
    wrong = 0
    with bench(folder, stores=given.stores.split(","), alone=True) as site:
        for number, section, one in chosen[part::parts]:
            print(f"{number + 1}/{len(ALL)} {section}: {one.name}", flush=True)
            if one.needs in site.lacks:
                print(f"    left out: {site.lacks[one.needs]}", flush=True)
                continue
            try:
                done = play(one, site)
            except Exception:  # noqa: BLE001 - the others are played all the same
                wrong += 1
                traceback.print_exc()
                continue
            told = entry(number, section, done)
            with kept.open("a") as file:
                file.write(json.dumps(asdict(told)) + "\n")
            shown = [f"{number + 1}/{len(ALL)} {section}: {one.name}", *(f"    {line}" for line in lines(told))]
            print("\n".join([*shown, *([] if done.sound else [f"  WRONG: {done.told()}"])]), flush=True)
            if not done.sound:
                wrong += 1
                logs = shutil.copytree(done.folder, LOGS / done.folder.name)
                print(f"  its logs: {logs.relative_to(ROOT)}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
