"""Database servers for the tests: real ones from the system's packages, unprivileged, on a free port, in a folder of
their own under the temporary folder; gone with the session, and with this process if that is killed.
"""

import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servicegroup.store import tables
from servicegroup.store.server import open_server
from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from tests.contract.ports import free_port
from tests.localcluster import processes

UNPRIVILEGED = "nobody"
"""Who runs a server when the tests are root's: PostgreSQL refuses root, and nobody has this account's files to lose."""

START_SECONDS = 45.0
PASSWORD = "pa55 wörd/@:%"  # noqa: S105 - the servers listen on this machine alone, for minutes
DATABASE = "beats"
TABLES = ("servicegroup_member", "servicegroup_group", "servicegroup_verdict")


class Absent(Exception):
    """The server's programs are not on this machine; the message says how to get them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between servers: their programs, how a folder is filled, how they are started and spoken to."""

    name: str
    package: str
    folders: str
    scheme: str
    admin: str
    admins_database: str
    prepare: Callable[[Path, Path], list[str]]
    serve: Callable[[Path, Path, int], list[str]]
    users: tuple[str, ...]
    stop: signal.Signals


def _initdb(programs: Path, data: Path) -> list[str]:
    options = ["--auth=trust", "--username=admin", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    return [str(programs / "initdb"), *options, "-D", str(data)]


def _postgres(programs: Path, data: Path, port: int) -> list[str]:
    settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "shared_buffers=16MB")
    return [str(programs / "postgres"), "-D", str(data), *(word for one in settings for word in ("-c", one))]


def _install_db(programs: Path, data: Path) -> list[str]:
    options = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", f"--datadir={data}"]
    return [str(programs.parent / "bin" / "mariadb-install-db"), *options]


def _mariadbd(programs: Path, data: Path, port: int) -> list[str]:
    options = [
        "--no-defaults",
        f"--datadir={data}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
    ]
    options += [f"--socket={data / 'socket'}", f"--pid-file={data / 'pid'}", "--innodb-buffer-pool-size=32M"]
    return [str(programs / "mariadbd"), *options]


USER, AGENT, OPERATOR = "nova", "servicegroup_agent", "servicegroup_operator"

POSTGRESQL = Kind(
    name="postgresql",
    package="postgresql",
    folders="/usr/lib/postgresql/*/bin",
    scheme="postgresql+psycopg",
    admin="admin",
    admins_database="postgres",
    prepare=_initdb,
    serve=_postgres,
    users=(
        *(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'" for name in (USER, AGENT, OPERATOR)),
        f"CREATE DATABASE {DATABASE} OWNER {USER}",
    ),
    stop=signal.SIGINT,  # the "fast" shutdown: it waits for no client
)
MARIADB = Kind(
    name="mariadb",
    package="mariadb-server",
    folders="/usr/sbin",
    scheme="mysql+pymysql",
    admin="root",
    admins_database="mysql",
    prepare=_install_db,
    serve=_mariadbd,
    users=(
        f"CREATE DATABASE {DATABASE}",
        *(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}'" for name in (USER, AGENT, OPERATOR)),
        f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'%'",
    ),
    stop=signal.SIGTERM,
)
KINDS = {kind.name: kind for kind in (POSTGRESQL, MARIADB)}


@dataclass(slots=True)
class Server:
    kind: Kind
    programs: Path
    folder: Path
    port: int
    _child: processes.Child | None = field(default=None)

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.popen.pid

    def url(self, user: str = USER, *, password: str = PASSWORD, database: str = DATABASE, port: int = 0) -> str:
        address = URL.create(self.kind.scheme, user, password, "127.0.0.1", port or self.port, database)
        return address.render_as_string(hide_password=False)

    def admin(self, *statements: str, database: str = "") -> list[tuple[object, ...]]:
        """Run the statements as the administrator; the last one's rows."""
        url = self.url(self.kind.admin, password="", database=database or self.kind.admins_database)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                found = connection.exec_driver_sql(statement.replace("%", "%%"))
            return [tuple(row) for row in found] if found.returns_rows else []

    def start(self, *, wrapper: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        """Until it serves; nothing where it does already. `wrapper` is a program that runs it, `options` its own."""
        if self._child is not None and not processes.ended(self._child):
            return
        command = self.kind.serve(self.programs, self.folder / "data", self.port)
        self._child = _run([*wrapper, *command, *options], self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not self._serves():
            ended = processes.ended(self._child, within=0.05)
            assert not ended, f"{self.kind.name} ended: {self._child.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{self.kind.name} is silent: {self._child.log.read_text()[-2000:]}"

    def _serves(self) -> bool:
        try:
            self.admin("SELECT 1")
        except SQLAlchemyError:
            return False
        return True

    def follower(self, *, port: int) -> "Server":
        """A replica of this one of PostgreSQL, not started, that is to hear of it at that port of this machine."""
        folder = self.folder / f"follower-{port}"
        folder.mkdir()
        _give(folder)
        options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        source = f"--dbname=host=127.0.0.1 port={port} user={self.kind.admin}"
        copying = _run([str(self.programs / "pg_basebackup"), *options, source, f"--pgdata={folder / 'data'}"], folder)
        assert processes.ended(copying, within=START_SECONDS), f"{copying.popen.args!r} takes too long"
        assert copying.popen.returncode == 0, copying.log.read_text()[-2000:]
        return Server(self.kind, self.programs, folder, free_port())

    def init(self) -> None:
        opening = open_server(self.url())
        try:
            tables.create(opening, timeout=START_SECONDS)
        finally:
            opening.close()

    def empty(self) -> None:
        self.init()
        self.admin(*(f"DELETE FROM {table}" for table in TABLES), database=DATABASE)  # noqa: S608 - names of ours

    def stop(self) -> None:
        if self._child is not None and not processes.ended(self._child):
            self._child.popen.send_signal(self.kind.stop)
            self._child.popen.send_signal(signal.SIGCONT)
            if not processes.ended(self._child, within=processes.GRACE):
                self.kill()

    def kill(self) -> None:
        """SIGKILL to the server and to all of its children, as when its machine fails."""
        assert self._child is not None
        processes.kill_group(self._child)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It and its children stand still; the kernel goes on accepting connections for it."""
        assert self._child is not None
        first = self._child.popen.pid
        os.kill(first, signal.SIGSTOP)
        os.waitid(os.P_PID, first, os.WSTOPPED | os.WNOWAIT)
        # From now on nobody waits for a child of it that ends, so that each of them can be told to go on.
        _, *children = family(first)
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (*children, first):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def served(kind: Kind, *, within: Path | None = None) -> Iterator[Server]:
    """A server with its database and users, and no tables; its folder is in that one. Raises Absent."""
    programs = _programs(kind)
    with _folder(within) as folder:
        filling = _run(kind.prepare(programs, folder / "data"), folder)
        assert processes.ended(filling, within=START_SECONDS), f"{filling.popen.args!r} takes too long"
        assert filling.popen.returncode == 0, filling.log.read_text()[-2000:]
        server = Server(kind, programs, folder, free_port())
        try:
            server.start()
            server.admin(*kind.users)
            if kind is POSTGRESQL:  # from here on by passwords, as in life
                rules = ("all admin 127.0.0.1/32 trust", "replication admin 127.0.0.1/32 trust")
                lines = [f"host {rule}\n" for rule in (*rules, "all all 127.0.0.1/32 scram-sha-256")]
                (folder / "data" / "pg_hba.conf").write_text("".join(lines))
                server.admin("SELECT pg_reload_conf()")
            yield server
        finally:
            server.stop()


def _programs(kind: Kind) -> Path:
    program = Path(kind.serve(Path(), Path(), 0)[0]).name
    found = sorted(Path("/").glob(f"{kind.folders.removeprefix('/')}/{program}"))
    if not found:
        raise Absent(f"{kind.name} is not installed: apt-get install --no-install-recommends {kind.package}")
    return found[-1].parent


@contextmanager
def _folder(within: Path | None) -> Iterator[Path]:
    """Not pytest's own: that one is its user's alone."""
    folder = Path(tempfile.mkdtemp(prefix="servicegroup-", dir=within))
    try:
        _give(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give(folder: Path) -> None:
    if user := _user():
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)


def _user() -> str | None:
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _run(command: list[str], folder: Path) -> processes.Child:
    environ: Mapping[str, str] = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder), "TMPDIR": str(folder)}
    return processes.start(command, log=folder / "log", environ=environ, folder=folder, user=_user())


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(int(child) for child in children)]
