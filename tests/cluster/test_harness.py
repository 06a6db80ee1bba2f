"""The machine that the tests make within this one is gone with them, however they end."""

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.localcluster.namespaces import leftovers

ROOT = Path(__file__).parents[2]

OWNER = """
import sys, time
from pathlib import Path
from tests.localcluster.namespaces import Machine
machine = Machine.start(pause=Path(sys.argv[1]))
work = "ip link add br0 type bridge; setsid sleep 9999 {0} & mkdir {0}/m; mount -t tmpfs tmpfs {0}/m; sleep 9999 {0}"
machine.start_program(["sh", "-c", work.format(machine.folder)], log=machine.folder / "work.log")
while not (machine.folder / "m").exists():
    time.sleep(0.01)
print(machine.name, machine.keeper, flush=True)
time.sleep(9999)
"""


def test_nothing_is_left_of_a_machine_whose_owner_was_killed(parts: tuple[Mapping[str, Path], Path]) -> None:
    command = [sys.executable, "-c", OWNER, str(parts[0]["pause"])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        name, keeper = owner.stdout.readline().split()
        handle = os.pidfd_open(int(keeper))
        assert len(leftovers(name)) > 3
        owner.kill()
    gone = select.poll()
    gone.register(handle, select.POLLIN)
    gone.poll()
    os.close(handle)
    assert leftovers(name) == []
