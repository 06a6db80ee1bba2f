"""What the gateway asks of the API server: whose a token is, what a subject may, which groups there are. It writes
nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from servicegroup.gateway.identity import Identity
from servicegroup.operator.manifest import API_GROUP, API_VERSION, PLURAL

REQUEST_SECONDS = 5.0
SUCCESS, REDIRECT = 200, 300


class ApiServerUnavailable(Exception):
    """It did not answer, or it does not let the gateway ask; the message says which, and holds no token."""


class ApiServer:
    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    async def review_token(self, token: str, *, audience: str) -> Mapping[str, Any]:
        """The status of a TokenReview. Raises ApiServerUnavailable."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        return await self._status("/apis/authentication.k8s.io/v1/tokenreviews", body)

    async def may(self, identity: Identity, *, verb: str, namespace: str, name: str) -> bool:
        """Whether the subject has this right on that ComputeServiceGroup; with an empty name or namespace, on all.

        Raises ApiServerUnavailable.
        """
        attributes = {"group": API_GROUP, "resource": PLURAL, "verb": verb, "namespace": namespace, "name": name}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": identity.user,
                "uid": identity.uid,
                "groups": list(identity.groups),
                "extra": {key: list(values) for key, values in identity.extra.items()},
                "resourceAttributes": attributes,
            },
        }
        status = await self._status("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return status.get("allowed") is True

    async def groups(self, *, namespace: str | None) -> list[Mapping[str, Any]]:
        """All ComputeServiceGroups. Raises ApiServerUnavailable."""
        place = f"/namespaces/{namespace}" if namespace else ""
        # From the API server's memory: it may be a moment old, and costs etcd nothing.
        path = f"/apis/{API_GROUP}/{API_VERSION}{place}/{PLURAL}"
        found = await self._asked("GET", path, None, query=[("resourceVersion", "0")])
        return [item for item in found.get("items") or () if isinstance(item, Mapping)]

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def _status(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        status = (await self._asked("POST", path, body)).get("status")
        return status if isinstance(status, Mapping) else {}

    async def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, query: list[tuple[str, str]] | None = None
    ) -> Mapping[str, Any]:
        try:
            request = await self._api.param_serialize(
                method,
                path,
                query_params=query,
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
            found = json.loads(await self._answered(request))
        except ApiException as error:
            raise ApiServerUnavailable(f"the API server answered {error.status} {error.reason} to {path}") from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ApiServerUnavailable(f"the API server is not reached: {type(error).__name__}") from None
        return found if isinstance(found, Mapping) else {}

    async def _answered(self, request: Any) -> bytes:
        method, url, headers, body, _ = request
        response = await self._api.call_api(method, url, headers, body, _request_timeout=REQUEST_SECONDS)
        content: bytes = await response.read()  # type: ignore[no-untyped-call]
        if not SUCCESS <= response.status < REDIRECT:
            raise ApiException(status=response.status, reason=response.reason)
        return content
