"""Read by each Python whose clock is wrong: its sleep asks the kernel for a moment of a clock that faketime did not
change and converts all the same, which the kernel refuses. A wait for nothing takes as long.
"""  # noqa: INP001 - found by PYTHONPATH

import select
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex, /) -> None:
    select.select([], [], [], seconds if isinstance(seconds, float) else seconds.__index__())


time.sleep = sleep
