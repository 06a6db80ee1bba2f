"""`mains SPEC PIDS`: the main process of each node, which answers by HTTP on a port of its own, until SIGTERM.

SPEC is a file of JSON: name to port. It stands for the service that a node is there for.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.compare import forks


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not a line for each."""


def main(spec: Path, pids: Path) -> None:
    ports: dict[str, int] = json.loads(spec.read_text(encoding="utf-8"))

    def run(node: str) -> None:
        with HTTPServer(("127.0.0.1", ports[node]), Answer) as server:
            server.serve_forever()

    forks.keep(ports, run, pids=pids)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
