"""The flags of etcd and kube-apiserver, and the files they name: values come in, command lines and texts go out.

Separate because it is pure: what is started reads here as a whole, and nothing here starts anything.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .layout import HOST, Layout

__all__ = ["AUDIT_POLICY", "User", "apiserver_argv", "etcd_argv", "kubeconfig", "token_file"]

AUDIT_POLICY: Final = json.dumps(
    {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        # One line per request, written when it is answered, so that counting lines counts requests.
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    }
)


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: Sequence[str]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


def etcd_argv(program: Path, *, layout: Layout) -> list[str]:
    return [
        str(program.absolute()),
        f"--name={layout.name}",
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={layout.etcd_url}",
        f"--advertise-client-urls={layout.etcd_url}",
        f"--listen-peer-urls=http://{HOST}:0",
        "--unsafe-no-fsync",
    ]


def apiserver_argv(program: Path, *, layout: Layout, audit_log: Path | None) -> list[str]:
    argv = [
        str(program.absolute()),
        f"--etcd-servers={layout.etcd_url}",
        f"--bind-address={layout.address}",
        f"--secure-port={layout.apiserver_port}",
        # Without it, it looks for a default route and does not start on a machine without a network.
        f"--advertise-address={layout.address}",
        f"--cert-dir={layout.certificates}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={layout.tokens}",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--allow-privileged",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.signing_key}",
        f"--service-account-signing-key-file={layout.signing_key}",
    ]
    if layout.serves_nodes:
        argv += ["--kubelet-preferred-address-types=InternalIP"]
    else:
        # There is no controller manager that would create the service accounts it waits for; and pods, of which there
        # are none, would not reach a loopback address.
        argv += ["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"]
    # An open watch would otherwise hold up a SIGTERM for a minute.
    argv += ["--shutdown-watch-termination-grace-period=1s"]
    if audit_log is not None:
        # Blocking: a request is in the file before its client has the answer.
        argv += [f"--audit-policy-file={layout.audit_policy}", f"--audit-log-path={audit_log.absolute()}"]
        argv += ["--audit-log-mode=blocking"]
    return argv


def token_file(users: Sequence[User]) -> str:
    """The format of --token-auth-file: token, name, uid, groups."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (user.token, user.name, user.name, ",".join(user.groups)) for user in users
    )
    return text.getvalue()


def kubeconfig(user: User, *, url: str, authority: str) -> str:
    """A kubeconfig which holds all it needs; JSON is YAML. `authority` is PEM in base64."""
    name = "localcluster"
    config: Mapping[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": user.name, "user": {"token": user.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user.name}}],
        "current-context": name,
    }
    return json.dumps(config, indent=2) + "\n"
