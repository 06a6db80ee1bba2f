"""`servicegroup COMMAND`: one program, several commands; each loads no more than it needs."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence

from servicegroup.cli import administer, agent, draining, forget, gateway, operator, readers, store
from servicegroup.cli.parser import UNAVAILABLE, USAGE, Parser
from servicegroup.config import InvalidSetting
from servicegroup.model import InvalidName
from servicegroup.store import InvalidStore, StoreUnavailable


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    parser = Parser(prog="servicegroup", description="Which nodes of a compute service group are alive.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for module in (operator, gateway, agent, draining, readers, store, administer, forget):
        module.add(commands)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for chatty in ("kopf.objects", "kopf.activities.probe", "aiohttp.access"):  # a line for each event and probe
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        code: int = arguments.run(arguments, environ)
    except (InvalidSetting, InvalidName, InvalidStore) as error:
        print(f"servicegroup: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return USAGE
    except StoreUnavailable as error:
        print(f"servicegroup: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return UNAVAILABLE
    return code


if __name__ == "__main__":
    sys.exit(main())
