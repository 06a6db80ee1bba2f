"""The roster: pods of all groups as the API server told of them, small values and no bodies; each pass asks for a
group's.

Two tell it: kopf's watch, and the rollcall, which asks for all of them now and then and for some once more.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from servicegroup.clock import monotonic
from servicegroup.model import GroupKey, Policy
from servicegroup.pods import LABEL, Duty, Pod, follow, services

Name = tuple[str, str]
"""A pod's namespace and name."""

ASK_AGAIN = 15.0
"""Seconds after which the API server is asked once more of a pod whose main container does not run."""

BURIED = 600.0
"""Seconds for which a pod that is gone is known as such: an answer that is older than its end may still be on its way.
"""


class Roster:
    def __init__(self, policy_of: Callable[[GroupKey], Policy], *, clock: Callable[[], float] = monotonic) -> None:
        self._policy_of = policy_of
        self._clock = clock
        self._pods: dict[GroupKey, dict[Name, Pod]] = {}
        self._keys: dict[Name, GroupKey] = {}
        self._duties: dict[GroupKey, Duty] = {}
        self._gone: dict[str, float] = {}
        self._told = False
        self._refused: str | None = None

    @property
    def told(self) -> bool:
        """Whether all pods are known."""
        return self._told

    @property
    def refused(self) -> str | None:
        """Why the API server does not tell of pods."""
        return self._refused

    def duty(self, key: GroupKey) -> Duty:
        found = self._duties.get(key)
        if found is None:
            pods = self._pods.get(key, {}).values()
            found = self._duties[key] = Duty(services(pods), self._told, self._refused is not None)
        return found

    def put(self, body: Mapping[str, Any], *, asked: float | None = None) -> None:
        """Take in a pod as it is now; `asked` is when the API server was asked for it, None for an event of a watch."""
        name, uid = name_of(body), str(body.get("metadata", {}).get("uid", ""))
        if asked is None:
            self._gone.pop(uid, None)
        elif uid in self._gone:
            return
        before = self._take_out(name)
        key = GroupKey(name[0], str((body.get("metadata", {}).get("labels") or {}).get(LABEL, "")))
        after = follow(before, body, now=self._clock(), policy=self._policy_of(key), asked=asked)
        if after is not None:
            self._keys[name] = after.key
            self._pods.setdefault(after.key, {})[name] = after
            self._duties.pop(after.key, None)

    def remove(self, body: Mapping[str, Any]) -> None:
        """Take out a pod that is gone; one that has its name by now stays."""
        uid = str(body.get("metadata", {}).get("uid", ""))
        self._gone[uid] = self._clock()
        self.discard(name_of(body), uid=uid)

    def discard(self, name: Name, *, uid: str) -> None:
        key = self._keys.get(name)
        if key is not None and self._pods[key][name].uid == uid:
            self._take_out(name)

    def called(self, names: Collection[Name], *, asked: float) -> None:
        """All pods there were, when the API server was asked, were put; who was not among them is gone."""
        gone = [name for pods in self._pods.values() for name, pod in pods.items() if pod.heard < asked]
        for name in set(gone) - set(names):
            self._take_out(name)
        self._gone = {uid: at for uid, at in self._gone.items() if asked - at < BURIED}
        self._told, self._refused = True, None
        self._duties.clear()

    def refuse(self, problem: str, *, listing: bool) -> None:
        """The API server does not tell of pods, or with `listing` not of all of them, and says why; what is known
        stays.
        """
        self._told, self._refused = self._told and not listing, problem
        self._duties.clear()

    def in_doubt(self) -> list[tuple[Name, str]]:
        """Pods, with their uids, whose main container has not run for T, and of whom nobody was asked for a while."""
        now, found = self._clock(), []
        for key, pods in self._pods.items():
            down_time = self._policy_of(key).down_time
            for name, pod in pods.items():
                if pod.stopped is None or pod.ran is not None or pod.leaving:
                    continue
                asked = pod.confirmed is not None and pod.confirmed - pod.stopped > down_time
                pause = ASK_AGAIN if asked else 0.0
                if now - max(pod.stopped + down_time, pod.confirmed or pod.stopped) > pause:
                    found.append((name, pod.uid))
        return found

    def _take_out(self, name: Name) -> Pod | None:
        key = self._keys.pop(name, None)
        if key is None:
            return None
        self._duties.pop(key, None)
        pod = self._pods[key].pop(name)
        if not self._pods[key]:
            del self._pods[key]
        return pod


def name_of(body: Mapping[str, Any]) -> Name:
    metadata = body.get("metadata", {})
    return str(metadata.get("namespace") or "default"), str(metadata.get("name", ""))
