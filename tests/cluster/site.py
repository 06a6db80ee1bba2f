"""A namespace of a cluster in which compute pods run: what a person would type comes in, what they would look at goes
out.
"""

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from tests.cluster.image import NAME
from tests.cluster.waiting import Body, until, until_gone
from tests.localcluster.nodefiles import NODE

__all__ = ["GROUP", "Site", "daemon_set"]

GROUP = "compute"
AGENT = "servicegroup-agent"
RESOURCE: Mapping[str, Any] = {"group": "servicegroup.dev", "version": "v1alpha1", "plural": "computeservicegroups"}

INTERVAL, DOWN_TIME = 2, 15
"""Seconds: short for the tests' sake, long enough for a machine on which other work runs."""

SERVE = "test ! -e /run/main/stopped && exec python3 -m http.server 8080 --directory /run/main"
"""The main container: it serves, and once stopped it does not come back."""


def daemon_set(
    name: str = GROUP,
    *,
    group: str = GROUP,
    annotations: Mapping[str, str] | None = None,
    main: Mapping[str, Any] | None = None,
    volumes: Sequence[Mapping[str, Any]] = (),
    **pod: Any,
) -> Mapping[str, Any]:
    """Compute pods that know nothing of groups but the label; `main` and `pod` add fields to container and pod."""
    container = {
        "name": "main",
        "image": NAME,
        "command": ["sh", "-c", SERVE],
        "volumeMounts": [{"name": "main", "mountPath": "/run/main"}],
        # As whoever looks after it would have it: it is ready when it answers.
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": {**labels, "servicegroup.dev/group": group}, "annotations": annotations or {}},
                "spec": {
                    "terminationGracePeriodSeconds": 3,
                    "containers": [{**container, **(main or {})}],
                    "volumes": [{"name": "main", "emptyDir": {}}, *volumes],
                    **pod,
                },
            },
        },
    }


@dataclass(frozen=True, slots=True)
class Site:
    namespace: str
    api: client.ApiClient
    kubectl: Callable[..., str]
    core: Any = field(init=False)
    custom: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", client.CoreV1Api(self.api))
        object.__setattr__(self, "custom", client.CustomObjectsApi(self.api))

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        body = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=json.dumps(body))

    def create_group(self, name: str = GROUP, **spec: Any) -> None:
        times = {"reportIntervalSeconds": INTERVAL, "serviceDownTimeSeconds": DOWN_TIME}
        kind = {"apiVersion": "servicegroup.dev/v1alpha1", "kind": "ComputeServiceGroup", "metadata": {"name": name}}
        self.apply({**kind, "spec": {**times, **spec}})

    def until_group(self, accepted: Callable[[Body], bool], *, what: str, name: str = GROUP) -> Body:
        """The group's status, once it is accepted."""
        listing = self.custom.list_namespaced_custom_object
        found = until(listing, lambda body: accepted(body.get("status") or {}), what=what, namespace=self.namespace,
                      field_selector=f"metadata.name={name}", **RESOURCE)  # fmt: skip
        return found["status"]  # type: ignore[no-any-return]

    def group(self, name: str = GROUP) -> Body:
        """Its status as it is."""
        found: Body = self.custom.get_namespaced_custom_object(namespace=self.namespace, name=name, **RESOURCE)
        return found.get("status") or {}

    def until_member(self, verdict: str, reason: str, *, name: str = GROUP) -> Body:
        """The group's status, once the node is this, and the only member."""
        wanted = [(NODE, verdict, reason)]
        return self.until_group(
            lambda status: members(status) == wanted, what=f"{NODE} {verdict} ({reason})", name=name
        )

    def until_pod(self, accepted: Callable[[Body], bool], *, what: str, label: str = f"app={GROUP}") -> Body:
        listing = self.core.list_namespaced_pod
        return until(listing, accepted, what=what, namespace=self.namespace, label_selector=label)

    def until_ready(self, *, app: str = GROUP, but: str = "") -> Body:
        """The pod, once its main container is ready; not the one of that uid."""
        return self.until_pod(
            lambda pod: pod["metadata"]["uid"] != but and state(pod, "main").get("ready", False),
            what=f"a pod of {app} is ready",
            label=f"app={app}",
        )

    def until_no_pod(self, *, app: str = GROUP) -> None:
        until_gone(self.core.list_namespaced_pod, what=f"the pods of {app} are gone", namespace=self.namespace,
                   label_selector=f"app={app}")  # fmt: skip

    def until_node(self, *, ready: bool) -> None:
        def is_so(node: Body) -> bool:
            conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", ())}
            return (conditions.get("Ready") == "True") is ready

        until(self.core.list_node, is_so, what=f"the node's readiness is {ready}")

    def execute(self, pod: Body, *command: str, container: str = "main") -> str:
        return self.kubectl("exec", "-n", self.namespace, pod["metadata"]["name"], "-c", container, "--", *command)

    def serves(self, pod: Body) -> bool:
        with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080/", timeout=30) as answer:
            return bool(answer.status == 200)

    def until_alarm(self, message: str) -> None:
        """An Event is written after the status that it tells of."""
        events = self.core.list_namespaced_event
        until(events, lambda event: event.get("message") == message, what=message, namespace=self.namespace)

    def alarms(self) -> list[str]:
        """What the operator has warned of, in the order of its first word."""
        events = self.core.list_namespaced_event(self.namespace).items
        ours = [one for one in events if one.involved_object.kind == "ComputeServiceGroup" and one.type == "Warning"]
        return [f"{one.reason}: {one.message}" for one in ours]


def members(status: Body) -> list[tuple[str, str, str]]:
    return [(one["member"], one["verdict"], one["reason"]) for one in status.get("members", ())]


def state(pod: Body, container: str) -> Mapping[str, Any]:
    """What the kubelet says of a container; empty before it does."""
    status = pod.get("status", {})
    known = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((one for one in known if one["name"] == container), {})


def injected(pod: Body) -> list[Mapping[str, Any]]:
    """The agents in it."""
    return [one for one in pod["spec"].get("initContainers", ()) if one["name"] == AGENT]
