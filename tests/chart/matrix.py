"""Values that people give, by what they are about; what holds of the chart is tested with each of them."""

from collections.abc import Mapping

from tests.chart.rendering import Values

AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRET_STORE: Values = {"driver": "db", "existingSecret": {"name": "beats"}}

SETS: Mapping[str, Values] = {
    "nothing given": {},
    "a database, its URL in a Secret": {"stores": {"default": SECRET_STORE}, "gateway": {"replicas": 3}},
    "memcached by TLS, and a limit": {
        "stores": {
            "default": {
                "driver": "mc",
                "servers": ["mc-0:11211", "mc-1:11211"],
                "tls": {"caFile": "/etc/servicegroup/tls/stores/default/ca.crt"},
                "tlsSecret": "mc-tls",
                "maxBeatsPerSecond": 500,
            }
        },
        "storeId": "east",
    },
    "a server and SQLite": {"stores": {"default": {"driver": "db"}, "edge": SECRET_STORE}},
    "two namespaces": {"namespaces": ["nova", "ironic"]},
    "two namespaces and a server": {"namespaces": ["nova", "ironic"], "stores": {"default": SECRET_STORE}},
    "a certificate by cert-manager": {
        "gateway": {"tls": {"ca": AUTHORITY, "certManager": {"issuerRef": {"name": "ours", "kind": "ClusterIssuer"}}}}
    },
    "users by number given by the cluster, as on OpenShift": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "injection": {"securityContext": {"runAsUser": None, "runAsGroup": None}},
    },
    "a certificate of one's own": {"gateway": {"tls": {"ca": AUTHORITY, "existingSecret": "gateway-tls"}}},
    "no injection, no definition, no roles": {
        "injection": {"enabled": False},
        "crds": {"enabled": False},
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "ours"},
    },
    "all there is": {
        "nameOverride": "sg",
        "fullnameOverride": "who-is-up",
        "commonLabels": {"team": "compute", "app.kubernetes.io/component": "theirs"},
        "image": {"repository": "registry.example/servicegroup", "digest": f"sha256:{'a' * 64}"},
        "imagePullSecrets": [{"name": "pull"}],
        "stores": {
            "default": {**SECRET_STORE, "existingSecret": {"name": "beats", "key": "dsn"}},
            "cache": {"driver": "mc", "url": "memcached://mc:11211/"},
        },
        "persistence": {"enabled": True, "storageClassName": "fast", "size": "2Gi"},
        "operator": {"extraArgs": ["--decisions=/tmp/decisions"], "extraEnv": [{"name": "TZ", "value": "UTC"}]},
        "gateway": {
            "replicas": None,
            "extraArgs": ["--trust-tokens=60"],
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "service": {"clusterIP": "10.96.0.77", "annotations": {"a": "b"}},
        },
        "injection": {"enabled": True},
        "serviceAccount": {"annotations": {"a": "b"}},
        "ipv6": True,
        "networkPolicy": {
            "enabled": True,
            "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "egress": [{"ports": [{"port": 5432, "protocol": "TCP"}]}],
        },
        "podLabels": {"tier": "control"},
        "podAnnotations": {"a": "b"},
        "priorityClassName": "high",
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
}
