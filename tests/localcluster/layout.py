"""The folder and the ports of one control plane: a folder's name comes in, where each thing stands goes out.

Separate because the flags and the life of the processes both need it, and because this alone creates and removes.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import LocalClusterError

__all__ = ["HOST", "Layout", "claim", "free_ports", "new_layout", "remove", "write_private"]

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one control plane keeps its things; `name` tells its etcd from any other that gets the same port.

    `address` is the API server's: the loopback one where nobody but this machine asks, another where nodes and pods do.
    """

    folder: Path
    etcd_port: int
    apiserver_port: int
    name: str
    address: str = HOST

    @property
    def serves_nodes(self) -> bool:
        return self.address != HOST

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def authority(self) -> Path:
        """The certificate which kube-apiserver generates at its first start, with that of its issuer."""
        return self.certificates / "apiserver.crt"

    @property
    def signing_key(self) -> Path:
        """Any RSA key will do to sign service account tokens: the generated certificate's saves making another."""
        return self.certificates / "apiserver.key"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        return self.folder / "audit-policy.json"

    @property
    def etcd_url(self) -> str:
        return f"http://{HOST}:{self.etcd_port}"

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.apiserver_port}"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now; all are held until the last is found, so they differ."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def new_layout(folder: Path, *, ports: Sequence[int], address: str = HOST) -> Layout:
    etcd, apiserver = ports
    name = f"localcluster-{secrets.token_hex(8)}"
    return Layout(folder=folder.absolute(), etcd_port=etcd, apiserver_port=apiserver, name=name, address=address)


def claim(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise LocalClusterError(
            f"The folder {folder} cannot be used ({error.strerror}); name one that can be created."
        ) from error
    if used:
        raise LocalClusterError(f"The folder {folder} is not empty and would be removed; name a new or an empty one.")


def write_private(file: Path, *, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
