"""Sessions and tokens as clients see them."""

from __future__ import annotations

from datetime import datetime

from posada_contracts.session import SessionView, TokenView

from posada_session_registry.domain import Session


def view_of(session: Session) -> SessionView:
    """A session as clients see it. Whether a browser is open stands in the read model only."""
    return SessionView(
        id=session.id,
        tenant=session.tenant,
        owner=session.owner,
        platform=session.platform,
        status=session.status,
        browser="none",
        priority=session.priority,
        has_credentials=session.credentials is not None,
        proxy_url=session.proxy.masked if session.proxy else None,
        user_agent=session.user_agent or None,
        labels=session.labels,
        created_at=session.began_at,
        last_activity_at=session.last_activity_at,
        validated_at=session.validated_at,
        version=session.version,
    )


def token_of(session: Session, at: datetime) -> TokenView:
    """A session's token as clients see it at a moment."""
    token = session.token
    return TokenView(
        owner=session.owner,
        platform=session.platform,
        session_id=session.id,
        status="none" if token is None else "expired" if token.over(at) else "valid",
        stored_at=token.stored_at if token else None,
        expires_at=token.expires_at if token else None,
    )
