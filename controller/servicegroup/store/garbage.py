"""Keeps Python's garbage collector still while thousands of values are made at once.

It runs by the number of values that were made, and each run looks at what is there: making ten thousand facts had it
walk through the whole process several times, for more than the facts themselves took. It finds nothing there, since
they hold no cycles. It is one for the process, hence the lock; other threads go without it for the milliseconds that
a block takes, so nothing inside may wait for a server.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0
_was_on = False


@contextmanager
def uncollected() -> Iterator[None]:
    global _inside, _was_on  # noqa: PLW0603 - the collector is the process's, and so is who switched it off
    with _lock:
        if _inside == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _was_on:
                gc.enable()
