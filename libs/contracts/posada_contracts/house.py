"""The house as a whole: health, read models, the audit of the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from posada_contracts.messages import Command, Query

HOUSE = "default"
"""The tenant that the first start makes. Its admins run the installation."""


@dataclass(frozen=True, kw_only=True)
class TableCheck:
    """One read model, live against replayed."""

    table: str
    rows_live: int
    rows_replayed: int
    equal: bool


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay did."""

    events: int
    sequence: int  #: position in the log up to which was read
    took_ms: int
    swapped: bool
    tables: list[TableCheck]

    @property
    def equal(self) -> bool:
        """Whether every read model came out the same."""
        return all(table.equal for table in self.tables)


@dataclass(frozen=True, kw_only=True)
class AuditFault:
    """One place where the log does not hold together."""

    sequence: int
    subject: str
    what: str


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What a walk over the whole log found."""

    events: int
    aggregates: int
    faults: list[AuditFault]
    took_ms: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many there are, by status or state."""

    sessions: dict[str, int]
    jobs: dict[str, int]
    projected: int  #: log position the read models stand at
    logged: int  #: last position of the log


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One dependency, probed for real."""

    status: str  #: `ok` or `error`
    message: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """A service's own view of what it needs."""

    service: str
    checks: dict[str, Probed] = field(default_factory=dict)


class ReplayReadModels(Command[ReplayReport], subject="cmd.house.replay"):
    """Build the read models anew beside the live ones; `verify` compares, `swap` puts them in place."""

    verify: bool = True
    swap: bool = False


class AuditLog(Query[AuditReport], subject="qry.house.audit"):
    """Walk the whole log: versions without gaps, hashes that chain, every event readable."""


class GetCounts(Query[Counts], subject="qry.house.counts"):
    """Counts from the read models."""


class RegistryHealth(Query[Health], subject="qry.health.session-registry"):
    """Answered by session-registry."""


class RunnerHealth(Query[Health], subject="qry.health.browser-runner"):
    """Answered by any browser-runner."""


class ScraperHealth(Query[Health], subject="qry.health.scraper"):
    """Answered by any scraper."""
