"""Jobs as clients see them."""

from __future__ import annotations

from posada_contracts.job import JobView

from posada_scraper.domain import Job


def view_of(job: Job) -> JobView:
    """A job as it is now."""
    return JobView(
        id=job.id,
        tenant=job.tenant,
        session_id=job.session_id,
        platform=job.platform,
        kind=job.kind,
        target=job.target,
        params=job.params,
        state=job.state,
        progress=job.progress,
        attempt=job.attempt,
        error=job.error,
        records=job.records,
        created_at=job.requested_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        version=job.version,
        needs=job.needs,
    )
