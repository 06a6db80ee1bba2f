"""The command line's words: arguments come in, a namespace with a function to run goes out."""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from servicegroup.config import Settings, with_nova_conf

USAGE = 64
"""EX_USAGE of sysexits.h: argparse's own 2 would read as "unknown" to who asks `is-up`."""

UNAVAILABLE = 69
"""EX_UNAVAILABLE of sysexits.h."""

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def settings_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Raises InvalidSetting."""
    return with_nova_conf(Settings(vars(arguments), environ))


def add_config_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config-file", metavar="FILE", help="a nova.conf; of its [DEFAULT] what is about service groups counts"
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument(
        "--store-url", metavar="URL", help="the store; default: a SQLite file in this user's state folder"
    )
    parser.add_argument("--store-url-file", metavar="FILE", help="a file whose first line is the store's URL")
    add_store_id(parser)


def add_store_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store-id", metavar="ID", help="whose groups, in a store that clusters share; default: default"
    )
