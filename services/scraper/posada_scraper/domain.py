"""The job's life.

queued ──started──► running ──► succeeded │ failed │ cancelled
   │                 │  ▲
   │       needs user▼  │input given
   │                needs_user ──► failed │ cancelled
   └─────────────────────────────► failed │ cancelled       an ended job takes nothing further

An attempt that has been overtaken by a later one is refused too, silently, as after the end: whoever works on the
job sees by `is_run_by` that it is not theirs any more.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any, Self

from eventsourcing.domain import BaseAggregate
from posada_contracts import job as said
from posada_contracts.errors import ConflictError
from posada_contracts.job import JobError, JobEvent, Need, Progress, State
from posada_contracts.session import Evidence
from posada_contracts.vault import Sealed

EPOCH = datetime.fromtimestamp(0, UTC)


class Job(BaseAggregate[str]):
    """One piece of work on one session."""

    TOPIC = "job"
    Event = JobEvent

    tenant: str
    session_id: str
    platform: str
    kind: str
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    secret: Sealed | None = None
    inputs: list[Sealed] = field(default_factory=list, init=False)  #: what people gave while it ran, oldest first
    needs: Need | None = field(default=None, init=False)
    state: State = field(default="queued", init=False)
    attempt: int = field(default=0, init=False)  #: number of the newest one; 0 while nobody has taken the job
    begun: int = field(default=0, init=False)  #: how many attempts there were: their numbers may have gaps
    worker: str = field(default="", init=False)
    progress: Progress = field(default=Progress(), init=False)
    result: Sealed | None = field(default=None, init=False)
    records: int | None = field(default=None, init=False)
    error: JobError | None = field(default=None, init=False)
    requested_at: datetime = field(default=EPOCH, init=False)
    started_at: datetime | None = field(default=None, init=False)
    finished_at: datetime | None = field(default=None, init=False)

    @classmethod
    def request(
        cls, command: said.RequestJob, platform: str, target: str, at: datetime, secret: Sealed | None = None
    ) -> Self:
        """A new job. `target` is the command's, as the platform reads it; `secret` are its secrets, sealed."""
        return cls._create(
            said.JobRequested,
            id=command.job_id,
            timestamp=at,
            tenant=command.tenant,
            session_id=command.session_id,
            platform=platform,
            kind=command.kind,
            target=target,
            params=command.params,
            secret=secret,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state not in ("queued", "running", "needs_user")

    @property
    def secrets(self) -> list[Sealed]:
        """What was sealed for the time of the job only."""
        return [*([self.secret] if self.secret else []), *self.inputs]

    def is_run_by(self, attempt: int) -> bool:
        """Whether it is `attempt` that works on it now, or waits for somebody."""
        return self.state in ("running", "needs_user") and self.attempt == attempt

    def start(self, worker: str, attempt: int, at: datetime) -> None:
        """A worker takes it. Only a later attempt may take over."""
        if not self.ended and attempt > self.attempt:
            self.trigger_event(said.JobStarted, timestamp=at, worker=worker, attempt=attempt)

    def report(self, attempt: int, progress: Progress, at: datetime) -> None:
        """So much is done. The same as before makes no event."""
        if self.is_run_by(attempt) and progress != self.progress:
            self.trigger_event(
                said.JobProgressed, timestamp=at, done=progress.done, total=progress.total, note=progress.note
            )

    def ask(self, attempt: int, need: Need, at: datetime) -> None:
        """It waits for what only a person has. Waiting for the same already makes no event."""
        if self.is_run_by(attempt) and self.needs is None:
            self.trigger_event(said.JobNeedsUser, timestamp=at, what=need.what, detail=need.detail, until=need.until)

    def give(self, names: list[str], secret: Sealed, at: datetime) -> None:
        """Somebody gives it what it waits for, sealed.

        Raises:
            ConflictError: it waits for nothing, or not for this.
        """
        if self.needs is None:
            raise ConflictError(f"this job waits for nothing: it is {self.state}", state=self.state)
        if names != [self.needs.what]:
            raise ConflictError(f"this job waits for {self.needs.what} and nothing else", needs=self.needs.what)
        self.trigger_event(said.JobInputGiven, timestamp=at, secret=secret)

    def stop_waiting(self, attempt: int, error: JobError, at: datetime) -> None:
        """Nobody gave anything in time; unless somebody has just done so."""
        if self.needs is not None:
            self.fail(attempt, error, None, at)

    def succeed(self, attempt: int, result: Sealed, records: int, at: datetime) -> None:
        """The result is there."""
        if self.is_run_by(attempt):
            self.trigger_event(said.JobSucceeded, timestamp=at, result=result, records=records)

    def fail(self, attempt: int, error: JobError, evidence: Evidence | None, at: datetime) -> None:
        """It will not be done. An attempt that never started it may say so as well."""
        if not self.ended and attempt >= self.attempt:
            self.trigger_event(
                said.JobFailed,
                timestamp=at,
                code=error.code,
                detail=error.detail,
                verdict=error.verdict,
                evidence=evidence,
            )

    def cancel(self, at: datetime) -> None:
        """Somebody calls it off."""
        if not self.ended:
            self.trigger_event(said.JobCancelled, timestamp=at)

    @singledispatchmethod
    def when(self, event: JobEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a job knows nothing of {type(event).__name__}")

    @when.register
    def _requested(self, event: said.JobRequested) -> None:
        self.requested_at = event.timestamp

    @when.register
    def _started(self, event: said.JobStarted) -> None:
        self.state, self.worker, self.attempt = "running", event.worker, event.attempt
        self.begun, self.started_at, self.needs = self.begun + 1, event.timestamp, None

    @when.register
    def _needs_user(self, event: said.JobNeedsUser) -> None:
        self.state, self.needs = "needs_user", Need(what=event.what, detail=event.detail, until=event.until)

    @when.register
    def _input_given(self, event: said.JobInputGiven) -> None:
        self.state, self.needs, self.inputs = "running", None, [*self.inputs, event.secret]

    @when.register
    def _progressed(self, event: said.JobProgressed) -> None:
        self.progress = Progress(done=event.done, total=event.total, note=event.note)

    @when.register
    def _succeeded(self, event: said.JobSucceeded) -> None:
        self.result, self.records = event.result, event.records
        self._end("succeeded", event)

    @when.register
    def _failed(self, event: said.JobFailed) -> None:
        self.error = JobError(code=event.code, detail=event.detail, verdict=event.verdict)
        self._end("failed", event)

    @when.register
    def _cancelled(self, event: said.JobCancelled) -> None:
        self._end("cancelled", event)

    def _end(self, state: State, event: JobEvent) -> None:
        self.state, self.finished_at, self.needs = state, event.timestamp, None
