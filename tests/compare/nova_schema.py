"""Run by Python of Nova's own environment: `nova_schema CONF` makes the tables of a cell by Nova's own migrations."""

import sys

from nova import monkey_patch

monkey_patch.patch(backend="threading")

from nova import config
from nova.db import migration

if __name__ == "__main__":
    config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
    migration.db_sync()
