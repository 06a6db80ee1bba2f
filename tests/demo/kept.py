"""KEEP=1: where what is kept stands, whether it runs, how it ends. Only recorded processes are touched, by pid and
start time.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.demo.agents import RECORD
from tests.demo.steps import ActEnded
from tests.localcluster import processes, stop_kept
from tests.localcluster.controlplane import RECORD as PLANE_RECORD

CONTROL_PLANE = "control-plane"


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """One for each user: one demo can be kept at a time."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # unset, or to be ignored by the XDG base directory specification
        state = Path.home() / ".local" / "state"
    return state / "servicegroup" / "demo"


@contextmanager
def claimed(home: Path) -> Iterator[None]:
    """The folder is made anew, and goes at the end unless something runs there. Raises ActEnded while another demo is
    kept there, and OSError.
    """
    if _running(home):
        raise ActEnded(f"A demo is kept running already, in {home}: end it with `make demo-stop`, or leave KEEP=1 out.")
    shutil.rmtree(home, ignore_errors=True)  # of a demo that was there before this machine was started again
    home.mkdir(mode=0o700, parents=True)
    try:
        yield
    finally:
        if not _running(home):
            shutil.rmtree(home)


def stop(home: Path) -> str:
    """End what is kept; what was done, in a sentence. Raises LocalClusterError, OSError."""
    if not home.exists():
        return "No demo is kept running: there is nothing to stop."
    stopped = sum(processes.stop_recorded(one) for one in reversed(_recorded(home / RECORD)))
    plane = home / CONTROL_PLANE
    stopped += sum(processes.identify(one.pid) == one for one in _recorded(plane / PLANE_RECORD))
    if (plane / PLANE_RECORD).exists():
        stop_kept(plane)
    shutil.rmtree(home)
    return f"Stopped {stopped} processes and removed {home}."


def _running(home: Path) -> bool:
    recorded = _recorded(home / RECORD) + _recorded(home / CONTROL_PLANE / PLANE_RECORD)
    return any(processes.identify(one.pid) == one for one in recorded)


def _recorded(file: Path) -> list[processes.Identity]:
    try:
        return list(processes.read_records(file).values())
    except FileNotFoundError:
        return []


def farewell(kubeconfig: Path, *, kubectl: Path, url: str, victim: tuple[str, int]) -> list[str]:
    """What the person may try, a line each; `victim` is a member with the pid of its agent."""
    member, pid = victim
    servicegroup = Path(sys.executable).with_name("servicegroup")
    lines = ["All of act 2 is left running. In this terminal or another:", ""]
    if shutil.which("kubectl") is None:
        lines.append(f'  export PATH="{kubectl.parent}:$PATH"')
    return [
        *lines,
        f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}",
        "  kubectl get csg                 # add -o wide, or --watch",
        "  kubectl describe csg compute",
        "  kubectl explain csg.spec",
        "  kubectl wait --for=condition=Available csg/compute",
        f"  export SERVICEGROUP_STORE_URL={shlex.quote(url)}",
        f"  {shlex.quote(str(servicegroup))} members compute",
        f"  kill -9 {pid:<7}                 # the agent of {member}: Down a while later",
        "  make demo-stop                  # end all of it",
    ]
