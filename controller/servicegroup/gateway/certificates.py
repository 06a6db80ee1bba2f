"""The gateway's certificate: files come in, a TLS context goes out that takes up new ones when the files change."""

import asyncio
import asyncio.sslproto
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from servicegroup.config import InvalidSetting

LOGGER = logging.getLogger("servicegroup.gateway")
LOOK_SECONDS = 5.0
BUFFER = 16 * 1024
"""Bytes; asyncio would take 256 KiB for each connection, 2.5 GiB for ten thousand agents that say 300 bytes."""

Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Raises InvalidSetting."""
        asyncio.sslproto.SSLProtocol.max_size = BUFFER
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._load(context)
        except (OSError, ValueError) as error:
            raise InvalidSetting(
                f"--tls-cert {self.chain} and --tls-key {self.key}: {_cause(error)}; mount a certificate and its key"
            ) from None
        return context

    async def watch(self, context: ssl.SSLContext) -> None:
        """New connections get what the files hold; one that cannot be used is told, and the one before stays."""
        loaded = self._stamp()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._stamp()
            if now == loaded:
                continue
            try:
                self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # a half that does not fit must not be in use
                self._load(context)
            except (OSError, ValueError) as error:
                LOGGER.warning("the new certificate is not used: %s", _cause(error))
            else:
                LOGGER.info("a new certificate is in use")
            loaded = now

    def _load(self, context: ssl.SSLContext) -> None:
        # Without the callback OpenSSL would ask the terminal for a password.
        context.load_cert_chain(self.chain, self.key, password=_no_password)

    def _stamp(self) -> Stamp:
        return tuple(_stamp(path) for path in (self.chain, self.key))


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one without a password")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
