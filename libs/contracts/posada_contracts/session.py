"""The session: created, validated, expired, banned, cleaned, erased. Spoken by session-registry.

One session per (tenant, owner, platform). Events hold references and hashes; no cookie, password or token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event, Query
from posada_contracts.vault import Proxy, Sealed, SealedLogin

Status = Literal["created", "active", "expired", "banned", "cleaned", "erased"]
Verdict = Literal["valid", "expired", "banned", "unknown"]
Priority = Literal["normal", "vip"]
Probe = Literal["http", "browser"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen when a login was checked."""

    url: str = ""  #: where the check ended, without query values
    marker: str = ""  #: the platform's marker that decided, by its name in the platform's data file
    status: int = 0  #: HTTP status, 0 when there was no answer
    detail: str = ""  #: one sentence for people


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a clean-up and how it went."""

    name: str
    ok: bool = True
    detail: str = ""


class SessionEvent(Event):
    """A fact about a session."""


class SessionCreated(
    SessionEvent, CanInitAggregate[str], type="session.created.v1", subject="evt.{tenant}.session.{id}.created"
):
    """A session was made for an owner on a platform."""

    originator_topic: str = "session"
    tenant: str
    owner: str
    platform: str
    proxy: Proxy | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)
    credentials: Sealed | None = None  #: a login given along with the request


class SessionRecreated(SessionEvent, type="session.recreated.v1", subject="evt.{tenant}.session.{id}.recreated"):
    """An erased session's place was taken again by the same owner on the same platform: a new life."""

    proxy: Proxy | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)
    credentials: Sealed | None = None


class SessionChanged(SessionEvent, type="session.changed.v1", subject="evt.{tenant}.session.{id}.changed"):
    """Proxy, user agent, priority or labels were changed; all four as they are from now on."""

    proxy: Proxy | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)


class CredentialsStored(
    SessionEvent, type="session.credentials_stored.v1", subject="evt.{tenant}.session.{id}.credentials_stored"
):
    """A login was sealed: given by a person, or captured from the session's browser."""

    secret: Sealed
    profile: Sealed | None = None  #: see `SealedLogin`; never with a login that a person gave
    source: Literal["person", "browser"]
    generation: int = 0  #: of the browser it was captured from; fences a stale runner


class SessionValidated(SessionEvent, type="session.validated.v1", subject="evt.{tenant}.session.{id}.validated"):
    """The platform took the login."""

    evidence: Evidence
    probe: Probe


class SessionExpired(SessionEvent, type="session.expired.v1", subject="evt.{tenant}.session.{id}.expired"):
    """The login is no longer taken, or nobody used the session for too long."""

    reason: Literal["login", "idle"]
    evidence: Evidence = Evidence()


class SessionBanned(SessionEvent, type="session.banned.v1", subject="evt.{tenant}.session.{id}.banned"):
    """The platform has locked the account: a checkpoint stands where the home page should be."""

    evidence: Evidence
    probe: Probe


class SessionCleaned(SessionEvent, type="session.cleaned.v1", subject="evt.{tenant}.session.{id}.cleaned"):
    """What hung was closed, killed, quarantined and removed, step by step."""

    steps: list[Step]


class SessionUsed(SessionEvent, type="session.used.v1", subject="evt.{tenant}.session.{id}.used"):
    """The session was in use; at most one such event per coalescing interval."""


class TotpStored(SessionEvent, type="session.totp_stored.v1", subject="evt.{tenant}.session.{id}.totp_stored"):
    """The secret that makes the account's one-time codes (RFC 6238) was sealed."""

    secret: Sealed


class TokenStored(SessionEvent, type="session.token_stored.v1", subject="evt.{tenant}.session.{id}.token_stored"):
    """A token was fetched through the platform's login form, and sealed."""

    secret: Sealed
    expires_at: datetime | None = None  #: as the platform or the token itself says; None: neither does


class TokenRead(SessionEvent, type="session.token_read.v1", subject="evt.{tenant}.session.{id}.token_read"):
    """Somebody was given the token; who, is the event's actor."""


class SessionErased(SessionEvent, type="session.erased.v1", subject="evt.{tenant}.session.{id}.erased"):
    """The key of all that was sealed for the session is destroyed; this log stays."""

    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """A session as clients see it."""

    id: str
    tenant: str
    owner: str
    platform: str
    status: Status
    browser: Literal["none", "queued", "starting", "open"]
    priority: Priority
    has_credentials: bool
    proxy_url: str | None  #: password masked
    user_agent: str | None
    labels: dict[str, str]
    created_at: datetime
    last_activity_at: datetime
    validated_at: datetime | None
    version: int


@dataclass(frozen=True, kw_only=True)
class SessionSecrets:
    """What a service that opens the session's login needs: references to open with the vault."""

    owner: str
    platform: str
    status: Status
    credentials: Sealed | None
    proxy: Proxy | None
    user_agent: str
    priority: Priority = "normal"
    logins: list[SealedLogin] = field(default_factory=list)  #: the versions kept, oldest first; `credentials` last
    totp: Sealed | None = None
    token: Sealed | None = None


@dataclass(frozen=True, kw_only=True)
class TokenView:
    """A token as clients see it: never the token itself."""

    owner: str
    platform: str
    session_id: str
    status: Literal["none", "valid", "expired"]
    stored_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TokenValue:
    """The token itself."""

    token: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SessionPage:
    """One page of a list of sessions."""

    items: list[SessionView]
    next_cursor: str | None = None


class CreateSession(Command[SessionView], subject="cmd.session.create"):
    """Make the session of (tenant, owner, platform). 409 `session_exists` when it is there."""

    owner: str
    platform: str
    storage_state: dict[str, Any] | None = None
    proxy_url: str | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)


class ChangeSession(Command[SessionView], subject="cmd.session.change"):
    """Change what `fields` names; `proxy_url` and `user_agent` may be emptied."""

    session_id: str
    fields: list[Literal["proxy_url", "user_agent", "priority", "labels"]]
    proxy_url: str | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)


class StoreCredentials(Command[SessionView], subject="cmd.session.store_credentials"):
    """Seal a login. Never stored, logged or traced in the clear."""

    session_id: str
    storage_state: dict[str, Any]
    profile: Sealed | None = None  #: sealed by the runner already: it may be large
    source: Literal["person", "browser"] = "person"
    generation: int = 0


class RecordVerdict(Command[SessionView], subject="cmd.session.record_verdict"):
    """Tell what a check of the login found; `unknown` changes nothing."""

    session_id: str
    verdict: Verdict
    evidence: Evidence
    probe: Probe


class RecordCleaned(Command[SessionView], subject="cmd.session.record_cleaned"):
    """Tell what a clean-up did."""

    session_id: str
    steps: list[Step]


class StoreTotp(Command[SessionView], subject="cmd.session.store_totp"):
    """Seal the account's TOTP secret, in base 32. Never stored, logged or traced in the clear."""

    session_id: str
    secret: str = field(repr=False)


class StoreToken(Command[TokenView], subject="cmd.session.store_token"):
    """Seal a token. Never stored, logged or traced in the clear."""

    session_id: str
    token: str = field(repr=False)
    expires_at: datetime | None = None


class ReadToken(Command[TokenValue], subject="cmd.session.read_token"):
    """Give the token out, and put it on record. 404: there is none; 409 `token_expired`: its time is over."""

    session_id: str


class GetToken(Query[TokenView], subject="qry.session.token"):
    """Whether there is a token, and until when."""

    session_id: str


class TouchSession(Command[None], subject="cmd.session.touch"):
    """The session is in use. Cheap: coalesced into at most one event per interval."""

    session_id: str


class EraseSession(Command[SessionView], subject="cmd.session.erase"):
    """Close, clean, destroy the key. Safe to repeat."""

    session_id: str


class GetSession(Query[SessionView], subject="qry.session.get"):
    """One session as it is now, or as it was: at a stream sequence or a time."""

    session_id: str
    as_of_sequence: int | None = None
    as_of_time: datetime | None = None


class GetSecrets(Query[SessionSecrets], subject="qry.session.secrets"):
    """References to the session's login and proxy, for services that hold the master key."""

    session_id: str


class ListSessions(Query[SessionPage], subject="qry.session.list"):
    """A page of the tenant's sessions, newest first."""

    owner: str | None = None
    platform: str | None = None
    status: Status | None = None
    cursor: str | None = None
    limit: int = 50
