"""The session's life.

created ──valid──► active ──expired──► expired
   │                 │  └──banned────► banned        new credentials lead back to created
   └────── cleaned ──┴────────────────────────       erase ends it; the same owner may begin a new life
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import singledispatchmethod
from typing import Any, Literal, Self

from eventsourcing.domain import BaseAggregate
from posada_contracts import session as said
from posada_contracts.errors import NotFoundError, SessionExistsError, StaleLeaseError, TokenExpiredError
from posada_contracts.session import Evidence, Priority, Probe, SessionEvent, Status, Step, Verdict
from posada_contracts.vault import Proxy, Sealed, SealedLogin

KEPT_LOGINS = 3
"""How many versions of a login are kept: the newest, and those before it in case that one turns out damaged."""

EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class SealedParts:
    """What of a request had to be sealed before it could be decided upon."""

    proxy: Proxy | None = None
    credentials: Sealed | None = None

    def beginning(self, command: said.CreateSession) -> dict[str, Any]:
        """The members that the two events which begin a life share."""
        return {
            "proxy": self.proxy,
            "credentials": self.credentials,
            "user_agent": command.user_agent,
            "priority": command.priority,
            "labels": command.labels,
        }


@dataclass(frozen=True)
class KeptToken:
    """A token, sealed, and its times."""

    secret: Sealed
    stored_at: datetime
    expires_at: datetime | None

    def over(self, at: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= at


class Session(BaseAggregate[str]):
    """One owner's session on one platform."""

    TOPIC = "session"
    Event = SessionEvent

    tenant: str
    owner: str
    platform: str
    proxy: Proxy | None = None
    user_agent: str = ""
    priority: Priority = "normal"
    labels: dict[str, str] = field(default_factory=dict)
    credentials: Sealed | None = None
    status: Status = field(default="created", init=False)
    logins: list[SealedLogin] = field(default_factory=list, init=False)  #: oldest first, `credentials` last
    generation: int = field(default=0, init=False)  #: highest browser generation that a login came from
    totp: Sealed | None = field(default=None, init=False)
    token: KeptToken | None = field(default=None, init=False)
    validated_at: datetime | None = field(default=None, init=False)
    last_activity_at: datetime = field(default=EPOCH, init=False)
    began_at: datetime = field(default=EPOCH, init=False)  #: of the present life

    @property
    def secrets(self) -> list[Sealed]:
        """All of its logins, one-time codes and tokens that are kept; what is in here no more may be discarded."""
        parts = [part for login in self.logins for part in (login.state, login.profile)]
        return [each for each in (*parts, self.totp, self.token.secret if self.token else None) if each is not None]

    @classmethod
    def create(cls, id: str, command: said.CreateSession, sealed: SealedParts, at: datetime) -> Self:
        """A new session."""
        return cls._create(
            said.SessionCreated,
            id=id,
            timestamp=at,
            tenant=command.tenant,
            owner=command.owner,
            platform=command.platform,
            **sealed.beginning(command),
        )

    def recreate(self, command: said.CreateSession, sealed: SealedParts, at: datetime) -> None:
        """A new life in an erased session's place.

        Raises:
            SessionExistsError: it is not erased.
        """
        if self.status != "erased":
            raise SessionExistsError(session_id=self.id)
        self.trigger_event(said.SessionRecreated, timestamp=at, **sealed.beginning(command))

    def change(
        self, *, proxy: Proxy | None, user_agent: str, priority: Priority, labels: dict[str, str], at: datetime
    ) -> None:
        """Set what can be changed later. The same as before makes no event."""
        self._living()
        if (proxy, user_agent, priority, labels) != (self.proxy, self.user_agent, self.priority, self.labels):
            self.trigger_event(
                said.SessionChanged, timestamp=at, proxy=proxy, user_agent=user_agent, priority=priority, labels=labels
            )

    def store_credentials(
        self, login: SealedLogin, source: Literal["person", "browser"], generation: int, at: datetime
    ) -> None:
        """Take a new login; an empty one too, for a browser that was logged out has one.

        Raises:
            StaleLeaseError: it comes from a browser that another one has replaced.
        """
        self._living()
        if source == "browser" and generation < self.generation:
            raise StaleLeaseError
        self.trigger_event(
            said.CredentialsStored,
            timestamp=at,
            secret=login.state,
            profile=login.profile,
            source=source,
            generation=generation,
        )

    def store_totp(self, secret: Sealed, at: datetime) -> None:
        """Take the secret that makes the account's one-time codes."""
        self._living()
        self.trigger_event(said.TotpStored, timestamp=at, secret=secret)

    def store_token(self, secret: Sealed, expires_at: datetime | None, at: datetime) -> None:
        """Take a token in the place of the one before."""
        self._living()
        self.trigger_event(said.TokenStored, timestamp=at, secret=secret, expires_at=expires_at)

    def read_token(self, at: datetime) -> None:
        """Somebody is given the token.

        Raises:
            NotFoundError: there is none.
            TokenExpiredError: its time is over.
        """
        self._living()
        if self.token is None:
            raise NotFoundError("there is no token yet")
        if self.token.over(at):
            raise TokenExpiredError
        self.trigger_event(said.TokenRead, timestamp=at)

    def record_verdict(self, verdict: Verdict, evidence: Evidence, probe: Probe, at: datetime) -> None:
        """Take the result of a check; `unknown` changes nothing."""
        self._living()
        if verdict == "valid":
            self.trigger_event(said.SessionValidated, timestamp=at, evidence=evidence, probe=probe)
        elif verdict == "expired":
            self.trigger_event(said.SessionExpired, timestamp=at, reason="login", evidence=evidence)
        elif verdict == "banned":
            self.trigger_event(said.SessionBanned, timestamp=at, evidence=evidence, probe=probe)

    def expire_if_idle(self, idle: timedelta, at: datetime) -> None:
        """Expire a session that nobody used for `idle`."""
        if self.status in ("created", "active", "cleaned") and at - self.last_activity_at >= idle:
            self.trigger_event(said.SessionExpired, timestamp=at, reason="idle")

    def touch(self, interval: timedelta, at: datetime) -> None:
        """Somebody used it; noted once per interval."""
        self._living()
        if at - self.last_activity_at >= interval:
            self.trigger_event(said.SessionUsed, timestamp=at)

    def record_cleaned(self, steps: list[Step], at: datetime) -> None:
        """What hung was removed."""
        self._living()
        self.trigger_event(said.SessionCleaned, timestamp=at, steps=steps)

    def erase(self, steps: list[Step], at: datetime) -> None:
        """End this life. Safe to repeat."""
        if self.status != "erased":
            self.trigger_event(said.SessionErased, timestamp=at, steps=steps)

    def _living(self) -> None:
        if self.status == "erased":
            raise NotFoundError("this session was erased")

    @singledispatchmethod
    def when(self, event: SessionEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a session knows nothing of {type(event).__name__}")

    @when.register
    def _created(self, event: said.SessionCreated) -> None:
        self._begin(event.credentials, event.timestamp)

    @when.register
    def _recreated(self, event: said.SessionRecreated) -> None:
        self.proxy, self.user_agent = event.proxy, event.user_agent
        self.priority, self.labels = event.priority, event.labels
        self.validated_at, self.generation = None, 0
        self._begin(event.credentials, event.timestamp)

    def _begin(self, credentials: Sealed | None, at: datetime) -> None:
        self.status, self.began_at, self.last_activity_at = "created", at, at
        self.credentials, self.logins = credentials, [SealedLogin(state=credentials)] if credentials else []

    @when.register
    def _changed(self, event: said.SessionChanged) -> None:
        self.proxy, self.user_agent = event.proxy, event.user_agent
        self.priority, self.labels = event.priority, event.labels

    @when.register
    def _credentials_stored(self, event: said.CredentialsStored) -> None:
        self.credentials = event.secret
        self.logins = [*self.logins, SealedLogin(state=event.secret, profile=event.profile)][-KEPT_LOGINS:]
        self.generation = max(self.generation, event.generation)
        if event.source == "person":
            self.status = "created"  # to be checked anew
        self.last_activity_at = event.timestamp

    @when.register
    def _validated(self, event: said.SessionValidated) -> None:
        self.status, self.validated_at, self.last_activity_at = "active", event.timestamp, event.timestamp

    @when.register
    def _expired(self, event: said.SessionExpired) -> None:
        self.status = "expired"

    @when.register
    def _banned(self, event: said.SessionBanned) -> None:
        self.status = "banned"

    @when.register
    def _cleaned(self, event: said.SessionCleaned) -> None:
        self.status = "cleaned"

    @when.register
    def _used(self, event: said.SessionUsed) -> None:
        self.last_activity_at = event.timestamp

    @when.register
    def _totp_stored(self, event: said.TotpStored) -> None:
        self.totp, self.last_activity_at = event.secret, event.timestamp

    @when.register
    def _token_stored(self, event: said.TokenStored) -> None:
        self.token = KeptToken(event.secret, event.timestamp, event.expires_at)
        self.last_activity_at = event.timestamp

    @when.register
    def _token_read(self, event: said.TokenRead) -> None:
        self.last_activity_at = event.timestamp

    @when.register
    def _erased(self, event: said.SessionErased) -> None:
        self.status, self.credentials, self.logins, self.proxy = "erased", None, [], None
        self.totp = self.token = None
