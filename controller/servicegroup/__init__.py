"""OpenStack Nova's service groups, brought to Kubernetes: which nodes are alive, in a verdict that can be trusted."""

import importlib
from typing import TYPE_CHECKING, Any

from servicegroup.model import InvalidName, Verdict

if TYPE_CHECKING:
    from servicegroup.client import Member, Membership, NotAMember, NotPublished, ServiceGroup
    from servicegroup.store import InvalidStore, StoreUnavailable

__all__ = [
    "InvalidName",
    "InvalidStore",
    "Member",
    "Membership",
    "NotAMember",
    "NotPublished",
    "ServiceGroup",
    "StoreUnavailable",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    # Loaded at first use, so that an agent's process pays only for what it uses.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "store" if name in ("InvalidStore", "StoreUnavailable") else "client"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
