"""Keeps many processes that are forked from one which has loaded their program: many nodes start as fast as one.

Only the standard library is used: the environment that Nova is installed in runs this too. Nobody who ends is waited
for before the end, so that a pid never means another process than the one that was started.
"""

import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["keep"]

PR_SET_PDEATHSIG = 1


def keep(names: Iterable[str], run: Callable[[str], object], *, pids: Path) -> None:
    """Fork one for each name, write who they are into `pids`, and end them all at SIGTERM."""
    libc = ctypes.CDLL(None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    children: dict[str, int] = {}
    gc.collect()
    gc.freeze()  # else the first collection in each child copies the pages that all share
    try:
        for name in names:
            children[name] = os.fork()
            if children[name] == 0:
                libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
                _run(run, name)
        draft = pids.with_suffix(".draft")
        draft.write_text(json.dumps(children), encoding="utf-8")
        draft.rename(pids)
        signal.sigwait({signal.SIGTERM})
    finally:
        for pid in children.values():
            os.kill(pid, signal.SIGKILL)
        for pid in children.values():
            os.waitpid(pid, 0)


def _run(run: Callable[[str], object], name: str) -> None:
    code = 1
    try:
        run(name)
        code = 0
    except BaseException:  # noqa: BLE001 - a child that is forked must not run its parent's cleaning up
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
