"""A real Kubernetes API server on this machine, for tests and for the demo; nothing here is part of the product.

Separate from the tests because several kinds of them, and the demo, share it. `find_or_build` gives the programs,
`ControlPlane.start` runs them; all that a caller has to handle is LocalClusterError.
"""

from __future__ import annotations

from .binaries import CONTROL_PLANE, NODE, find_or_build
from .controlplane import ControlPlane, stop_kept
from .errors import LocalClusterError
from .node import lacking
from .progress import ProgressLine

__all__ = [
    "CONTROL_PLANE",
    "NODE",
    "ControlPlane",
    "LocalClusterError",
    "ProgressLine",
    "find_or_build",
    "lacking",
    "stop_kept",
]
