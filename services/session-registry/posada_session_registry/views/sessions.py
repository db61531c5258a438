"""The table of sessions: the session's events and its browser's, folded into one row each."""

from __future__ import annotations

from functools import singledispatch

import msgspec
from posada_contracts import browser, session
from posada_contracts.messages import Event
from posada_contracts.session import SessionView
from posada_runtime.database import Row
from posada_runtime.table import Table, Values
from posada_runtime.wire import Recorded

SESSIONS = Table(
    name="sessions",
    key="id",
    columns={
        "id": "text",
        "tenant": "text",
        "owner": "text",
        "platform": "text",
        "status": "text",
        "browser": "text",
        "priority": "text",
        "has_credentials": "bool",
        "proxy_url": "text",
        "user_agent": "text",
        "labels": "jsonb",
        "created_at": "timestamptz",
        "last_activity_at": "timestamptz",
        "validated_at": "timestamptz",
        "version": "bigint",
    },
    indexes=("tenant, created_at DESC, id DESC", "status, last_activity_at"),
)


class SessionsProjection:
    """One row per session; an erased one keeps its row, and is left out by the queries."""

    table = SESSIONS

    def key_of(self, recorded: Recorded) -> str | None:
        """The session's id, which is its browser's too."""
        event = recorded.event
        return event.originator_id if isinstance(event, session.SessionEvent | browser.BrowserEvent) else None

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        """The row after an event."""
        event = recorded.event
        if isinstance(event, session.SessionCreated):
            return self._begun(event, recorded.tenant, event.owner, event.platform)
        if row is None:  # a browser of a session that this log does not know
            return None
        if isinstance(event, session.SessionRecreated):
            return self._begun(event, recorded.tenant, row["owner"], row["platform"])
        changed = {**row, **changes(event)}
        if isinstance(event, session.SessionEvent):
            changed["version"] = event.originator_version
        return changed

    def _begun(
        self, event: session.SessionCreated | session.SessionRecreated, tenant: str, owner: str, platform: str
    ) -> Values:
        return {
            "id": event.originator_id,
            "tenant": tenant,
            "owner": owner,
            "platform": platform,
            "status": "created",
            "browser": "none",
            "has_credentials": event.credentials is not None,
            "created_at": event.timestamp,
            "last_activity_at": event.timestamp,
            "validated_at": None,
            "version": event.originator_version,
            **_changeable(event),
        }


@singledispatch
def changes(event: Event) -> Values:
    """The columns that an event sets."""
    return {}


@changes.register
def _(event: session.SessionChanged) -> Values:
    return _changeable(event)


@changes.register
def _(event: session.CredentialsStored) -> Values:
    status = {"status": "created"} if event.source == "person" else {}
    return {"has_credentials": True, "last_activity_at": event.timestamp, **status}


@changes.register
def _(event: session.SessionValidated) -> Values:
    return {"status": "active", "validated_at": event.timestamp, "last_activity_at": event.timestamp}


@changes.register
def _(event: session.SessionExpired) -> Values:
    return {"status": "expired"}


@changes.register
def _(event: session.SessionBanned) -> Values:
    return {"status": "banned"}


@changes.register
def _(event: session.SessionCleaned) -> Values:
    return {"status": "cleaned"}


@changes.register(session.SessionUsed | session.TotpStored | session.TokenStored | session.TokenRead)
def _(event: Event) -> Values:
    return {"last_activity_at": event.timestamp}


@changes.register
def _(event: session.SessionErased) -> Values:
    return {"status": "erased", "has_credentials": False, "proxy_url": None}


@changes.register(browser.BrowserOpened | browser.BrowserReopened)
def _(event: Event) -> Values:
    return {"browser": "open"}


@changes.register(browser.BrowserClosed | browser.BrowserLost)
def _(event: Event) -> Values:
    return {"browser": "none"}


def _changeable(event: session.SessionCreated | session.SessionRecreated | session.SessionChanged) -> Values:
    return {
        "proxy_url": event.proxy.masked if event.proxy else None,
        "user_agent": event.user_agent or None,
        "priority": event.priority,
        "labels": msgspec.json.encode(event.labels).decode(),
    }


def view_of(row: Row) -> SessionView:
    """A row as clients see it."""
    return SessionView(**{**dict(row), "labels": msgspec.json.decode(row["labels"])})
