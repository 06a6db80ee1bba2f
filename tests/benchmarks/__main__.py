"""`python -m tests.benchmarks`: what a beat and a read cost, as ratios to the bare driver's in the same run.

Sizes come in by flags; a table goes out, and an exit code: 0 all within the limits, 1 something is over. What is bare
is said in `bare`. Each ratio is the median of the rounds'; on a machine that does much else all of them rise.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from servicegroup.model import Beat

from tests.benchmarks.bare import Calls
from tests.benchmarks.measuring import Comparison, compared, rounds
from tests.benchmarks.places import KEY, PLACES, TIMEOUT, Place, first
from tests.contract.databases import Absent

CLIENT, SERVER = 1.5, 1.3
"""Limits of the ratios: what deadlines, checks and a pool may cost."""

STRIDE = 7919
"""A prime: beats go to all members, in an order that is none of the table's."""


SLICE = 250
"""Beats that one side writes before it is the other's turn: fewer than fill SQLite's write-ahead log."""


@dataclass(frozen=True, slots=True)
class Sizes:
    members: int
    beats: int
    reads: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call, made `times` times a slice by either side, on what `prepare` made before."""

    name: str
    times: int
    slices: int
    prepare: Callable[[], list[Beat]]
    ours: Callable[[list[Beat]], None]
    bare: Callable[[list[Beat]], None]


@dataclass(frozen=True, slots=True)
class Line:
    store: str
    call: str
    side: str
    found: Comparison
    limit: float

    @property
    def within(self) -> bool:
        return self.found.ratio <= self.limit

    def __str__(self) -> str:
        found = self.found
        spread = f"{found.least:.2f} to {found.greatest:.2f}"
        costs = f"{found.bare * 1e6:10.1f} {found.ours * 1e6:10.1f} {found.ratio:6.2f}"
        verdict = "PASS" if self.within else "MISS"
        return f"{self.store:11} {self.call:5} {self.side:7} {costs}  {spread:13} {self.limit:5}  {verdict}"


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through everything that cleans up
    arguments = _parser().parse_args(argv)
    sizes = Sizes(arguments.members, arguments.beats, arguments.reads, arguments.rounds)
    lines: list[Line] = []
    absent: list[str] = []
    for name in arguments.stores:
        try:
            lines += _measured(name, sizes)
        except Absent as error:
            absent.append(str(error))
    _progress("")
    print(f"\n{sizes.members} members; {sizes.rounds} rounds of {sizes.beats} beats and {sizes.reads} reads")
    missed = [f"{line.store} {line.call} {line.side}" for line in lines if not line.within]
    verdict = f"MISS: {', '.join(missed)}" if missed else f"PASS: all {len(lines)} within their limits"
    print(HEAD, *lines, *absent, verdict, sep="\n")
    return 0 if all(line.within for line in lines) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=list(PLACES), default=list(PLACES))
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--beats", type=int, default=2000, help="of a round (2000)")
    parser.add_argument("--reads", type=int, default=10, help="of a round (10)")
    parser.add_argument("--rounds", type=int, default=7)
    return parser


def _measured(name: str, sizes: Sizes) -> Iterator[Line]:
    members = [f"node-{number:05}.example.org" for number in range(sizes.members)]
    _progress(f"{name}: starts, with {sizes.members} members")
    with (
        tempfile.TemporaryDirectory(prefix="servicegroup-benchmark-") as folder,
        PLACES[name](Path(folder), members) as place,
        place.bare() as bare,
    ):
        for call in _calls(place, bare, members, sizes):
            found = []
            calls = call.times * call.slices
            for pair in rounds(
                call.prepare, call.ours, call.bare, count=sizes.rounds, slices=call.slices, server=place.server
            ):
                found.append(pair)
                _progress(f"{name}: {call.name}s, round {len(found)} of {sizes.rounds}")
            for side, limit in (("client", CLIENT), ("server", SERVER)):
                if side == "client" or place.server is not None:
                    ours, plain = ([getattr(pair[which], side) / calls for pair in found] for which in (0, 1))
                    yield Line(name, call.name, side, compared(ours, plain), limit)


def _calls(place: Place, bare: Calls, members: list[str], sizes: Sizes) -> Iterator[Call]:
    store, numbers = place.store, count(2)

    def beats() -> list[Beat]:
        place.settle()
        drawn = list(islice(numbers, SLICE))
        return [replace(first(members[number * STRIDE % len(members)]), sequence=number) for number in drawn]

    def beat_ours(beats: Iterable[Beat]) -> None:
        for beat in beats:
            receipt = store.beat(KEY, beat, timeout=TIMEOUT)
            assert receipt.owned
            assert receipt.interval is not None

    def beat_bare(beats: Iterable[Beat]) -> None:
        for beat in beats:
            assert bare.beat(beat)

    def read_ours(times: Iterable[Beat]) -> None:
        for _ in times:
            assert len(store.read([KEY], timeout=TIMEOUT).facts[KEY]) == len(members)

    def read_bare(times: Iterable[Beat]) -> None:
        for _ in times:
            assert bare.read() == len(members)

    yield Call("beat", SLICE, -(-sizes.beats // SLICE), beats, beat_ours, beat_bare)
    yield Call("read", 1, sizes.reads, lambda: [first("")], read_ours, read_bare)


HEAD = f"{'store':11} {'call':5} {'CPU':7} {'bare us':>10} {'ours us':>10} {'ratio':>6}  {'of rounds':13} limit"


def _progress(text: str) -> None:
    print(f"\r{text:70}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
