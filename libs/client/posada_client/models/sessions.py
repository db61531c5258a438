"""Sessions, what is found out about them, and their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Session:
    """One owner's session on one platform."""

    id: str
    owner: str
    platform: str
    status: str  #: created, active, expired, banned, cleaned or erased
    browser: str = "none"  #: none, queued, starting or open
    priority: str = "normal"  #: normal or vip
    has_credentials: bool = False
    proxy_url: str | None = None  #: password masked
    user_agent: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    last_activity_at: datetime | None = None
    validated_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen when a login was checked."""

    url: str = ""
    marker: str = ""
    status: int = 0
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a check of a login found."""

    verdict: str  #: valid, expired, banned or unknown
    evidence: Evidence = Evidence()
    probe: str = ""  #: http or browser
    took_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a clean-up and how it went."""

    name: str
    ok: bool = True
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class CleanReport:
    """What was closed, killed, quarantined and removed."""

    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every step went well."""
        return all(step.ok for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One fact from the event log."""

    sequence: int  #: position in the log
    type: str  #: such as `session.created.v1`
    subject_id: str = ""  #: the session, job or key it is about
    version: int = 0  #: of what it is about
    time: datetime | None = None
    actor: str = ""
    trace_id: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def is_a(self, name: str) -> bool:
        """Whether it is of this type in any version: `job.failed` is `job.failed.v1`, too."""
        return self.type == name or self.type.startswith(f"{name}.")


@dataclass(frozen=True, kw_only=True)
class Past:
    """A session as it was at a time or position in the log, and what had happened until then."""

    state: Session | None = None  #: None before it was made
    items: list[Event] = field(default_factory=list)
