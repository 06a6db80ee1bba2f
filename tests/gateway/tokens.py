"""Tokens as pods have them: real ones, of the API server's TokenRequest, bound to Pods that are assigned to a Node.

No kubelet is needed for that, and nothing runs in these pods.
"""

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from kubernetes import client
from kubernetes.client.exceptions import ApiException

AUDIENCE = "servicegroup.dev"
SHORTEST = 600
"""Seconds; the API server gives out none of less."""


@dataclass(frozen=True)
class Tokens:
    """Of one namespace: agents of its nodes, and subjects outside of the cluster with the rights they are given."""

    admin: client.ApiClient
    namespace: str
    folder: Path

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.admin)

    def of_node(self, node: str, *, audience: str = AUDIENCE) -> str:
        return self.of_pod(self.pod(node), audience=audience)

    def pod(self, node: str) -> str:
        """A pod's name."""
        self._there(lambda: self.core.create_node({"metadata": {"name": node}}))  # type: ignore[arg-type]
        self._account("agent")
        name = f"agent-{uuid4().hex[:8]}"
        spec = {"nodeName": node, "serviceAccountName": "agent", "containers": [{"name": "agent", "image": "none"}]}
        self.core.create_namespaced_pod(self.namespace, {"metadata": {"name": name}, "spec": spec})  # type: ignore[arg-type]
        return name

    def of_pod(self, pod: str, *, audience: str = AUDIENCE) -> str:
        found: Any = self.core.read_namespaced_pod(pod, self.namespace)
        uid = found.metadata.uid
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}
        return self._token("agent", audience=audience, bound=bound)

    def signed(self, pod: str, *, key: Path, lasts: float) -> str:
        """As the API server would sign it with its own key; it gives out none that lasts less than ten minutes."""
        head, claims, _ = self.of_pod(pod).split(".")
        said = _decoded(claims)
        said["exp"] = int(time.time() + lasts)
        said["iat"] = said["nbf"] = said["exp"] - SHORTEST
        unsigned = f"{head}.{_encoded(json.dumps(said).encode())}"
        private: Any = serialization.load_pem_private_key(key.read_bytes(), password=None)
        return f"{unsigned}.{_encoded(private.sign(unsigned.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def delete(self, pod: str) -> None:
        self.core.delete_namespaced_pod(pod, self.namespace, grace_period_seconds=0)

    def of_subject(self, name: str, *verbs: str, audience: str = AUDIENCE, lasts: int = SHORTEST) -> str:
        """A service account without a pod, that has these verbs on the groups of the namespace."""
        self._account(name)
        rules = [{"apiGroups": ["servicegroup.dev"], "resources": ["computeservicegroups"], "verbs": list(verbs)}]
        rbac = client.RbacAuthorizationV1Api(self.admin)
        if verbs:
            role: Any = {"metadata": {"name": name}, "rules": rules}
            rbac.create_namespaced_role(self.namespace, role)
            binding: Any = {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}],
            }
            rbac.create_namespaced_role_binding(self.namespace, binding)
        return self._token(name, audience=audience, bound=None, lasts=lasts)

    def file(self, token: str) -> Path:
        """A file that holds it."""
        path = self.folder / f"token-{uuid4().hex[:8]}"
        path.write_text(token, encoding="ascii")
        return path

    def group(self, name: str = "compute", **spec: object) -> str:
        """A group's key, as namespace/name."""
        body = {
            "apiVersion": "servicegroup.dev/v1alpha1",
            "kind": "ComputeServiceGroup",
            "metadata": {"name": name},
            "spec": spec,
        }
        client.CustomObjectsApi(self.admin).create_namespaced_custom_object(
            "servicegroup.dev", "v1alpha1", self.namespace, "computeservicegroups", body
        )
        return f"{self.namespace}/{name}"

    def _account(self, name: str) -> None:
        body: Any = {"metadata": {"name": name}}
        self._there(lambda: self.core.create_namespaced_service_account(self.namespace, body))

    def _token(self, account: str, *, audience: str, bound: dict[str, Any] | None, lasts: int = SHORTEST) -> str:
        spec = {"audiences": [audience], "expirationSeconds": lasts, "boundObjectRef": bound}
        request: Any = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        made: Any = self.core.create_namespaced_service_account_token(account, self.namespace, request)
        return str(made.status.token)

    @staticmethod
    def _there(create: Any) -> None:
        try:
            create()
        except ApiException as error:
            if error.status != 409:
                raise


def _decoded(part: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
