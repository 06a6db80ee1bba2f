"""`make test-scenarios`: every scenario on every store to which it applies; the table goes to docs/failure-modes.md.

ARGS="--only 'stands still' --stores sqlite,postgresql" plays some; then nothing is written. It fails when a verdict was
wrong.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.scenarios.bench import STORES, bench
from tests.scenarios.catalogue import SECTIONS
from tests.scenarios.scenario import Played, play
from tests.scenarios.table import document, line

PAGE = Path(__file__).parents[2] / "docs" / "failure-modes.md"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make test-scenarios")
    parser.add_argument("--only", default="", help="words of a scenario's name")
    parser.add_argument("--stores", default=",".join(STORES), help="some of them, with commas; default: %(default)s")
    given = parser.parse_args(arguments)
    chosen = {
        section: [one for one in scenarios if given.only in f"{section}: {one.name}"]
        for section, scenarios in SECTIONS.items()
    }
    total, number, began, wrong, left_out = sum(map(len, chosen.values())), 0, time.monotonic(), 0, 0
    played: dict[str, list[Played]] = {}
    with tempfile.TemporaryDirectory(prefix="servicegroup-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with bench(folder, stores=given.stores.split(","), alone=True) as site:
            for section, scenarios in chosen.items():
                for one in scenarios:
                    number += 1
                    print(f"{number}/{total} {section}: {one.name}", flush=True)
                    if one.needs in site.lacks:
                        print(f"    left out: {site.lacks[one.needs]}", flush=True)
                        left_out += 1
                        continue
                    try:
                        done = play(one, site)
                    except Exception:  # noqa: BLE001 - the others are played all the same
                        wrong += 1
                        traceback.print_exc()
                        continue
                    played.setdefault(section, []).append(done)
                    wrong += not done.sound
                    for store, figures in done.figures.items():
                        print(f"    {line(store, figures)}", flush=True)
                    if not done.sound:
                        print(f"  WRONG: {done.told()}", flush=True)
    right, minutes = total - wrong - left_out, (time.monotonic() - began) / 60
    print(f"{right} of {total} scenarios are as they must be, {left_out} are left out, in {minutes:.0f} min")
    if not (given.only or left_out) and given.stores == parser.get_default("stores"):
        PAGE.write_text(document(played), encoding="utf-8")
    required = os.environ.get("REQUIRE_ALL") == "1"
    return 1 if wrong or not total or (left_out and required) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
