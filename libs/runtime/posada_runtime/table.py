"""Read models as tables: declared once, written with one statement a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from posada_runtime.database import Connection
from posada_runtime.wire import Recorded

Values = dict[str, Any]
"""A row by column name. `jsonb` columns hold their JSON text."""


@dataclass(frozen=True)
class Table:
    """A read model: one row per `key`."""

    name: str
    key: str
    columns: dict[str, str]  #: Postgres types by column name, the key's too
    indexes: tuple[str, ...] = ()  #: what to index, such as `tenant, created_at DESC`


class Projection(Protocol):
    """How events become rows of one table."""

    table: Table

    def key_of(self, recorded: Recorded) -> Any | None:
        """The key of the row that an event changes; `None` when it is not for this table."""

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        """The row after an event; a new dict, or `row` itself when nothing changes."""


async def create_schema(connection: Connection, schema: str, projections: Iterable[Projection], *, build: str) -> None:
    """Make the schema, its tables and its checkpoint where they are not there yet, or not as they are declared now.

    Tables of an older version are dropped, all of them: the log has what stood in them.
    """
    projections = list(projections)
    async with connection.transaction():
        if await _is_outdated(connection, schema, projections):
            await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{schema}".checkpoint '
            "(one bool PRIMARY KEY DEFAULT true CHECK (one), build text NOT NULL, position bigint NOT NULL)"
        )
        await connection.execute(
            f'INSERT INTO "{schema}".checkpoint (build, position) VALUES ($1, 0) ON CONFLICT DO NOTHING',  # noqa: S608
            build,
        )
        for projection in projections:
            table = projection.table
            columns = ", ".join(f"{name} {type_}" for name, type_ in table.columns.items())
            await connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{schema}".{table.name} ({columns}, PRIMARY KEY ({table.key}))'
            )
            for number, index in enumerate(table.indexes):
                await connection.execute(
                    f'CREATE INDEX IF NOT EXISTS {table.name}_{number} ON "{schema}".{table.name} ({index})'
                )


async def _is_outdated(connection: Connection, schema: str, projections: Iterable[Projection]) -> bool:
    """Whether a table that is there has other columns than its declaration."""
    found = await connection.fetch(
        "SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns "
        "WHERE table_schema = $1 GROUP BY 1",
        schema,
    )
    there = {row["table_name"]: set(row["columns"]) for row in found}
    tables = [projection.table for projection in projections]
    return any(table.name in there and there[table.name] != set(table.columns) for table in tables)


async def fetch_rows(connection: Connection, schema: str, table: Table, keys: set[Any]) -> dict[Any, Values | None]:
    """The rows of `keys`; `None` for those that are not there."""
    if not keys:
        return {}
    found = await connection.fetch(
        f'SELECT * FROM "{schema}".{table.name} WHERE {table.key} = ANY($1::{table.columns[table.key]}[])',  # noqa: S608
        list(keys),
    )
    return {**dict.fromkeys(keys), **{row[table.key]: dict(row) for row in found}}


async def upsert(connection: Connection, schema: str, table: Table, rows: list[Values]) -> None:
    """Write rows whole, one array per column."""
    if rows:
        await connection.execute(upsert_sql(schema, table), *([row[name] for row in rows] for name in table.columns))


def upsert_sql(schema: str, table: Table) -> str:
    """`INSERT … SELECT unnest(…) ON CONFLICT`: the fastest way that keeps rows current, see `make bench`."""
    names = ", ".join(table.columns)
    arrays = ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(table.columns.values(), 1))
    updates = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name != table.key)
    return (
        f'INSERT INTO "{schema}".{table.name} ({names}) SELECT * FROM unnest({arrays}) '  # noqa: S608
        f"ON CONFLICT ({table.key}) DO UPDATE SET {updates}"
    )
