"""`servicegroup operator`: watch the groups of a cluster (or of a file) and judge who is alive."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from servicegroup import config
from servicegroup.cli.gateway import LISTEN, add_serving, serving
from servicegroup.cli.parser import add_config_file, add_store_id, settings_of
from servicegroup.novaconf import NovaConf

if TYPE_CHECKING:
    from servicegroup.operator.run import Beside
    from servicegroup.operator.stores import StoreConfig

LOGGER = logging.getLogger("servicegroup.operator")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "operator",
        help="judge who is alive, until SIGTERM",
        epilog="Each flag is also a variable: --stores is SERVICEGROUP_STORES. It finds the API server as a pod does, "
        "or by KUBECONFIG.",
    )
    parser.add_argument("--stores", metavar="FILE", help="the stores (YAML); default: one, `default`, of SQLite")
    parser.add_argument("--namespaces", metavar="A,B", help="watch these alone; default: all")
    parser.add_argument("--groups", metavar="FILE", help="work without Kubernetes, for the groups in this file (YAML)")
    parser.add_argument(
        "--liveness", metavar="URL", help="serve the liveness probe here, as http://0.0.0.0:8080/healthz"
    )
    parser.add_argument(
        "--decisions", metavar="FILE", help="append each transition and its evidence, a line of JSON each"
    )
    add_config_file(parser)
    parser.add_argument(
        "--gateway",
        metavar="ADDRESS:PORT",
        help="serve agents and readers here by HTTP; `off`: do not; default: 0.0.0.0:8443, where there is a --tls-cert",
    )
    add_serving(parser)
    add_store_id(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Raises InvalidSetting."""
    # Here and not above: the agent's program reads this module too, and pays for none of these.
    import asyncio

    from servicegroup.operator import run as operator

    settings = settings_of(arguments, environ)
    given = {name: found[1] for name in ("stores", "groups", "decisions", "liveness") if (found := settings.find(name))}
    namespaces = settings.find("namespaces")
    configuration = operator.Configuration(
        stores=_stores(given.get("stores"), settings.nova),
        store_id=config.store_id(settings),
        namespaces=config.names(*namespaces) if namespaces else (),
        liveness=given.get("liveness"),
        decisions=Path(given["decisions"]) if "decisions" in given else None,
        defaults=_defaults(settings.nova),
    )
    beside = _gateway(settings)
    if "groups" in given and beside:
        raise config.InvalidSetting("--gateway asks Kubernetes whose a token is, and --groups works without: omit one")
    if "groups" in given:
        asyncio.run(operator.without_kubernetes(configuration, Path(given["groups"])))
    else:
        asyncio.run(operator.with_kubernetes(configuration, beside=beside))
    return 0


def _gateway(settings: config.Settings) -> "list[Beside]":
    """On where it can be: without a certificate nobody could trust it. Raises InvalidSetting."""
    origin, listen = settings.find("gateway") or ("--gateway", LISTEN if settings.find("tls_cert") else "off")
    if listen == "off":
        return []
    from servicegroup.gateway.inside import beside

    return [beside(serving(settings, origin, listen))]


def _stores(file: str | None, nova: NovaConf) -> "Mapping[str, StoreConfig]":
    """--stores, else the memcached servers of nova.conf, else SQLite."""
    from servicegroup.operator import stores

    if file is not None:
        if nova.driver is not None:
            LOGGER.info("stores: those of %s; servicegroup_driver of the config file counts for nothing", file)
        return stores.read_stores(Path(file))
    if nova.store_url is None:
        return stores.default_stores()
    if not nova.servers:
        LOGGER.warning(
            "store default: inside this process, where no agent reaches it: servicegroup_driver is mc, and "
            "memcached_servers names none"
        )
    return {"default": stores.StoreConfig("default", "mc", url=nova.store_url)}


def _defaults(nova: NovaConf) -> dict[str, int]:
    given = {"reportIntervalSeconds": nova.interval, "serviceDownTimeSeconds": nova.down_time}
    return {field: value for field, value in given.items() if value is not None}
