"""What the API answers, as frozen dataclasses. Times are UTC; every id is a string.

Members that a newer server adds are skipped, so an older client keeps working.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


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


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is, in records."""

    done: int = 0
    total: int | None = None  #: as the platform announces it, when it does
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed."""

    code: str = ""
    detail: str = ""
    verdict: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A long piece of work on a session."""

    id: str
    session_id: str
    kind: str
    state: str  #: queued, running, succeeded, failed or cancelled
    platform: str = ""
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    progress: Progress = Progress()
    attempt: int = 0
    error: JobError | None = None
    records: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int = 0

    @property
    def finished(self) -> bool:
        """Whether it has ended, however it ended."""
        return self.state in FINISHED


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key. Its secret is shown once, when it is issued."""

    id: str
    role: str  #: admin, operator, viewer or device
    label: str = ""
    created_at: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key just issued. `key` is told this once and kept nowhere else."""

    id: str
    role: str
    key: str = field(repr=False)
    label: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TableCheck:
    """One read model, live against replayed."""

    table: str
    rows_live: int = 0
    rows_replayed: int = 0
    equal: bool = False


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay of the event log did."""

    events: int
    sequence: int = 0
    took_ms: int = 0
    swapped: bool = False
    tables: list[TableCheck] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every read model came out the same."""
        return all(table.equal for table in self.tables)


@dataclass(frozen=True, kw_only=True)
class AuditFault:
    """One place where the log does not hold together."""

    sequence: int = 0
    subject: str = ""
    what: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What a walk over the whole log found."""

    events: int
    aggregates: int = 0
    faults: list[AuditFault] = field(default_factory=list)
    took_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One dependency, probed for real."""

    status: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Health:
    """The platform's health, dependency by dependency."""

    status: str
    services: dict[str, Probed] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything answers."""
        return self.status == "ok"


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The tenant's share of the house in numbers."""

    sessions: dict[str, int] = field(default_factory=dict)  #: by status
    jobs: dict[str, int] = field(default_factory=dict)  #: by state
    queue: dict[str, int] = field(default_factory=dict)
    browsers: int = 0
    max_browsers: int = 0
    runners: list[dict[str, Any]] = field(default_factory=list)  #: each with its browsers, their CPU and memory
    projected: int = 0  #: log position that the read models stand at
    logged: int = 0  #: last position of the log


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform that this installation can work on."""

    name: str
    kinds: list[str] = field(default_factory=list)
    base_url: str = ""
