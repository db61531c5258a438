"""Real servers for tests: NATS and Postgres as child processes, on free ports, in directories of their own."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from posada_embedded.nats import NatsConfig, NatsServer
from posada_embedded.postgres import PostgresConfig, PostgresServer
from posada_runtime.database import Database
from posada_runtime.settings import CommonSettings
from pydantic import SecretStr


@contextmanager
def own_directory(prefix: str) -> Iterator[Path]:
    """A directory that everybody can pass: pytest's own are closed to the account that Postgres runs as."""
    path = Path(tempfile.mkdtemp(prefix=f"posada-{prefix}-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def running_nats(mark: str | None = None) -> AsyncIterator[NatsServer]:
    """A NATS server of your own; `kill()` and `start()` it as you like.

    It does not sync each publish to disk: no test here cuts the power, and kill -9 loses nothing either way.
    """
    with own_directory("nats") as directory:
        async with NatsServer(NatsConfig(directory, sync_always=False, mark=mark)) as server:
            yield server


@asynccontextmanager
async def running_postgres(mark: str | None = None) -> AsyncIterator[PostgresServer]:
    """A Postgres server of your own; `kill()` and `start()` it as you like. Takes a second or two to make."""
    with own_directory("postgres") as directory:
        server = PostgresServer(PostgresConfig(directory, fsync=False, mark=mark))
        try:
            async with server:
                yield server
        finally:
            server.remove_data()


@asynccontextmanager
async def own_database(server: PostgresServer) -> AsyncIterator[str]:
    """The DSN of a new, empty database, dropped after the block whoever still is connected to it."""
    name = f"test_{secrets.token_hex(6)}"
    admin = Database(server.dsn, size=1)
    try:
        async with admin.connection() as connection:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template1")
            try:
                yield urlunsplit(urlsplit(server.dsn)._replace(path=f"/{name}"))
            finally:
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        admin.close()


def settings_for(server: NatsServer, data: Path) -> CommonSettings:
    """What a process is told to work on `server` and keep its own things in `data`. Nothing of the environment."""
    return CommonSettings(
        nats_url=SecretStr(server.url),
        nats_replicas=1,
        data=data,
        master_key=None,
        master_key_file=None,
        log_level="info",
        log_format="json",
        otlp_endpoint="",
        grace_seconds=3,
    )
