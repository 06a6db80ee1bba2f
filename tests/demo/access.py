"""How agents and readers reach the operator in act 2: its gateway's address, a certificate, and a token for each.

No agent has a key to the store, which is a file of the operator's alone. Tokens are those of pods that are bound to
nodes, as the kubelet would project them; there is no kubelet here, so `kubectl create token` asks for them.
"""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.contract.ports import free_port
from tests.demo.apiserver import ApiServer
from tests.demo.steps import ActEnded
from tests.gateway.certificates import Authority

AUDIENCE = "servicegroup.dev"
LASTS = "24h"
"""For what is kept; the kubelet would renew a token each hour."""

READER = "scheduler"
RIGHTS = [{"apiGroups": ["servicegroup.dev"], "resources": ["computeservicegroups"], "verbs": ["get"]}]


@dataclass(frozen=True)
class Access:
    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def _authority(self) -> Path:
        return self.folder / "ca.crt"

    def _token(self, who: str) -> Path:
        return self.folder / f"{who}.token"

    def url(self, who: str = READER) -> str:
        return f"https://127.0.0.1:{self.port}/?ca={self._authority}&token_file={self._token(who)}"

    def certify(self) -> tuple[str, ...]:
        """Make the certificate; the operator's flags."""
        authority = Authority(self.folder)
        chain, key = authority.issue("127.0.0.1")
        assert authority.file == self._authority
        return ("--gateway", f"127.0.0.1:{self.port}", "--tls-cert", str(chain), "--tls-key", str(key))

    def grant(self, api: ApiServer, *, nodes: Sequence[str]) -> None:
        """A pod on each node, a scheduler that may read, and their tokens. Raises ActEnded."""
        manifest = self.folder / "access.yaml"
        manifest.write_text(yaml.safe_dump_all(_resources(nodes)), encoding="utf-8")
        _run(api, "apply", "-f", str(manifest))
        for who in (READER, *nodes):
            words = ["create", "token", READER if who == READER else "agent", "--audience", AUDIENCE]
            bound = [] if who == READER else ["--bound-object-kind", "Pod", "--bound-object-name", who]
            token = _run(api, *words, *bound, "--duration", LASTS)
            path = self._token(who)
            path.touch(mode=0o600)
            path.write_text(token, encoding="ascii")


def _resources(nodes: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name in ("agent", READER):
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    rbac = "rbac.authorization.k8s.io"
    yield {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": READER}, "rules": RIGHTS}
    yield {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": READER},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": READER},
        "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": "default"}],
    }
    for node in nodes:
        yield {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
        spec = {"nodeName": node, "serviceAccountName": "agent", "containers": [{"name": "nova", "image": "none"}]}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": node, "namespace": "default"}, "spec": spec}


def _run(api: ApiServer, *words: str) -> str:
    done = subprocess.run(
        [str(api.program), *words], env=dict(api.environ), capture_output=True, text=True, check=False, timeout=60.0
    )
    if done.returncode:
        raise ActEnded(f"`kubectl {' '.join(words[:2])}` failed: {done.stderr.strip()[:500]}")
    return done.stdout.strip()
