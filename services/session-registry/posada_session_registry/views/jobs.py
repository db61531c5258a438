"""The table of jobs."""

from __future__ import annotations

from functools import singledispatch

import msgspec
from posada_contracts import job
from posada_contracts.job import JobView
from posada_contracts.messages import Event
from posada_runtime.database import Row
from posada_runtime.table import Table, Values
from posada_runtime.wire import Recorded

JOBS = Table(
    name="jobs",
    key="id",
    columns={
        "id": "text",
        "tenant": "text",
        "session_id": "text",
        "platform": "text",
        "kind": "text",
        "target": "text",
        "params": "jsonb",
        "state": "text",
        "progress": "jsonb",
        "attempt": "int",
        "error": "jsonb",
        "records": "int",
        "created_at": "timestamptz",
        "started_at": "timestamptz",
        "finished_at": "timestamptz",
        "version": "bigint",
        "needs": "jsonb",
    },
    indexes=("tenant, created_at DESC, id DESC", "session_id"),
)


class JobsProjection:
    """One row per job."""

    table = JOBS

    def key_of(self, recorded: Recorded) -> str | None:
        """The job's id."""
        return recorded.event.originator_id if isinstance(recorded.event, job.JobEvent) else None

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        """The row after an event."""
        event = recorded.event
        if isinstance(event, job.JobRequested):
            return _requested(event, recorded.tenant)
        if row is None:
            return None
        return {**row, **changes(event), "version": event.originator_version}


@singledispatch
def changes(event: Event) -> Values:
    """The columns that an event sets."""
    return {}


@changes.register
def _(event: job.JobStarted) -> Values:
    return {"state": "running", "attempt": event.attempt, "started_at": event.timestamp, "needs": None}


@changes.register
def _(event: job.JobNeedsUser) -> Values:
    needs = job.Need(what=event.what, detail=event.detail, until=event.until)
    return {"state": "needs_user", "needs": _json(needs)}


@changes.register
def _(event: job.JobInputGiven) -> Values:
    return {"state": "running", "needs": None}


@changes.register
def _(event: job.JobProgressed) -> Values:
    return {"progress": _json(job.Progress(done=event.done, total=event.total, note=event.note))}


@changes.register
def _(event: job.JobSucceeded) -> Values:
    return {"state": "succeeded", "records": event.records, **_ended(event)}


@changes.register
def _(event: job.JobFailed) -> Values:
    error = job.JobError(code=event.code, detail=event.detail, verdict=event.verdict)
    return {"state": "failed", "error": _json(error), **_ended(event)}


@changes.register
def _(event: job.JobCancelled) -> Values:
    return {"state": "cancelled", **_ended(event)}


def _ended(event: job.JobEvent) -> Values:
    return {"finished_at": event.timestamp, "needs": None}


def _requested(event: job.JobRequested, tenant: str) -> Values:
    return {
        "id": event.originator_id,
        "tenant": tenant,
        "session_id": event.session_id,
        "platform": event.platform,
        "kind": event.kind,
        "target": event.target,
        "params": _json(event.params),
        "state": "queued",
        "progress": _json(job.Progress()),
        "attempt": 0,
        "error": None,
        "records": None,
        "created_at": event.timestamp,
        "started_at": None,
        "finished_at": None,
        "version": event.originator_version,
        "needs": None,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def view_of(row: Row) -> JobView:
    """A row as clients see it."""
    parts = ("params", "progress", "error", "needs")
    values = {**dict(row), **{name: row[name] and msgspec.json.decode(row[name]) for name in parts}}
    return msgspec.convert(values, JobView)
