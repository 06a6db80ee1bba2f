"""Who speaks: a TokenReview's answer comes in, an identity goes out, and for whom it may beat. Pure.

A projected token of a pod names the pod's node and namespace: its agent speaks for that node, in the groups of that
namespace, and for nobody else. Whoever has no node (an agent outside of the cluster) needs a right that is asked for.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servicegroup.model import GroupKey

AUDIENCE = "servicegroup.dev"
NODE_NAME = "authentication.kubernetes.io/node-name"
CREDENTIAL = "authentication.kubernetes.io/credential-id"
"""One for each token: no authorizer asks for it, and it would make each token a subject of its own."""

ACCOUNT = "system:serviceaccount:"
LONGEST_TOKEN = 16_384
LATEST = 2.0**40
"""Seconds since 1970."""


class NotAToken(ValueError):
    """It cannot be one that is meant for here; the API server need not be asked."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`node` is the one whose pod the token is bound to, `namespace` the service account's; None without."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    node: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of itself. Nothing rests on it: it can only be refused for it, or forgotten earlier."""

    expires: float


def peek(token: str, *, audience: str, now: float) -> Claims:
    """Raises NotAToken for what the API server would surely refuse."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST_TOKEN:  # noqa: PLR2004 - head, claims, signature
        raise NotAToken("the token is no service account's; project one with the gateway's audience")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        claims = None
    # In words of its own: a number that is none, or one beyond any calendar, is no time.
    expires = claims.get("exp") if isinstance(claims, dict) else None
    if not isinstance(claims, dict) or not isinstance(expires, int | float) or not 0 <= expires <= LATEST:
        raise NotAToken("the token cannot be read; project a service account's, with the gateway's audience")
    meant = claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        raise NotAToken(f"the token is not meant for the gateway; project one with the audience {audience}")
    if expires <= now:
        raise NotAToken("the token has expired; the kubelet renews a projected one, so read its file again")
    return Claims(float(expires))


def identity_of(status: Mapping[str, Any], *, audience: str) -> Identity | None:
    """From a TokenReview's status; None when it is not authenticated for this audience."""
    # An API server that does not know audiences leaves the list out, and has not checked any.
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        return None
    user = status.get("user") or {}
    name = str(user.get("username") or "")
    extra = {str(key): tuple(map(str, values or ())) for key, values in (user.get("extra") or {}).items()}
    nodes = extra.get(NODE_NAME, ())
    return Identity(
        user=name,
        uid=str(user.get("uid") or ""),
        groups=tuple(map(str, user.get("groups") or ())),
        extra={key: values for key, values in extra.items() if key != CREDENTIAL},
        node=nodes[0] if nodes else None,
        namespace=name.removeprefix(ACCOUNT).partition(":")[0] if name.startswith(ACCOUNT) else None,
    )


def refusal(identity: Identity, key: GroupKey, member: str) -> str | None:
    """Why a pod's agent may not beat for this member of this group; None when it may."""
    if identity.node != member:
        return f"this token is bound to a pod on the node {identity.node!r}, and speaks for no other member"
    if identity.namespace != key.namespace:
        return f"this token is of the namespace {identity.namespace!r}, and speaks in no other namespace's groups"
    return None
