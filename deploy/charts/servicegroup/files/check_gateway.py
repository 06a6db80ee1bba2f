"""Asks the gateway as an agent would: by its Service, with its authority, with a token that it has to look up."""

import os
import ssl
import sys
import urllib.error
import urllib.request

url = os.environ["GATEWAY"] + "/v1/groups"
with open("/var/run/secrets/servicegroup.dev/token", encoding="utf-8") as file:
    token = file.read().strip()
context = ssl.create_default_context(cadata=os.environ["SERVICEGROUP_CA_PEM"])
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
try:
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        print(f"{url}: {answer.status}; the gateway knows this pod's token")
except urllib.error.HTTPError as error:
    sys.exit(f"{url}: {error.code} {error.read(500)!r}")
except OSError as error:
    sys.exit(f"{url}: {error}; look at `kubectl get pods` and at the gateway's log")
