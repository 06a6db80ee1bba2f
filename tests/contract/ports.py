"""A port for a test's server, which keeps it while it is down and comes back."""

import secrets
import socket
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """Below those that the system gives to clients: one of them could take it while the server is down."""
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = 10_000 + secrets.randbelow(first_of_clients - 10_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
