"""Postgres: read models only. Its pool, and the errors of a server that is away as our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
from posada_contracts.errors import UnavailableError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection
Row = asyncpg.Record

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of an operation
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""What a server that is stopped, starting or killed looks like from here."""

IN_CHANGE = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InvalidCachedStatementError)
"""What a reader may see in the instant in which rebuilt read models are put in place: a second try works."""


class Database:
    """A pool that is made when it is first needed, so that a service may start before Postgres does."""

    def __init__(self, dsn: str, size: int = 8) -> None:
        self._dsn, self._size = dsn, size
        self._pool: asyncpg.Pool | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection from the pool.

        Raises:
            UnavailableError: the server is away.
        """
        try:
            pool = await self._open()
            async with pool.acquire(timeout=3) as connection:
                yield connection
        except AWAY as error:
            raise UnavailableError("the database does not answer") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._making:  # of two first users at once, one would leave a pool behind that nobody closes
            if self._pool is None:
                # a pool that shall keep connections open tells every try on a server that is away on stderr
                self._pool = await asyncpg.create_pool(self._dsn, min_size=0, max_size=self._size, timeout=3)
            return self._pool

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Rows of a query. One that falls into a swap of the read models is asked again.

        Raises:
            UnavailableError: the server is away, or the read models are not there yet.
        """
        for _ in range(2):
            try:
                async with self.connection() as connection:
                    return list(await connection.fetch(query, *args, timeout=10))
            except IN_CHANGE:
                continue
        raise UnavailableError("the read models are still being built")

    async def ping(self) -> None:
        """Ask something for real.

        Raises:
            UnavailableError: the server is away.
        """
        await self.fetch("SELECT 1")

    def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            self._pool.terminate()
