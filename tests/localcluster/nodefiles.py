"""The flags and files of a node's programs and of the two that make pods of deployments: values in, texts out.

Separate because it is pure, like `commandlines`, which has those of the API server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .layout import Layout

__all__ = ["BRISK", "NODE", "PAUSE_IMAGE", "USUAL", "Node", "Rhythm", "controllers_argv", "scheduler_argv"]

NODE: Final = "node-1"

PAUSE_IMAGE: Final = "localhost/pause:1"

PODS: Final = "10.244.0.0/24"

CNI_PLUGINS: Final = Path("/usr/lib/cni")
"""Debian's place for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """In seconds: for how long a node's lease is good, how often its status is written although nothing changed, and
    how long a node is silent until it is NotReady.
    """

    lease: int
    report: int
    grace: int


USUAL: Final = Rhythm(lease=40, report=300, grace=50)
"""Kubernetes's defaults."""

BRISK: Final = Rhythm(lease=12, report=10, grace=30)
"""A node that is silent is known to be so after half a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Where a node keeps its things; `cgroup` is the subtree that all its pods are in."""

    folder: Path
    kubeconfig: Path
    address: str
    cgroup: str
    rhythm: Rhythm = BRISK

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    def files(self) -> Mapping[str, str]:
        """Name in the folder to text."""
        return {
            "containerd.toml": self._containerd(),
            "cni/10-bridge.conflist": self._network(),
            "kubelet.json": self._kubelet(),
            "kube-proxy.json": self._proxy(),
            "resolv.conf": "",  # there is no DNS
        }

    def containerd_argv(self) -> list[str]:
        return ["containerd", f"--config={self.folder / 'containerd.toml'}"]

    def kubelet_argv(self, program: Path) -> list[str]:
        return [
            str(program),
            f"--config={self.folder / 'kubelet.json'}",
            f"--kubeconfig={self.kubeconfig}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
            f"--hostname-override={NODE}",
            f"--node-ip={self.address}",
        ]

    def proxy_argv(self, program: Path) -> list[str]:
        return [str(program), f"--config={self.folder / 'kube-proxy.json'}"]

    def _containerd(self) -> str:
        # Without the restriction runc fails wherever CAP_SYS_RESOURCE is missing, as in most containers.
        return f"""\
version = 2
root = "{self.folder / "containerd"}"
state = "/run/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{self.folder / "cni"}"
"""

    def _network(self) -> str:
        ranges = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": ranges}
        return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]})

    def _kubelet(self) -> str:
        return json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": self.address,
                "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
                "authorization": {"mode": "AlwaysAllow"},  # whoever reaches it is in the same network of a test
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": f"/{self.cgroup}",
                "clusterDNS": [],
                "containerRuntimeEndpoint": f"unix://{self.socket}",
                "enforceNodeAllocatable": [],
                "evictionHard": {},
                "failCgroupV1": False,
                "failSwapOn": False,
                "imageGCHighThresholdPercent": 100,  # an image that is gone could not be had again
                "localStorageCapacityIsolation": False,
                "nodeLeaseDurationSeconds": self.rhythm.lease,
                "nodeStatusReportFrequency": f"{self.rhythm.report}s",
                "podLogsDir": str(self.folder / "pod-logs"),
                "resolvConf": str(self.folder / "resolv.conf"),
                "serializeImagePulls": False,
            },
            indent=2,
        )

    def _proxy(self) -> str:
        return json.dumps(
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "bindAddress": self.address,
                "clientConnection": {"kubeconfig": str(self.kubeconfig)},
                "clusterCIDR": PODS,
                "conntrack": {"maxPerCore": 0, "min": 0},  # a limit of the whole machine's
                "hostnameOverride": NODE,
                "mode": "nftables",
            },
            indent=2,
        )


def controllers_argv(program: Path, *, kubeconfig: Path, layout: Layout, rhythm: Rhythm) -> list[str]:
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--cert-dir={layout.certificates}",
        f"--root-ca-file={layout.authority}",
        f"--service-account-private-key-file={layout.signing_key}",
        f"--node-monitor-grace-period={rhythm.grace}s",
    ]


def scheduler_argv(program: Path, *, kubeconfig: Path, layout: Layout) -> list[str]:
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--cert-dir={layout.certificates}",
    ]
