"""An authority of a test's own, and certificates for this machine that it signs."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    folder: Path
    _ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def file(self) -> Path:
        path = self.folder / "ca.crt"
        self._ca.cert_pem.write_to_path(str(path))
        return path

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))

    def issue(self, *names: str) -> tuple[Path, Path]:
        """The files of a certificate and of its key, each time new."""
        issued = self._ca.issue_cert(*(names or ("127.0.0.1", "localhost")))
        chain, key = self.folder / "tls.crt", self.folder / "tls.key"
        chain.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return chain, key
