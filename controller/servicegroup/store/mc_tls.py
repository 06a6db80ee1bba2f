"""TLS to memcached servers: a connected socket comes in, one that is verified goes out, or a sentence says why not.

The server's certificate must be good for the name that was given, whatever address it resolved to. The files are looked
at for each new connection and read again when they changed: certificates are renewed while a process lives.
"""

import socket
import ssl
import threading
from pathlib import Path

from servicegroup.store.mc_address import OPTIONS, Tls

UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_*: nobody whom we trust has signed it."""

OTHER_NAME = frozenset({62, 63, 64})
"""The same: it is another host's, e-mail's or address's."""

NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
"""What OpenSSL's versions call an answer that is none of TLS."""

Stamp = tuple[tuple[int, int, int], ...]


class Secure:
    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        files = ((option, getattr(tls, OPTIONS[option])) for option in ("ssl_ca", "ssl_cert", "ssl_key"))
        self._files = tuple((option, path) for option, path in files if path is not None)
        self._lock = threading.Lock()
        self._stamp: Stamp = ()
        self._context: ssl.SSLContext | None = None

    def wrap(self, sock: socket.socket, *, name: str) -> ssl.SSLSocket:
        """Shake hands, within the socket's timeout. Raises OSError."""
        wanted = (self._tls.server_name or name).rstrip(".")  # a certificate's name has no dot at its end
        context = self._current()
        try:
            return context.wrap_socket(sock, server_hostname=wanted)
        except TimeoutError:
            raise ConnectionError("no answer in time to the handshake of TLS") from None
        except ssl.SSLError as error:
            raise ConnectionError(self.said(error)) from None

    def _current(self) -> ssl.SSLContext:
        with self._lock:
            # Strictly before reading: what is written meanwhile has another stamp, and is read the next time.
            stamp = tuple(_stamp(option, path) for option, path in self._files)
            if self._context is None or stamp != self._stamp:
                self._context = self._read()
                self._stamp = stamp
            return self._context

    def _read(self) -> ssl.SSLContext:
        for option, path in self._files:
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise _unreadable(option, path, error) from None
        try:
            context = ssl.create_default_context(cafile=self._tls.ca)
        except ssl.SSLError:
            raise ConnectionError(f"ssl_ca {self._tls.ca} holds no certificates in PEM form; correct it") from None
        if self._tls.cert is None:
            return context
        key = self._tls.key or self._tls.cert
        try:
            context.load_cert_chain(self._tls.cert, key, password=lambda: _encrypted(key))
        except ssl.SSLError:
            raise ConnectionError(
                f"ssl_cert {self._tls.cert} and the key in {key} are no pair in PEM form; correct them"
            ) from None
        return context

    def said(self, error: ssl.SSLError) -> str:
        """What an error of TLS means, and what to do."""
        reason = error.reason or ""
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {error.verify_message}{self._advice(error.verify_code)}"
        if "ALERT" in reason:
            return f"it refuses TLS with us ({reason.lower().replace('_', ' ')}); {self.hint}"
        if reason in NO_TLS:
            return "it does not speak TLS; where it serves without, write memcached://"
        return f"TLS failed: {reason.lower().replace('_', ' ') or 'it closed the connection'}"

    @property
    def hint(self) -> str:
        """What it may be when a server hangs up without a word."""
        if self._tls.cert is None:
            return "where it demands a certificate, give ssl_cert and ssl_key"
        return f"it may not accept the certificate of ssl_cert {self._tls.cert}"

    def _advice(self, code: int) -> str:
        if code in UNTRUSTED:
            if self._tls.ca is None:
                return "; the system's authorities did not sign it, name who did as ssl_ca"
            return f"; those of ssl_ca {self._tls.ca} did not sign it"
        if code in OTHER_NAME:
            return " Give the server by a name that is in it, or ssl_server_name"
        return ""


def _stamp(option: str, path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()  # through links: a mounted Secret is renewed by another link
    except OSError as error:
        raise _unreadable(option, path, error) from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _unreadable(option: str, path: str, error: OSError) -> ConnectionError:
    return ConnectionError(f"{option} names {path}, which cannot be read: {error.strerror}; mount it or correct it")


def _encrypted(path: str) -> str:
    # Without this OpenSSL asks for it at the terminal, and waits.
    raise ConnectionError(f"the key in {path} is encrypted: give one without a password")
