"""Asks the gateway as an agent would: by its Service, with its authority, with a token that it has to look up."""

import http.client
import os
import ssl
import sys
from pathlib import Path

host = os.environ["GATEWAY"]
context = ssl.create_default_context(cadata=os.environ["SERVICEGROUP_CA_PEM"])
token = Path("/var/run/secrets/servicegroup.dev/token").read_text(encoding="utf-8").strip()
connection = http.client.HTTPSConnection(host, timeout=20, context=context)
try:
    connection.request("GET", "/v1/groups", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    said = answer.read(500)
except OSError as error:
    sys.exit(f"{host}: {error}; look at `kubectl get pods` and at the gateway's log")
if answer.status != http.client.OK:
    sys.exit(f"{host}: {answer.status} {said!r}")
sys.stdout.write(f"{host}: the gateway knows this pod's token\n")
