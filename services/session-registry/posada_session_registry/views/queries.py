"""Questions to the read models."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from posada_contracts.errors import BadCursorError, NotFoundError
from posada_contracts.house import Counts
from posada_contracts.job import JobPage, ListJobs
from posada_contracts.session import ListSessions, SessionPage, SessionView
from posada_runtime.database import Database, Row
from posada_runtime.projector import LIVE

from posada_session_registry.views import jobs, sessions

V = TypeVar("V")
MAX_PAGE = 200


class Queries:
    """Reads, never writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, tenant: str, id: str) -> SessionView:
        """One session.

        Raises:
            NotFoundError: not there, another tenant's, or erased.
        """
        rows = await self._database.fetch(
            f"SELECT * FROM {LIVE}.sessions WHERE id = $1 AND tenant = $2 AND status <> 'erased'",  # noqa: S608
            id,
            tenant,
        )
        if not rows:
            raise NotFoundError
        return sessions.view_of(rows[0])

    async def sessions(self, query: ListSessions) -> SessionPage:
        """A page of sessions, newest first."""
        filters = {"tenant": query.tenant, "owner": query.owner, "platform": query.platform, "status": query.status}
        items, cursor = await self._page("sessions", filters, query.cursor, query.limit, sessions.view_of)
        return SessionPage(items=items, next_cursor=cursor)

    async def jobs(self, query: ListJobs) -> JobPage:
        """A page of jobs, newest first."""
        filters = {"tenant": query.tenant, "session_id": query.session_id, "state": query.state}
        items, cursor = await self._page("jobs", filters, query.cursor, query.limit, jobs.view_of)
        return JobPage(items=items, next_cursor=cursor)

    async def idle_since(self, before: datetime, limit: int = 500) -> list[tuple[str, str]]:
        """(tenant, id) of living sessions that nobody has used since `before`."""
        rows = await self._database.fetch(
            f"SELECT tenant, id FROM {LIVE}.sessions "  # noqa: S608
            "WHERE status IN ('created', 'active', 'cleaned') AND last_activity_at <= $1 LIMIT $2",
            before,
            limit,
        )
        return [(row["tenant"], row["id"]) for row in rows]

    async def counts(self, tenant: str, logged: int) -> Counts:
        """How many sessions by status and jobs by state."""
        return Counts(
            sessions=await self._count("sessions", "status", tenant),
            jobs=await self._count("jobs", "state", tenant),
            projected=(await self._database.fetch(f"SELECT position FROM {LIVE}.checkpoint"))[0][0],  # noqa: S608
            logged=logged,
        )

    async def _count(self, table: str, column: str, tenant: str) -> dict[str, int]:
        rows = await self._database.fetch(
            f"SELECT {column}, count(*) FROM {LIVE}.{table} WHERE tenant = $1 GROUP BY 1",  # noqa: S608
            tenant,
        )
        return {row[0]: row[1] for row in rows if row[0] != "erased"}

    async def _page(
        self, table: str, filters: dict[str, Any], cursor: str | None, limit: int, view_of: Callable[[Row], V]
    ) -> tuple[list[V], str | None]:
        given = {name: value for name, value in filters.items() if value is not None}
        where = [f"{name} = ${number}" for number, name in enumerate(given, 1)]
        args: list[Any] = list(given.values())
        if table == "sessions":
            where.append("status <> 'erased'")
        if cursor:
            where.append(f"(created_at, id) < (${len(args) + 1}, ${len(args) + 2})")
            args += _read_cursor(cursor)
        limit = max(1, min(limit, MAX_PAGE))
        rows = await self._database.fetch(
            f"SELECT * FROM {LIVE}.{table} WHERE {' AND '.join(where)} "  # noqa: S608
            f"ORDER BY created_at DESC, id DESC LIMIT {limit + 1}",
            *args,
        )
        more = len(rows) > limit
        return [view_of(row) for row in rows[:limit]], _cursor(rows[limit - 1]) if more else None


def _cursor(row: Row) -> str:
    return base64.urlsafe_b64encode(json.dumps([row["created_at"].isoformat(), row["id"]]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, id_ = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        when = datetime.fromisoformat(at)
        if when.tzinfo is None or not isinstance(id_, str) or "\0" in id_:
            raise BadCursorError
    except (ValueError, TypeError, binascii.Error):
        raise BadCursorError from None
    return when, id_
