"""Replay: the read models built anew beside the live ones, compared, and put in place in one step.

Readers see the old rows or the new ones, never half. The comparison is exact: the live rows are hashed at one position
of the log, and the new ones are built up to just that position before they are hashed.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from posada_contracts.house import ReplayReport, TableCheck

from posada_runtime.database import Connection, Database
from posada_runtime.eventstore import EventStore
from posada_runtime.projector import LIVE, Projector
from posada_runtime.table import Projection, Table


@dataclass(frozen=True)
class Fingerprint:
    """All rows of a table, counted and hashed in key order."""

    rows: int
    hash: str


async def rebuild(database: Database, store: EventStore, projections: list[Projection], *, swap: bool) -> ReplayReport:
    """Build the read models from the first event on and compare them with the live ones.

    Args:
        swap: put the new ones in place of the live ones, which are dropped.
    """
    began = time.monotonic()
    schema = f"{LIVE}_{secrets.token_hex(4)}"
    async with database.connection() as connection:
        upto, live = await _live_state(connection, projections)
        try:
            new = Projector(store, projections, schema)
            await new.begin(connection)
            events = await new.run(connection, upto=upto)
            tables = [
                await _compared(connection, schema, projection.table, live.get(projection.table.name))
                for projection in projections
            ]
            if swap:
                events += await _swap(connection, new)
        finally:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    took = round((time.monotonic() - began) * 1000)
    return ReplayReport(events=events, sequence=new.position, took_ms=took, swapped=swap, tables=tables)


async def _live_state(connection: Connection, projections: list[Projection]) -> tuple[int, dict[str, Fingerprint]]:
    """The live position and what the rows were at just that position."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        position = await connection.fetchval(f"SELECT position FROM {LIVE}.checkpoint")  # noqa: S608
        prints = {p.table.name: await fingerprint(connection, LIVE, p.table) for p in projections}
    return position, prints


async def fingerprint(connection: Connection, schema: str, table: Table) -> Fingerprint:
    """Count and hash of a table. Columns in the order of the declaration, so that two builds compare."""
    columns = ", ".join(table.columns)
    row = await connection.fetchrow(
        f"SELECT count(*) AS rows, coalesce(md5(string_agg(md5(r::text), '' ORDER BY key)), '') AS hash "  # noqa: S608
        f'FROM (SELECT {table.key}::text AS key, ROW({columns}) AS r FROM "{schema}".{table.name}) AS t'
    )
    assert row is not None  # an aggregate has a row always
    return Fingerprint(row["rows"], row["hash"])


async def _compared(connection: Connection, schema: str, table: Table, live: Fingerprint | None) -> TableCheck:
    new = await fingerprint(connection, schema, table)
    return TableCheck(
        table=table.name,
        rows_live=live.rows if live else 0,
        rows_replayed=new.rows,
        equal=new == live,
    )


async def _swap(connection: Connection, new: Projector) -> int:
    """Hold the live projector still, catch up, and change the names. Returns how many events came on top."""
    retired = f"{new.schema}_old"
    async with connection.transaction():
        position = await connection.fetchval(f"SELECT position FROM {LIVE}.checkpoint FOR UPDATE")  # noqa: S608
        events = await new.run(connection, upto=position) if position > new.position else 0
        # whoever waits for this row will find another build in it, roll back, and look where things stand
        await connection.execute(f"UPDATE {LIVE}.checkpoint SET build = 'retired'")  # noqa: S608
        await connection.execute(f'ALTER SCHEMA {LIVE} RENAME TO "{retired}"')
        await connection.execute(f'ALTER SCHEMA "{new.schema}" RENAME TO {LIVE}')
    await connection.execute(f'DROP SCHEMA "{retired}" CASCADE')
    return events
