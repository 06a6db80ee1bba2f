"""Pods as people write them, by what is special about each: those that get an agent, and those that do not."""

from collections.abc import Mapping
from typing import Any

from tests.chart.rendering import Manifest

GROUP = "servicegroup.dev/group"
AGENT = "servicegroup-agent"
SECRET_ANNOTATION = "servicegroup.dev/store-url-secret"  # noqa: S105 - a Secret's name

SMALL = {"cpu": "50m", "memory": "64Mi"}
BOUND = {"requests": SMALL, "limits": SMALL}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
MAIN: Mapping[str, Any] = {"name": "main", "image": "registry.example/nova:1"}
HOST_PATH = {"name": "run", "hostPath": {"path": "/run"}}


def pod(
    *, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None, **spec: Any
) -> Manifest:
    """Its name is the API server's, its service account is named, as the admission plug-in for them does."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "nova-",
            "labels": {GROUP: "compute"} if labels is None else labels,
            **({} if annotations is None else {"annotations": annotations}),
        },
        "spec": {"containers": [MAIN], "serviceAccountName": "default", **spec},
    }


INJECTED: Mapping[str, Manifest] = {
    "the least there is": pod(),
    "of its node: network, processes, privileges": pod(
        hostNetwork=True,
        hostPID=True,
        hostIPC=True,
        dnsPolicy="ClusterFirstWithHostNet",
        containers=[{**MAIN, "securityContext": {"privileged": True, "runAsUser": 0}}],
        volumes=[HOST_PATH],
        tolerations=[{"operator": "Exists"}],
    ),
    "one init container": pod(initContainers=[{"name": "init", "image": "a:1"}]),
    "three of them, one a sidecar": pod(
        initContainers=[
            {"name": "first", "image": "a:1"},
            {"name": "proxy", "image": "b:1", "restartPolicy": "Always"},
            {"name": "last", "image": "c:1"},
        ]
    ),
    "several containers": pod(containers=[MAIN, {"name": "ssh", "image": "a:1"}]),
    "a user and a group of the pod's": pod(securityContext={"runAsUser": 0, "fsGroup": 42, "supplementalGroups": [7]}),
    "no token of its own": pod(automountServiceAccountToken=False),
    "of a Job": pod(restartPolicy="Never"),
    "that is tried again": pod(restartPolicy="OnFailure"),
    "one process namespace": pod(shareProcessNamespace=True),
    "a volume of the token's name": pod(
        volumes=[
            {
                "name": "servicegroup-token",
                "projected": {
                    "sources": [{"serviceAccountToken": {"audience": "servicegroup.dev", "path": "token"}}],
                },
            }
        ]
    ),
    "a file that its probe touches": pod(
        annotations={"servicegroup.dev/check": "file:/run/servicegroup/alive?max-age=30"},
        volumes=[{"name": "servicegroup-check", "emptyDir": {"medium": "Memory"}}],
        containers=[{**MAIN, "volumeMounts": [{"name": "servicegroup-check", "mountPath": "/alive"}]}],
    ),
    "a store of its own": pod(annotations={SECRET_ANNOTATION: "beats/dsn"}),
    "a store of its own, without a key": pod(annotations={SECRET_ANNOTATION: "beats"}),
    "a store of no Secret's name": pod(annotations={SECRET_ANNOTATION: "Beats?/../../x"}),
    "a store of an empty name": pod(annotations={SECRET_ANNOTATION: "/"}),
    "annotations of others": pod(annotations={"servicegroup.dev/inject": "true", "a": "b"}),
    "resources of the pod as a whole": pod(resources=BOUND),
    "each container bound": pod(containers=[{**MAIN, "resources": BOUND}]),
    "Linux, said twice": pod(os={"name": "linux"}, nodeSelector={"kubernetes.io/os": "linux"}),
    "a runtime of its own": pod(hostUsers=False),
    "the profile `restricted`": pod(containers=[{**MAIN, "securityContext": RESTRICTED}]),
}

LEFT_ALONE: Mapping[str, Manifest] = {
    "without the label": pod(labels={"app": "nova"}),
    "without labels": pod(labels={}),
    "with a label that names no group": pod(labels={GROUP: ""}),
    "that refuses by an annotation": pod(annotations={"servicegroup.dev/inject": "false"}),
    "that refuses by a label": pod(labels={GROUP: "compute", "servicegroup.dev/inject": "false"}),
    "with an agent by hand": pod(
        initContainers=[{"name": AGENT, "image": "own:1", "restartPolicy": "Always", "command": ["servicegroup"]}]
    ),
    "with an agent among the containers": pod(containers=[MAIN, {"name": AGENT, "image": "own:1"}]),
    "of the kubelet's own files": {
        **pod(serviceAccountName="", nodeName="node-1"),
        "metadata": {
            "name": "etcd-node-1",
            "labels": {GROUP: "compute"},
            "annotations": {"kubernetes.io/config.mirror": "1"},
        },
    },
    "of Windows": pod(os={"name": "windows"}),
    "of Windows by its node": pod(nodeSelector={"kubernetes.io/os": "windows"}),
}
