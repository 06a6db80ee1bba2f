"""The only writer to the Kubernetes API: statuses by server-side apply, and Events; and who asks it for pods once
more. No other module calls it.

A resource that was deleted meanwhile is `Gone`. What fails otherwise is `ClusterUnavailable`, or `StatusRefused` where
trying again cannot help.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from servicegroup.config import InvalidSetting
from servicegroup.model import GroupKey
from servicegroup.operator.decisions import Notice
from servicegroup.operator.manifest import API_GROUP, API_VERSION, KIND, PLURAL
from servicegroup.pods import LABEL

FIELD_MANAGER = "servicegroup-operator"
REQUEST_SECONDS = 10.0
SUCCESS, REDIRECT = 200, 300
NOT_FOUND = 404

APPLY = "application/apply-patch+yaml; charset=utf-8"
"""The client encodes a text as JSON once more unless the type says what it is in full."""

FORBIDDEN = 403
REFUSED = (400, 413, 422)
PAGE = 250
"""Pods in one answer: some 2 MB."""

LONGEST_EVENT = 1024
"""Bytes of an event's message that the API server takes."""


class ClusterUnavailable(Exception):
    """The API server did not answer, or did not take a write; it may do so later."""


class Forbidden(ClusterUnavailable):
    """The operator's role does not allow it."""


class Gone(Exception):
    """The resource is not there any more."""


class StatusRefused(Exception):
    """The API server will never take this write."""


class Cluster:
    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._core = client.CoreV1Api(api)

    async def write_status(self, address: tuple[GroupKey, str], status: Mapping[str, Any]) -> None:
        """Make it the status of the resource of this key. The API server takes it though another uid stands under the
        name by now; whoever calls this drops a group with the watch's word of its end.

        Raises Gone, ClusterUnavailable, StatusRefused.
        """
        key, uid = address
        body = {
            "apiVersion": f"{API_GROUP}/{API_VERSION}",
            "kind": KIND,
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
            "status": status,
        }
        request = await self._api.param_serialize(
            "PATCH",
            f"/apis/{API_GROUP}/{API_VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}/status",
            query_params=[("fieldManager", FIELD_MANAGER), ("force", "true")],
            header_params={"Accept": "application/json", "Content-Type": APPLY},
            body=as_yaml(body),
            auth_settings=["BearerToken"],
        )
        await self._tried(self._answered(request))

    async def pods(self, namespace: str | None, *, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """A page of the pods that carry the label of a group, and where the next one begins ("" after the last). Raises
        ClusterUnavailable.
        """
        place = "" if namespace is None else f"/namespaces/{namespace}"
        query = [("labelSelector", LABEL), ("limit", str(PAGE)), *([("continue", after)] if after else [])]
        found = await self._read(f"/api/v1{place}/pods", query)
        return found.get("items") or (), str((found.get("metadata") or {}).get("continue") or "")

    async def pod(self, name: tuple[str, str]) -> Mapping[str, Any]:
        """By namespace and name. Raises Gone, ClusterUnavailable."""
        return await self._read(f"/api/v1/namespaces/{name[0]}/pods/{name[1]}", [])

    async def _read(self, path: str, query: list[tuple[str, str]]) -> Mapping[str, Any]:
        request = await self._api.param_serialize(
            "GET",
            path,
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            found: Any = json.loads(await self._tried(self._answered(request)))
        except StatusRefused as error:  # a page that is asked for too late
            raise ClusterUnavailable(str(error)) from None
        except ValueError:
            found = None
        if not isinstance(found, Mapping):
            raise ClusterUnavailable("the API server's answer is no object")
        return found

    async def _answered(self, request: Any) -> bytes:
        method, url, headers, body, _ = request
        response = await self._api.call_api(method, url, headers, body, _request_timeout=REQUEST_SECONDS)
        content: bytes = await response.read()  # type: ignore[no-untyped-call]
        if not SUCCESS <= response.status < REDIRECT:
            raise ApiException(http_resp=response)
        return content

    async def write_event(self, key: GroupKey, *, uid: str, notice: Notice, time: str) -> None:
        """Raises Gone, ClusterUnavailable, StatusRefused."""
        event = {
            "metadata": {"generateName": f"{key.name[:200]}.", "namespace": key.namespace},
            "involvedObject": {
                "apiVersion": f"{API_GROUP}/{API_VERSION}",
                "kind": KIND,
                "name": key.name,
                "namespace": key.namespace,
                "uid": uid,
            },
            "reason": notice.reason,
            "message": notice.message.encode()[:LONGEST_EVENT].decode(errors="ignore"),
            "type": "Warning" if notice.warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        call = self._core.create_namespaced_event(
            key.namespace, cast("client.CoreV1Event", event), _request_timeout=REQUEST_SECONDS
        )
        await self._tried(call)

    async def _tried(self, call: Any) -> Any:
        try:
            return await call
        except ApiException as error:
            if _names_what_is_missing(error):
                raise Gone(f"the API server answered {error.status} {error.reason}") from None
            problem = f"the API server answered {error.status} {error.reason}: {_message(error)}"
            # An older definition of the resource does not know a field of ours: only its upgrade helps, and no retry.
            final = error.status in REFUSED or "not declared in schema" in problem
            kind = StatusRefused if final else Forbidden if error.status == FORBIDDEN else ClusterUnavailable
            raise kind(problem) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterUnavailable(f"the API server is not reached: {type(error).__name__}: {error}") from None

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]


def as_yaml(body: Mapping[str, Any]) -> str:
    """JSON that is YAML too: an apply patch is parsed as YAML, which takes no surrogate pair for a character."""
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", json.dumps(body, ensure_ascii=False))


def _names_what_is_missing(error: ApiException) -> bool:
    """Whether an object is not there. An API server that is still loading its definitions answers 404 as well, to
    everything and without a name; who took that for an answer would drop all groups.
    """
    details = _answer(error).get("details")
    return error.status == NOT_FOUND and isinstance(details, dict) and bool(details.get("name"))


def _message(error: ApiException) -> str:
    return str(_answer(error).get("message", ""))[:500]


def _answer(error: ApiException) -> dict[str, Any]:
    try:
        answer = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


async def connect() -> Cluster:
    """Raises InvalidSetting."""
    return Cluster(await api_client())


async def api_client() -> client.ApiClient:
    """By the pod's service account, else by KUBECONFIG. Raises InvalidSetting."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise InvalidSetting(
                f"no cluster: this is no pod, and KUBECONFIG names none that can be used ({error})"
            ) from None
    return client.ApiClient(configuration)
