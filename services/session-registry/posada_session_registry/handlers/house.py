"""Questions about the house as a whole, answered from the read models and from the log."""

from __future__ import annotations

from posada_contracts import house
from posada_contracts.errors import PosadaError
from posada_contracts.house import Probed
from posada_contracts.job import JobPage, ListJobs
from posada_contracts.session import ListSessions, SessionPage
from posada_contracts.streams import EVENT_SUBJECTS
from posada_runtime.audit import audit
from posada_runtime.bus import Bus
from posada_runtime.database import Database
from posada_runtime.eventstore import EventStore
from posada_runtime.projector import reached
from posada_runtime.rebuild import rebuild
from posada_runtime.table import Projection

from posada_session_registry.views import Queries


class HouseHandlers:
    """Reads; the one thing it writes is a rebuilt set of read models."""

    def __init__(self, bus: Bus, store: EventStore, database: Database, projections: list[Projection]) -> None:
        self._bus, self._store, self._database, self._projections = bus, store, database, projections
        self._queries = Queries(database)

    async def list_sessions(self, query: ListSessions) -> SessionPage:
        """A page of sessions that shows everything that was acknowledged before it was asked for."""
        await self._caught_up()
        return await self._queries.sessions(query)

    async def list_jobs(self, query: ListJobs) -> JobPage:
        """A page of jobs, as fresh."""
        await self._caught_up()
        return await self._queries.jobs(query)

    async def counts(self, query: house.GetCounts) -> house.Counts:
        """Counts of the tenant's sessions and jobs."""
        return await self._queries.counts(query.tenant, await self._store.last_sequence())

    async def replay(self, command: house.ReplayReadModels) -> house.ReplayReport:
        """Build the read models anew."""
        return await rebuild(self._database, self._store, self._projections, swap=command.swap)

    async def audit(self, _: house.AuditLog) -> house.AuditReport:
        """Walk the whole log."""
        return await audit(self._bus, EVENT_SUBJECTS)

    async def health(self, _: house.RegistryHealth) -> house.Health:
        """Whether the database answers for real."""
        try:
            await self._database.ping()
            probed = Probed(status="ok", message="answers")
        except PosadaError as error:
            probed = Probed(status="error", message=error.detail)
        return house.Health(service="session-registry", checks={"database": probed})

    async def _caught_up(self) -> None:
        await reached(self._database, await self._store.last_sequence())
