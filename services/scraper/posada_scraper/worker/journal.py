"""What a worker writes into the log about one job."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from posada_contracts.job import JobError, Need, Progress
from posada_contracts.messages import Command
from posada_contracts.session import Evidence
from posada_contracts.vault import Sealed
from posada_runtime.eventstore import EventStore

from posada_scraper.domain import Job

ATTEMPTS_EXHAUSTED = JobError(
    code="attempts_exhausted", detail="the job was begun as often as is allowed, and no worker lived to its end"
)


class OvertakenError(Exception):
    """The job has ended, or a later attempt works on it: what this one does counts for nothing."""

    def __init__(self, job: Job) -> None:
        self.ended = job.ended
        super().__init__(job.state)


class _Work(Command[None]):
    """A worker's own step: not sent to anybody, it names who appends."""


class Journal:
    """Appends facts about one job."""

    def __init__(self, store: EventStore, tenant: str, job_id: str) -> None:
        self._store, self._tenant, self._job_id = store, tenant, job_id
        self._attempt = 0

    async def start(self, worker: str, delivered: int, most: int) -> Job:
        """Begin an attempt, or fail the job when there were `most` already. A job that has ended stays as it is.

        The attempt's number is how often the queue has handed the job out, so that a delivery that lay in a frozen
        process cannot push out the newer one. What is limited is how often it was begun: a delivery that reached
        nobody costs nothing.

        Raises:
            OvertakenError: a newer delivery has begun already.
        """
        self._attempt = delivered

        def begin(job: Job, at: datetime) -> None:
            if job.begun >= most:
                job.fail(delivered, ATTEMPTS_EXHAUSTED, None, at)
            else:
                job.start(worker, delivered, at)

        job = await self._write(begin)
        if not job.ended:
            self._still_ours(job)
        return job

    async def report(self, progress: Progress) -> None:
        """Raises OvertakenError."""
        self._still_ours(await self._write(lambda job, at: job.report(self._attempt, progress, at)))

    async def ask(self, need: Need) -> None:
        """The job waits for somebody. Raises OvertakenError."""
        self._still_ours(await self._write(lambda job, at: job.ask(self._attempt, need, at)))

    async def stop_waiting(self, error: JobError) -> Job:
        """Nobody gave anything in time: the job as it is then, which has not ended when somebody just did.

        Raises:
            OvertakenError: a later attempt works on it.
        """
        job = await self._write(lambda job, at: job.stop_waiting(self._attempt, error, at))
        if not job.ended:
            self._still_ours(job)
        return job

    async def succeed(self, result: Sealed, records: int) -> None:
        """Raises OvertakenError when the result is not wanted any more."""
        job = await self._write(lambda job, at: job.succeed(self._attempt, result, records, at))
        if job.result != result:
            raise OvertakenError(job)

    async def fail(self, error: JobError, evidence: Evidence | None = None) -> None:
        """The job ends without a result."""
        job = await self._write(lambda job, at: job.fail(self._attempt, error, evidence, at))
        if not job.ended:
            raise OvertakenError(job)

    def _still_ours(self, job: Job) -> None:
        if not job.is_run_by(self._attempt):
            raise OvertakenError(job)

    async def _write(self, change: Callable[[Job, datetime], None]) -> Job:
        def decide(job: Job | None) -> Job:
            assert job is not None  # its first event is what brought us here
            change(job, datetime.now(UTC))
            return job

        command = _Work(tenant=self._tenant, actor="scraper")
        return await self._store.execute(Job, command, self._job_id, decide)


class Reports:
    """Progress as it is reported, thinned out: the first and the last at once, others one per `interval_s`."""

    def __init__(self, journal: Journal, interval_s: float) -> None:
        self._journal, self._interval_s = journal, interval_s
        self._written_at: float | None = None
        self._waiting: Progress | None = None

    async def __call__(self, done: int, total: int | None, note: str) -> None:
        """Take a report. Raises OvertakenError."""
        self._waiting = Progress(done=done, total=total, note=note)
        if self._written_at is None or time.monotonic() - self._written_at >= self._interval_s:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. Raises OvertakenError."""
        if self._waiting is not None:
            progress, self._waiting = self._waiting, None
            self._written_at = time.monotonic()
            await self._journal.report(progress)
