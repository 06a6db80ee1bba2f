"""`servicegroup gateway`: beats and questions by HTTP, for those who hold no key to the store."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from servicegroup import config
from servicegroup.cli.parser import add_store_id, settings_of

if TYPE_CHECKING:
    from servicegroup.gateway.certificates import Certificate
    from servicegroup.gateway.serve import Configuration

LISTEN = "0.0.0.0:8443"
SHORTEST_TRUST = 1.0
"""Seconds: with less, each beat of an agent would be a TokenReview."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "gateway",
        help="take beats and answer questions by HTTP, until SIGTERM",
        epilog="Each flag is also a variable: --tls-cert is SERVICEGROUP_TLS_CERT. It finds the API server as a pod "
        "does, or by KUBECONFIG. The operator serves the same by --gateway.",
    )
    parser.add_argument("--stores", metavar="FILE", help="the operator's stores (YAML); default: one of SQLite")
    parser.add_argument("--namespaces", metavar="A,B", help="serve the groups of these alone; default: all")
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help=f"default: {LISTEN}")
    add_serving(parser)
    add_store_id(parser)
    parser.set_defaults(run=run)


def add_serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tls-cert", metavar="FILE", help="the gateway's certificate (PEM); read again as it changes")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--audience", metavar="WORD", help="of the tokens that are taken; default: servicegroup.dev")
    parser.add_argument(
        "--trust-tokens", metavar="SECONDS", help="ask the API server again whose a token is; default and most: 600"
    )
    parser.add_argument(
        "--insecure-http", action="store_const", const="true", help="no TLS, which is allowed on loopback alone"
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Raises InvalidSetting."""
    import asyncio

    from servicegroup.gateway import standalone
    from servicegroup.operator.stores import SharedStore, default_stores, read_stores

    settings = settings_of(arguments, environ)
    stores, namespaces = settings.find("stores"), settings.find("namespaces")
    configs = read_stores(Path(stores[1])) if stores else default_stores()
    shared = {name: SharedStore(one, config.store_id(settings)) for name, one in configs.items()}
    configuration = serving(settings, *(settings.find("listen") or ("--listen", LISTEN)))
    watched = config.names(*namespaces) if namespaces else ()
    asyncio.run(standalone.run(configuration, shared, namespaces=watched))
    return 0


def serving(settings: config.Settings, origin: str, listen: str) -> "Configuration":
    """Raises InvalidSetting."""
    from servicegroup.gateway import listening
    from servicegroup.gateway.authentication import TRUSTED_SECONDS
    from servicegroup.gateway.identity import AUDIENCE
    from servicegroup.gateway.serve import Configuration

    address, audience = listening.parse(origin, listen), settings.find("audience")
    certificate = _certificate(settings)
    insecure = settings.find("insecure_http")
    if certificate is None and not (insecure and address.loopback):
        raise config.InvalidSetting(
            f"{origin} is {address}: without TLS tokens would be read on their way; give --tls-cert and --tls-key, or "
            "--insecure-http with an address such as 127.0.0.1:8443"
        )
    trusted = config.seconds(
        settings, "trust_tokens", default=TRUSTED_SECONDS, low=SHORTEST_TRUST, high=TRUSTED_SECONDS
    )
    return Configuration(address, certificate, AUDIENCE if audience is None else audience[1], trusted)


def _certificate(settings: config.Settings) -> "Certificate | None":
    from servicegroup.gateway.certificates import Certificate

    chain, key = settings.find("tls_cert"), settings.find("tls_key")
    if (chain is None) != (key is None):
        raise config.InvalidSetting("--tls-cert and --tls-key belong together: give both, or neither")
    return Certificate(Path(chain[1]), Path(key[1])) if chain and key else None
