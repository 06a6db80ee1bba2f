"""The clock by which everything here waits and measures: nobody sets it, and it counts the time of a suspend."""

import time


def monotonic() -> float:
    """Seconds since some moment of this machine's start."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
