"""Groups that no loop tends: a spec that is refused, a store that nobody configured. They are told so in their
status.
"""

import time
from collections.abc import Collection

from servicegroup.operator.groups import Groups, Wanted
from servicegroup.operator.outlet import Outlet
from servicegroup.operator.status import refuse


async def report(groups: Groups, *, stores: Collection[str], outlet: Outlet) -> None:
    bell = groups.bell()
    while True:
        for wanted in groups.all():
            found = problem_of(wanted, stores=stores)
            if found is not None:
                reason, sentence = found
                status = refuse(
                    sentence,
                    reason=reason,
                    permanent=True,
                    generation=wanted.generation,
                    before=outlet.latest(wanted),
                    wall=time.time(),
                )
                outlet.status(wanted, status)
        await bell.wait()
        bell.clear()


def problem_of(wanted: Wanted, *, stores: Collection[str]) -> tuple[str, str] | None:
    """A condition's reason and message; None when a loop tends the group."""
    if wanted.spec is None:
        return "InvalidSpec", wanted.problem or "the spec is refused"
    if wanted.spec.store not in stores:
        known = ", ".join(sorted(stores))
        return (
            "UnknownStore",
            f"spec.store is {wanted.spec.store!r}: this operator has {known}; name one of them, or add it",
        )
    return None
