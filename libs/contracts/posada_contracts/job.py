"""Long pieces of work with progress and a result. Spoken by scraper.

The event that records a request is also what queues it: workers take `job.requested` from a durable consumer
on the log, so a job can neither be lost between two stores nor queued twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event, Query
from posada_contracts.session import Evidence, Probe, Verdict
from posada_contracts.vault import Sealed

State = Literal["queued", "running", "needs_user", "succeeded", "failed", "cancelled"]


class JobEvent(Event):
    """A fact about a job."""


class JobRequested(JobEvent, CanInitAggregate[str], type="job.requested.v1", subject="evt.{tenant}.job.{id}.requested"):
    """Somebody asked for work on a session; from here on it is queued."""

    originator_topic: str = "job"
    tenant: str
    session_id: str
    platform: str
    kind: str
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    secret: Sealed | None = None  #: what the job needs and nobody may read, such as a password; gone when it ends


class JobStarted(JobEvent, type="job.started.v1", subject="evt.{tenant}.job.{id}.started"):
    """A worker took the job; a later attempt means the one before died or gave it back."""

    worker: str
    attempt: int


class JobProgressed(JobEvent, type="job.progressed.v1", subject="evt.{tenant}.job.{id}.progressed"):
    """So many records are there; at most about one such event a second."""

    done: int
    total: int | None = None
    note: str = ""


class JobNeedsUser(JobEvent, type="job.needs_user.v1", subject="evt.{tenant}.job.{id}.needs_user"):
    """The job waits for something that only a person has."""

    what: str  #: the name of what is to be given, such as `mfa_code`
    detail: str = ""  #: one sentence for people
    until: datetime  #: when the job gives up waiting


class JobInputGiven(JobEvent, type="job.input_given.v1", subject="evt.{tenant}.job.{id}.input_given"):
    """A person gave what the job waits for; it goes on."""

    secret: Sealed


class JobSucceeded(JobEvent, type="job.succeeded.v1", subject="evt.{tenant}.job.{id}.succeeded"):
    """The result is sealed with the session's key."""

    result: Sealed
    records: int


class JobFailed(JobEvent, type="job.failed.v1", subject="evt.{tenant}.job.{id}.failed"):
    """The job ended without a result, and why. A login that is not valid fails it early, with the verdict."""

    code: str
    detail: str
    verdict: Verdict | None = None
    evidence: Evidence | None = None


class JobCancelled(JobEvent, type="job.cancelled.v1", subject="evt.{tenant}.job.{id}.cancelled"):
    """Somebody called it off."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is, in records."""

    done: int = 0
    total: int | None = None  #: as the platform announces it, when it does
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed."""

    code: str
    detail: str
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a job in the state `needs_user` waits for."""

    what: str
    detail: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as clients see it."""

    id: str
    tenant: str
    session_id: str
    platform: str
    kind: str
    target: str
    params: dict[str, Any]
    state: State
    progress: Progress
    attempt: int
    error: JobError | None
    records: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    needs: Need | None = None


@dataclass(frozen=True, kw_only=True)
class JobPage:
    """One page of a list of jobs."""

    items: list[JobView]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResultPage:
    """Some of a job's records."""

    records: list[dict[str, Any]]
    total: int


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """What a check of a login found."""

    verdict: Verdict
    evidence: Evidence
    probe: Probe
    took_ms: int


@dataclass(frozen=True, kw_only=True)
class PlatformView:
    """A platform that this installation can work on."""

    name: str
    kinds: list[str]
    base_url: str


class RequestJob(Command[JobView], subject="cmd.job.request"):
    """Queue work on a session."""

    job_id: str
    session_id: str
    kind: str
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)  #: sealed for the job's time; never in an event


class GiveInput(Command[JobView], subject="cmd.job.give_input"):
    """Give a waiting job what it asked for. 409 when it waits for nothing, or for something else."""

    job_id: str
    input: dict[str, str] = field(repr=False)


class CancelJob(Command[JobView], subject="cmd.job.cancel"):
    """Call a job off. A job that has ended stays as it ended."""

    job_id: str


class CheckSession(Command[CheckView], subject="cmd.job.check_session"):
    """Check a session's login now, by the cheapest probe that can tell, and record the verdict."""

    session_id: str
    probe: Probe | None = None  #: this one and no other; None: over HTTP where the platform allows, else the browser


@dataclass(frozen=True, kw_only=True)
class Executor:
    """The few places in which forms are driven, and how they are doing."""

    workers: int  #: how many places there are
    active: int
    queued: int
    done: int  #: since the process started
    failed: int
    oldest_seconds: float  #: how long the one that waits or works longest has done so; 0 when there is none


@dataclass(frozen=True, kw_only=True)
class ScraperStats:
    """One scraper."""

    worker: str
    executor: Executor
    jobs_running: int


class GetScraperStats(Query[ScraperStats], subject="qry.job.stats"):
    """Every scraper answers."""


class GetJob(Query[JobView], subject="qry.job.get"):
    """One job as it is now."""

    job_id: str


class GetResult(Query[ResultPage], subject="qry.job.result"):
    """Some records of a job that has succeeded."""

    job_id: str
    offset: int = 0
    limit: int = 1000


class ListPlatforms(Query[list[PlatformView]], subject="qry.job.platforms"):
    """The platforms that are there, plug-ins too."""


class ListJobs(Query[JobPage], subject="qry.job.list"):
    """A page of the tenant's jobs, newest first. Answered by session-registry, from the read models."""

    session_id: str | None = None
    state: State | None = None
    cursor: str | None = None
    limit: int = 50
