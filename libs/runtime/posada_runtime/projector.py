"""The projector: events in, read models out.

A batch is folded in memory and written with one upsert per table, in one transaction with the checkpoint: the rows and
the position they stand for never differ. The checkpoint's row is also the fence. Whoever finds it elsewhere than
expected rolls back and starts from what is there, so a second projector or a swap of schemas can never be overrun.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from posada_contracts.errors import PosadaError
from posada_contracts.streams import EVENT_SUBJECTS

from posada_runtime.database import AWAY, IN_CHANGE, Connection, Database
from posada_runtime.eventstore import EventStore
from posada_runtime.log import get_logger
from posada_runtime.table import Projection, Values, create_schema, fetch_rows, upsert
from posada_runtime.wire import Recorded, UnknownEventError

LIVE = "posada"
"""The schema that readers read."""

CACHE_ROWS = 50_000
LOCK = 0x706F73616461
"""The advisory lock of the one live projector; it goes with the connection, so a killed one frees it at once."""


class MovedError(Exception):
    """The read models stand elsewhere than this projector thought."""


class Projector:
    """Folds the log into the tables of one schema."""

    def __init__(self, store: EventStore, projections: list[Projection], schema: str = LIVE) -> None:
        self._store, self._projections, self.schema = store, projections, schema
        self._rows: dict[str, dict[Any, Values | None]] = {}
        self._complete = False  # everything that is in the tables is in memory too: nothing has to be read back
        self._build = ""
        self.position = 0

    async def begin(self, connection: Connection) -> None:
        """Find out where the tables stand; make them when they are not there."""
        await create_schema(connection, self.schema, self._projections, build=secrets.token_hex(8))
        row = await connection.fetchrow(f'SELECT build, position FROM "{self.schema}".checkpoint')  # noqa: S608
        assert row is not None  # create_schema put it there
        self._build, self.position = row["build"], row["position"]
        self._rows = {projection.table.name: {} for projection in self._projections}
        self._complete = self.position == 0

    async def run(self, connection: Connection, *, upto: int | None = None, follow: bool = False) -> int:
        """Fold what there is (with `follow`, what comes as well); returns how many events it took."""
        taken = 0
        async for batch in self._store.batches([EVENT_SUBJECTS], after=self.position, upto=upto, follow=follow):
            await self.take(connection, batch)
            taken += len(batch)
        return taken

    async def take(self, connection: Connection, batch: list[Recorded]) -> None:
        """Fold one batch and write it, rows and checkpoint together.

        Raises:
            MovedError: somebody else wrote in the meantime; nothing was written.
        """
        position = batch[-1].sequence
        async with connection.transaction():
            moved = await connection.execute(
                f'UPDATE "{self.schema}".checkpoint SET position = $1 WHERE build = $2 AND position = $3',  # noqa: S608
                position,
                self._build,
                self.position,
            )
            if moved != "UPDATE 1":
                raise MovedError
            for projection in self._projections:
                await self._write(connection, projection, batch)
        self.position = position
        self._forget_if_many()

    async def _write(self, connection: Connection, projection: Projection, batch: list[Recorded]) -> None:
        concerned = [(key, recorded) for recorded in batch if (key := projection.key_of(recorded)) is not None]
        rows = self._rows[projection.table.name]
        if not self._complete:
            unknown = {key for key, _ in concerned if key not in rows}
            rows.update(await fetch_rows(connection, self.schema, projection.table, unknown))
        for key, recorded in concerned:
            rows[key] = projection.fold(rows.get(key), recorded)
        changed = [row for key in dict(concerned) if (row := rows[key]) is not None]
        await upsert(connection, self.schema, projection.table, changed)

    def _forget_if_many(self) -> None:
        if sum(map(len, self._rows.values())) > CACHE_ROWS:
            self._rows = {name: {} for name in self._rows}
            self._complete = False


class LiveProjector:
    """Keeps the live read models up to date for as long as the process runs; one in the whole house at a time."""

    def __init__(self, store: EventStore, projections: list[Projection], database: Database) -> None:
        self._store, self._projections, self._database = store, projections, database

    async def run(self) -> None:
        """Project without end. A database that is away or moved is waited for."""
        pause = 0.05
        while True:
            try:
                async with self._leading() as connection:
                    projector = Projector(self._store, self._projections)
                    await projector.begin(connection)
                    pause = 0.05
                    await projector.run(connection, follow=True)
            except UnknownEventError as error:  # a newer version writes already: wait to be replaced by it
                get_logger().error("projector_stuck", why=str(error))
                pause = 1.0
            except (MovedError, PosadaError, *AWAY, *IN_CHANGE) as error:
                get_logger().info("projector_restarts", why=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[Connection]:
        """A connection that holds the projector's lock; waits until it is free."""
        async with self._database.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=None)
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def reached(database: Database, sequence: int, *, within_s: float = 3.0) -> bool:
    """Wait until the live read models show everything up to `sequence`."""
    deadline = asyncio.get_running_loop().time() + within_s
    pause = 0.002
    while True:
        rows = await database.fetch(f"SELECT position FROM {LIVE}.checkpoint")  # noqa: S608
        if rows[0]["position"] >= sequence:
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
