"""Run by Python of Nova's own environment: the services of one system's nodes, each a process, until SIGTERM.

`nova_host SPEC PIDS`; SPEC is a file of JSON: `nodes` (name to the nova.conf it reads), `suffix` of the host names and
`interval`. Each process runs `nova.service.Service.start` as nova-compute does, with a manager that manages nothing:
the row, the timer and the beats are Nova's.
"""

import json
import sys
import time
from pathlib import Path

from nova import monkey_patch

monkey_patch.patch(backend="threading")  # as nova.cmd.compute does, and as early

from nova import config, manager, objects, service

from tests.compare import forks


class NoManager(manager.Manager):  # type: ignore[misc]
    """It stands where the manager of hypervisors stands."""

    def __init__(self, host: str | None = None) -> None:
        super().__init__(host, service_name="compute")


def main(spec: Path, pids: Path) -> None:
    given = json.loads(spec.read_text(encoding="utf-8"))
    nodes: dict[str, str] = given["nodes"]
    delays = {node: number * given["interval"] / len(nodes) for number, node in enumerate(nodes)}
    objects.register_all()

    def run(node: str) -> None:
        time.sleep(delays[node])  # nodes do not start in the same second, and their beats are spread for ever after
        config.parse_args(["nova-compute", "--config-file", nodes[node]])
        report = config.CONF.report_interval
        kind = f"{__name__}.{NoManager.__name__}"
        served = service.Service(node + given["suffix"], "nova-compute", "compute", kind, report_interval=report)
        served.start()
        while True:
            time.sleep(3600)

    forks.keep(nodes, run, pids=pids)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
