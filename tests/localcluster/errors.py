"""The one exception of this package. Separate so that every module may raise it without importing another."""

from __future__ import annotations

__all__ = ["LocalClusterError"]


class LocalClusterError(Exception):
    """What went wrong, with the value, and what to do: ready to be shown to a person as it is."""
