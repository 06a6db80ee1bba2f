"""The machine that the tests make within this one is gone with them, however they end."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.localcluster.namespaces import Machine, leftovers

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


def test_a_machine_whose_processes_were_all_killed_runs_others(parts: tuple[Mapping[str, Path], Path]) -> None:
    with Machine.start(pause=parts[0]["pause"]) as machine:
        started, log = machine.folder / "started", machine.folder / "work.log"
        work = machine.start_program(["sh", "-c", f"touch {started}; exec sleep 9999"], log=log)
        while not started.exists():
            time.sleep(0.01)
        machine.kill_all()
        work.popen.wait()
        assert machine.start_program(["true"], log=log).popen.wait() == 0
    assert leftovers(machine.name) == []
