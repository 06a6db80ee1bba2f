"""One call of each kind that a store takes, for tests of what fails and of how long that takes."""

from collections.abc import Callable

from servicegroup.liveness import Published
from servicegroup.model import Beat, GroupKey, Old, Policy, Reason, Verdict
from servicegroup.record import Header
from servicegroup.store import Store

KEY = GroupKey("nova", "compute")
BEAT = Beat("node-1", "one", 1, 10.0)
HEADER = Header(publication=1, policy=Policy(10.0, 60.0), epoch="e", store_back_for=0.0, blind_for=0.0)
UP = Published(Verdict.UP, Reason.BEATING, 0.0)

TIMEOUT = 30.0
SHORT = 0.3
SLOW_MACHINE = 10.0
"""Seconds within which a call of 0.3 s has ended, however loaded the machine is; less than TIMEOUT."""

Call = Callable[[Store, float], object]

CALLS: dict[str, Call] = {
    "join": lambda store, timeout: store.join(KEY, BEAT, timeout=timeout),
    "beat": lambda store, timeout: store.beat(KEY, Beat("node-1", "one", 2, 10.0), timeout=timeout),
    "leave": lambda store, timeout: store.leave(KEY, BEAT, timeout=timeout),
    "read": lambda store, timeout: store.read([KEY], timeout=timeout),
    "health": lambda store, timeout: store.health(timeout=timeout),
    "publish": lambda store, timeout: store.publish(KEY, HEADER, changes={"a": UP}, whole=True, timeout=timeout),
    "record": lambda store, timeout: store.record(KEY, timeout=timeout),
    "forget": lambda store, timeout: store.forget(KEY, [Old("node-1", "one", 1)], timeout=timeout),
}
WRITES = {name: CALLS[name] for name in ("join", "beat", "leave", "health", "publish", "forget")}
