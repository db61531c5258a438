"""Message -> domain -> store; `hear_all` is the only list of what the registry hears."""

from __future__ import annotations

from posada_contracts import job, session
from posada_contracts.access import IssueKey, RevokeKey
from posada_contracts.house import AuditLog, GetCounts, RegistryHealth, ReplayReadModels
from posada_runtime.service import Service

from posada_session_registry.handlers.access import AccessHandlers
from posada_session_registry.handlers.house import HouseHandlers
from posada_session_registry.handlers.lives import Lives
from posada_session_registry.handlers.sessions import SessionHandlers
from posada_session_registry.handlers.tokens import TokenHandlers


def hear_all(
    service: Service, sessions: SessionHandlers, tokens: TokenHandlers, keys: AccessHandlers, whole: HouseHandlers
) -> None:
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
    service.hear(session.StoreTotp, tokens.store_totp)
    service.hear(session.StoreToken, tokens.store_token)
    service.hear(session.ReadToken, tokens.read_token)
    service.hear(session.GetToken, tokens.get)
    service.hear(session.ListSessions, whole.list_sessions)
    service.hear(job.ListJobs, whole.list_jobs)
    service.hear(IssueKey, keys.issue)
    service.hear(RevokeKey, keys.revoke)
    service.hear(ReplayReadModels, whole.replay)
    service.hear(AuditLog, whole.audit)
    service.hear(GetCounts, whole.counts)
    service.hear(RegistryHealth, whole.health)


__all__ = ["AccessHandlers", "HouseHandlers", "Lives", "SessionHandlers", "TokenHandlers", "hear_all"]
