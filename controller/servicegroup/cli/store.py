"""`servicegroup store init`: make the tables on a database server, once, by an administrator."""

import argparse
from collections.abc import Mapping

from servicegroup import config
from servicegroup.cli.parser import add_store, settings_of
from servicegroup.store import SERVERS, InvalidStore

SECONDS = 30.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    store = commands.add_parser("store", help="prepare a store on a database server")
    actions = store.add_subparsers(metavar="ACTION", required=True)
    init = actions.add_parser(
        "init",
        help="make the tables that are missing",
        epilog="The URL's user needs the right to make tables; agents and operator do not. SQLite needs no init.",
    )
    add_store(init)
    init.add_argument(
        "--print-sql",
        action="store_true",
        help="connect to nothing: print the SQL of the tables, and the grants for an agent's role and the operator's",
    )
    init.set_defaults(run=run)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Raises InvalidSetting, InvalidStore, StoreUnavailable."""
    url = config.store_url(settings_of(arguments, environ))
    if url.partition("://")[0] not in SERVERS:
        raise InvalidStore(
            "store init is for database servers (postgresql+psycopg://..., mysql+pymysql://...): give their URL by "
            "--store-url or --store-url-file; every other store makes what it needs by itself"
        )
    from servicegroup.store import tables
    from servicegroup.store.server import open_server

    opening = open_server(url)
    if arguments.print_sql:
        print(tables.script(opening), end="")
        return 0
    try:
        tables.create(opening, timeout=SECONDS)
    finally:
        opening.close()
    print(f"store {opening.shown}: the tables are there; --print-sql shows the grants that the roles need")
    return 0
