"""The stores of a run, as what can be done to them: each is real, and each fault is a context manager."""

from tests.scenarios.places.database import Database
from tests.scenarios.places.gateway import Gateways, gateways
from tests.scenarios.places.memcached import Memcached, memcacheds
from tests.scenarios.places.place import Place
from tests.scenarios.places.replica import databases
from tests.scenarios.places.sqlite import Sqlite, sqlites

__all__ = ["Database", "Gateways", "Memcached", "Place", "Sqlite", "databases", "gateways", "memcacheds", "sqlites"]
