"""Projections and queries: what can be seen of sessions and jobs, as Postgres tables."""

from posada_session_registry.views.jobs import JobsProjection
from posada_session_registry.views.queries import Queries
from posada_session_registry.views.sessions import SessionsProjection

__all__ = ["JobsProjection", "Queries", "SessionsProjection"]
