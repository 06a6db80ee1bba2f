"""One gateway for the session, on a real API server, over SQLite: a clean room is a namespace."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from kubernetes import client
from servicegroup.store import Store, open_store

from tests.apiserver.conftest import admin, audit_log, control_plane, kubectl, namespace, programs
from tests.apiserver.operators import account
from tests.contract.conftest import postgresql, pytest_configure
from tests.gateway.gateways import Gateway, running, shipped_rules
from tests.gateway.tokens import Tokens

__all__ = ["admin", "audit_log", "control_plane", "kubectl", "namespace", "postgresql", "programs", "pytest_configure"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As in tests/apiserver: the first fixture may have to build Kubernetes."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler's are two seconds, which a machine that does other things too may take for an answer."""
    monkeypatch.setattr("servicegroup.client.READ_SECONDS", 30.0)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="session")
def url(folder: Path) -> str:
    """Of the store behind the gateway."""
    return f"sqlite:///{folder / 'beats.sqlite'}"


@pytest.fixture(scope="session")
def stores(folder: Path, url: str) -> Path:
    path = folder / "stores.yaml"
    path.write_text(json.dumps({"stores": {"default": {"driver": "db", "url": url}}}), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def kubeconfig(admin: client.ApiClient, kubectl: Callable[..., str], folder: Path) -> Path:
    """The gateway's own: a service account with the role that is shipped."""
    home = f"gateway-{uuid4().hex[:8]}"
    client.CoreV1Api(admin).create_namespace({"metadata": {"name": home}})  # type: ignore[arg-type]
    return account(kubectl, namespace=home, rules=shipped_rules(), folder=folder)


@pytest.fixture(scope="session")
def gateway(folder: Path, stores: Path, kubeconfig: Path) -> Iterator[Gateway]:
    words = ["gateway", "--stores", str(stores), "--listen", "127.0.0.1:0", "--insecure-http"]
    with running(Gateway(words, {"KUBECONFIG": str(kubeconfig), "HOME": str(folder)}, folder)) as it:
        yield it


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The store behind the gateway, as the operator has it."""
    opened = open_store(url, store_id="default")
    yield opened
    opened.close()


@pytest.fixture
def tokens(admin: client.ApiClient, namespace: str, tmp_path: Path) -> Tokens:
    return Tokens(admin, namespace, tmp_path)
