"""Replay: from the log into Postgres."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, cast

from harness import Result, compared, rate
from log import EVIDENCE
from posada_contracts.messages import Command, Event
from posada_contracts.session import CreateSession, RecordVerdict
from posada_contracts.streams import EVENT_SUBJECTS
from posada_embedded.postgres import PostgresServer
from posada_runtime.database import Connection, Database
from posada_runtime.eventstore import Tail
from posada_runtime.projector import Projector
from posada_runtime.reader import BATCH
from posada_runtime.service import Platform
from posada_runtime.table import Values, create_schema, upsert
from posada_session_registry.domain import Session
from posada_session_registry.domain.session import SealedParts
from posada_session_registry.views import SessionsProjection

SESSIONS = 5000


async def _fill(house: Platform) -> None:
    """Two events for each session, those of different sessions mixed as they are in life."""
    begun: list[tuple[Session, Tail]] = []
    for _ in range(SESSIONS):
        id_ = str(uuid.uuid4())
        create = CreateSession(tenant="bench", owner=id_, platform="facebook", labels={"a": "b"})
        session = Session.create(id_, create, SealedParts(), datetime.now(UTC))
        begun.append((session, await _append(house, session, create, Tail())))
    for session, tail in begun:
        verdict = RecordVerdict(tenant="bench", session_id=session.id, verdict="valid", evidence=EVIDENCE, probe="http")
        session.record_verdict("valid", EVIDENCE, "http", datetime.now(UTC))
        await _append(house, session, verdict, tail)


async def _append(house: Platform, session: Session, command: Command[Any], tail: Tail) -> Tail:
    (event,) = cast("list[Event]", session.collect_events())
    stored = await house.store.append(event, command, tail)
    return Tail(stored.sequence, stored.digest)


async def replays(house: Platform, postgres: PostgresServer) -> list[Result]:
    """The projector from the first event on, against the bare upsert of the rows it comes to, as often."""
    await _fill(house)
    events = await house.store.last_sequence()
    projection = SessionsProjection()
    database = Database(postgres.dsn)
    async with database.connection() as connection:
        rows = await _rows_of_every_batch(house, projection)

        async def project() -> float:
            projector = Projector(house.store, [projection], f"bench_{secrets.token_hex(4)}")
            await projector.begin(connection)
            measured = await rate(events, projector.run(connection))
            await _drop(connection, projector.schema)
            return measured

        async def bare() -> float:
            schema = f"bench_{secrets.token_hex(4)}"
            await create_schema(connection, schema, [projection], build="bench")
            measured = await rate(events, _write(connection, schema, projection, rows))
            await _drop(connection, schema)
            return measured

        result = await compared(
            "replay into Postgres ÷ bare upsert of the same rows", project, bare, unit="ev/s", aim="≥ 0.5"
        )
    database.close()
    return [result]


async def _rows_of_every_batch(house: Platform, projection: SessionsProjection) -> list[list[Values]]:
    state: dict[str, Values | None] = {}
    batches, keys = [], set()
    count = 0
    async for recorded in house.store.read(EVENT_SUBJECTS):
        count += 1
        key = projection.key_of(recorded)
        if key is not None:
            state[key] = projection.fold(state.get(key), recorded)
            keys.add(key)
        if count % BATCH == 0:
            batches.append([row for key in keys if (row := state[key]) is not None])
            keys = set()
    return [*batches, [row for key in keys if (row := state[key]) is not None]]


async def _write(
    connection: Connection, schema: str, projection: SessionsProjection, batches: list[list[Values]]
) -> None:
    for rows in batches:
        async with connection.transaction():
            await upsert(connection, schema, projection.table, rows)


async def _drop(connection: Connection, schema: str) -> None:
    await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
