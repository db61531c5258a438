"""The house as a whole: keys, replay, audit, health, numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from posada_client.models.browsers import Runner


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key. Its secret is shown once, when it is issued."""

    id: str
    role: str  #: admin, operator, viewer or device
    label: str = ""
    tenant: str = ""
    created_at: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key just issued. `key` is told this once and kept nowhere else."""

    id: str
    role: str
    key: str = field(repr=False)
    label: str = ""
    tenant: str = ""
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
    runners: list[Runner] = field(default_factory=list)
    projected: int = 0  #: log position that the read models stand at
    logged: int = 0  #: last position of the log


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform that this installation can work on."""

    name: str
    kinds: list[str] = field(default_factory=list)
    base_url: str = ""
