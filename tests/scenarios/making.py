"""A scenario's world is made: an operator that looks, groups, and crews that are all Up; and all of it ends with it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from servicegroup.clock import monotonic
from servicegroup.model import GroupKey

from tests.scenarios.bench import Bench
from tests.scenarios.gaps import Gaps
from tests.scenarios.hearing import hearing
from tests.scenarios.ledger import UP, Pace
from tests.scenarios.operators import Operator
from tests.scenarios.pace import CREWS, PACE
from tests.scenarios.places import Place
from tests.scenarios.world import STARTS_WITHIN, World


@contextmanager
def world(
    bench: Bench,
    places: Sequence[Place],
    *,
    crews: Mapping[str, int] = CREWS,
    spec: Mapping[str, Any] | None = None,
    clocked: bool = False,
    pace: Pace = PACE,
) -> Iterator[World]:
    """Members that are all Up, watched for long enough that each could be found dead. `clocked`: the operator's time of
    day is what a file says.
    """
    namespace = bench.namespace()
    folder = bench.folder / namespace
    folder.mkdir()
    clock = folder / "clock" if clocked else None
    if clock is not None:
        clock.write_text("+0", encoding="ascii")
    stores = {place.name: {"driver": place.driver, "url": place.operator_url} for place in places}
    (folder / "stores.yaml").write_text(yaml.safe_dump({"stores": stores}), encoding="utf-8")
    policy = {
        "reportIntervalSeconds": int(pace.interval),
        "serviceDownTimeSeconds": int(pace.down_time),
        **(spec or {}),
    }
    operator = Operator(namespace, folder, bench.kubeconfig, clock)
    with hearing(folder / "decisions.jsonl") as heard:
        addresses = {place.name: place.admit(namespace, clock=clock) for place in places}
        one = World(bench, places, namespace, folder, heard, operator, pace, policy, addresses)
        try:
            for place in places:
                bench.create(namespace, place.name, {"store": place.name, **policy})
            with one.operator_gone():
                pass
            for place in places:
                # A file's ages are by the clock of whoever reads them, and ours does not step.
                if not (clocked and place.url.startswith("sqlite")):
                    key = GroupKey(namespace, place.name)
                    one.gaps[place.name] = Gaps(place, key, longest=pace.interval / 2)
            for place in places:
                for name, count in crews.items():
                    one.join(place, name, [f"{name}-{number}" for number in range(count)])
            _watched(one, everyone=sum(crews.values()))
            yield one
        finally:
            one.close()
            bench.clean(namespace)


def _watched(one: World, *, everyone: int) -> None:
    def all_up() -> bool:
        return all(list(one.verdicts(place).values()) == [UP] * everyone for place in one.places)

    began = monotonic()
    assert one.heard.wait(all_up, until=began + STARTS_WITHIN), f"not all are Up: {one.operator.log[-3000:]}"
    # T since the store was first looked at: a death is due T after it from here on.
    one.rest(max(0.0, began + one.pace.down_time - monotonic()))
