"""Pods as a kubelet would report them: there is none here, so the tests write their status themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RUNNING: Mapping[str, Any] = {"running": {"startedAt": "2026-11-23T12:00:00Z"}}
CRASHED: Mapping[str, Any] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting"}}


@dataclass(frozen=True, slots=True)
class Pods:
    """Of one namespace; a pod is its name."""

    core: Any
    namespace: str

    def create(
        self, name: str, *, node: str | None, group: str = "compute", containers: Sequence[str] = ("main",), **more: Any
    ) -> None:
        metadata = {"name": name, "labels": {"servicegroup.dev/group": group}, **more}
        images = [{"name": one, "image": "example.org/none"} for one in containers]
        spec = {"containers": images, **({} if node is None else {"nodeName": node})}
        self.core.create_namespaced_pod(self.namespace, {"metadata": metadata, "spec": spec})

    def report(self, name: str, *, phase: str = "Running", **states: Mapping[str, Any]) -> None:
        """The state of each container, by its name."""
        statuses = [
            {"name": one, "state": state, "ready": True, "restartCount": 0, "image": "none", "imageID": "none"}
            for one, state in states.items()
        ]
        status = {"phase": phase, "containerStatuses": statuses}
        self.core.patch_namespaced_pod_status(
            name, self.namespace, [{"op": "add", "path": "/status", "value": status}],
            _content_type="application/json-patch+json",
        )  # fmt: skip

    def run(self, name: str, *, node: str, **more: Any) -> None:
        self.create(name, node=node, **more)
        self.report(name, main=RUNNING)

    def terminate(self, name: str) -> None:
        """As an eviction does: it is being deleted until a kubelet says that it is gone."""
        self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=300)

    def delete(self, name: str) -> None:
        self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)
