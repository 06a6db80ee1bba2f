"""What a person writes to a group's resource, with that person's own rights: a hold's release, an override."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from servicegroup.model import GroupKey
from servicegroup.operator.manifest import API_GROUP, API_VERSION, KIND, PLURAL

SECONDS = 10.0
NOT_FOUND, FORBIDDEN, UNPROCESSABLE = 404, 403, 422


class NotTaken(Exception):
    """The API server is not reached, or refuses; the message says what to do."""


class Unprocessable(NotTaken):
    """Not in the state that the resource is in."""


class Administration:
    """By the kubeconfig (of `context`, or the current one), or in a pod by its service account. Raises NotTaken, as all
    calls do.
    """

    def __init__(self, context: str | None = None) -> None:
        try:
            config.load_config(context=context)
        except config.ConfigException as error:
            raise NotTaken(f"no cluster: {error}; set KUBECONFIG, or name a --context of it") from None
        self._api = client.CustomObjectsApi()

    def read(self, key: GroupKey) -> dict[str, Any]:
        found: dict[str, Any] = self._asked(self._api.get_namespaced_custom_object, key)
        return found

    def annotate(self, key: GroupKey, words: Mapping[str, str | None]) -> None:
        """These annotations and no others; None takes one away."""
        self._patch(key, {"metadata": {"annotations": dict(words)}}, kind="application/merge-patch+json")

    def take_back(self, key: GroupKey, *, annotation: str, text: str) -> None:
        """An annotation, if it says this still."""
        path = "/metadata/annotations/" + annotation.replace("~", "~0").replace("/", "~1")
        body = [{"op": "test", "path": path, "value": text}, {"op": "remove", "path": path}]
        with suppress(Unprocessable):
            self._patch(key, body, kind="application/json-patch+json")

    def override(self, key: GroupKey, *, entries: Sequence[Mapping[str, Any]], manager: str) -> None:
        """The entries that this manager owns, and no others."""
        body = {
            "apiVersion": f"{API_GROUP}/{API_VERSION}",
            "kind": KIND,
            "metadata": {"name": key.name},
            "spec": {"overrides": list(entries)} if entries else {},
        }
        self.read(key)  # an apply would make a group that is not there
        self._patch(key, body, kind="application/apply-patch+yaml", field_manager=manager, force=True)

    def _patch(self, key: GroupKey, body: Any, *, kind: str, **options: Any) -> None:
        self._asked(self._api.patch_namespaced_custom_object, key, body=body, _content_type=kind, **options)

    def _asked(self, call: Any, key: GroupKey, **options: Any) -> Any:
        try:
            return call(API_GROUP, API_VERSION, key.namespace, PLURAL, key.name, _request_timeout=SECONDS, **options)
        except ApiException as error:
            kind = Unprocessable if error.status == UNPROCESSABLE else NotTaken
            raise kind(_told(error, key)) from None
        except urllib3.exceptions.HTTPError as error:
            raise NotTaken(f"the API server is not reached: {type(error).__name__}; see kubectl cluster-info") from None


def _told(error: ApiException, key: GroupKey) -> str:
    if error.status == NOT_FOUND:
        return f"group {key}: there is none; see kubectl get csg -A"
    try:
        message = json.loads(error.body or "{}").get("message", error.reason)
    except ValueError:
        message = error.reason
    right = f"; the right to patch {PLURAL} in {key.namespace} is needed" if error.status == FORBIDDEN else ""
    return f"group {key}: the API server answered {error.status}: {message}{right}"
