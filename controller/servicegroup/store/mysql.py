"""MariaDB and MySQL for the `db` driver, by PyMySQL: connections that end when the call's time is over."""

from collections.abc import Mapping
from typing import Any

import pymysql
from pymysql.constants import CR
from pymysql.protocol import MysqlPacket

from servicegroup.store.deadline import passed, remaining

BEGIN = "START TRANSACTION"
LOCK_WAIT = "SET SESSION innodb_lock_wait_timeout = 5"
"""Seconds. Without it a server holds a waiting call for 50 s, long after its client has gone."""

ENGINE: dict[str, Any] = {"paramstyle": "format"}
"""`statements` gives values in order."""


class Connection(pymysql.connections.Connection):
    """Waits for the server no longer than the call in progress may; PyMySQL closes a connection that was too late.

    PyMySQL itself has one timeout for all of a connection's life, and applies it to each read of its socket.
    """

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        self._read_timeout = self._write_timeout = remaining()
        super()._execute_command(command, sql)  # type: ignore[misc] # the stubs hide it, as what follows

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        if passed():  # a server that drips would be given that time with each drop
            self._force_close()  # type: ignore[attr-defined]
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "no answer within the time of the call")
        packet: MysqlPacket = super()._read_packet(packet_type)  # type: ignore[no-untyped-call]
        return packet

    def fileno(self) -> int:
        found: int = self._sock.fileno()  # type: ignore[attr-defined]
        return found


def connect(parameters: Mapping[str, Any]) -> Connection:
    left = remaining()
    ours = {"connect_timeout": left, "read_timeout": left, "write_timeout": left, "init_command": LOCK_WAIT}
    ours["password"] = parameters.get("password", "").encode()  # PyMySQL would write it in Latin-1
    return Connection(**{**parameters, **ours, "charset": "utf8mb4"})
