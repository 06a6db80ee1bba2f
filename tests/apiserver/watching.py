"""The operator's watch alone, as a process: it prints the names of the groups whenever they change.

`python -m tests.apiserver.watching NAMESPACE QUIET`: QUIET are the seconds after which a watch is given up.
"""

import asyncio
import sys
from collections.abc import Sequence

from servicegroup.operator.groups import Groups
from servicegroup.operator.handlers import watch
from servicegroup.operator.roster import Roster


async def main(arguments: Sequence[str]) -> None:
    namespace, quiet = arguments
    groups = Groups()
    telling = asyncio.create_task(tell(groups))
    await asyncio.sleep(0)  # kopf cancels, on its way out, whatever was started after it
    roster = Roster(groups.policy_of)
    await watch(groups, roster, namespaces=(namespace,), liveness=None, stuck=lambda: None, quiet=float(quiet))
    telling.cancel()


async def tell(groups: Groups) -> None:
    bell = groups.bell()
    while True:
        await bell.wait()
        bell.clear()
        print("groups:", *sorted(one.key.name for one in groups.all()), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
