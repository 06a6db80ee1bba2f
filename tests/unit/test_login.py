"""Where the operator finds the API server in a pod: by what the kubelet says, never by a name that DNS must know."""

import pytest
from servicegroup.operator.handlers import api_server


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, "https://10.96.0.1:6443"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "https://10.96.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, "https://[fd00::1]:443"),
        ({}, None),
    ],
)
def test_the_api_server_is_where_the_kubelet_says(environ: dict[str, str], expected: str | None) -> None:
    assert api_server(environ) == expected
