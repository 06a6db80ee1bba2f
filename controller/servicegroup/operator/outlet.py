"""Where the loops' results go. Without Kubernetes they go nowhere but the store and the log; with it, see
`publishing`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from servicegroup.model import GroupKey
from servicegroup.operator.decisions import Notice
from servicegroup.operator.groups import Wanted


class Outlet(Protocol):
    def latest(self, wanted: Wanted) -> Mapping[str, Any]:
        """The status that the next one follows."""

    def status(self, wanted: Wanted, status: Mapping[str, Any]) -> None: ...
    def notices(self, wanted: Wanted, told: list[Notice]) -> None: ...


class StoreOnly:
    """Remembers the statuses, so that their conditions keep their times."""

    def __init__(self) -> None:
        self._latest: dict[GroupKey, Mapping[str, Any]] = {}

    def latest(self, wanted: Wanted) -> Mapping[str, Any]:
        return self._latest.get(wanted.key, wanted.status)

    def status(self, wanted: Wanted, status: Mapping[str, Any]) -> None:
        self._latest[wanted.key] = status

    def notices(self, wanted: Wanted, told: list[Notice]) -> None:
        """The log has them."""
