"""Message -> domain -> store; `hear_all` is the only list of what the registry hears."""

from __future__ import annotations

from posada_contracts import access, house, job, session
from posada_runtime.service import Service

from posada_session_registry.handlers.access import AccessHandlers
from posada_session_registry.handlers.house import HouseHandlers
from posada_session_registry.handlers.sessions import SessionHandlers


def hear_all(service: Service, sessions: SessionHandlers, keys: AccessHandlers, whole: HouseHandlers) -> None:
    """Attach every handler."""
    service.hear(session.CreateSession, sessions.create)
    service.hear(session.ChangeSession, sessions.change)
    service.hear(session.StoreCredentials, sessions.store_credentials)
    service.hear(session.RecordVerdict, sessions.record_verdict)
    service.hear(session.RecordCleaned, sessions.record_cleaned)
    service.hear(session.TouchSession, sessions.touch)
    service.hear(session.EraseSession, sessions.erase)
    service.hear(session.GetSession, sessions.get)
    service.hear(session.GetSecrets, sessions.secrets)
    service.hear(session.ListSessions, whole.list_sessions)
    service.hear(job.ListJobs, whole.list_jobs)
    service.hear(access.IssueKey, keys.issue)
    service.hear(access.RevokeKey, keys.revoke)
    service.hear(house.ReplayReadModels, whole.replay)
    service.hear(house.AuditLog, whole.audit)
    service.hear(house.GetCounts, whole.counts)
    service.hear(house.RegistryHealth, whole.health)


__all__ = ["AccessHandlers", "HouseHandlers", "SessionHandlers", "hear_all"]
