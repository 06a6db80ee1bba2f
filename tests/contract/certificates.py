"""Certificates for tests, made on the spot: files come out, for a server, for its clients, and for neither."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

NAME = "memcached.example"
ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Certificates:
    """One authority and what it signed; each file in PEM form, a certificate together with its key."""

    ca: Path
    server: Path
    client: Path


def issue(folder: Path, *, names: tuple[str, ...] = (NAME, *ADDRESSES), age: timedelta = timedelta(0)) -> Certificates:
    """A new authority; its server's certificate is for these names, and ends a day after `age` began."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    authority = trustme.CA()
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(str(files.ca))
    until = datetime.now(UTC) + timedelta(days=1) - age
    before = until - timedelta(days=1)
    server = authority.issue_cert(*names, not_before=before, not_after=until)
    server.private_key_and_cert_chain_pem.write_to_path(str(files.server))
    authority.issue_cert("agent.example").private_key_and_cert_chain_pem.write_to_path(str(files.client))
    return files
