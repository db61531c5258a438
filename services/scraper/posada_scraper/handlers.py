"""Message -> domain -> store; `hear_all` is the only list of what the scraper hears."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from posada_contracts import job as said
from posada_contracts.errors import ConflictError, InvalidInputError, NotFoundError, PosadaError
from posada_contracts.house import Health, Probed, ScraperHealth
from posada_contracts.job import CheckView, JobView, PlatformView, ResultPage, ScraperStats
from posada_contracts.messages import TOKEN
from posada_contracts.session import GetSession
from posada_contracts.vault import Sealed
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.service import Service

from posada_scraper.checks import Checks
from posada_scraper.domain import Job
from posada_scraper.forms.secrets import JobSecrets
from posada_scraper.forms.turns import Turns
from posada_scraper.logins import Logins, UnknownPlatformError
from posada_scraper.platforms.base import NoCredentialsError, Platform
from posada_scraper.platforms.forms import FORM_KIND, NEEDED, TAKEN, FormPlatform
from posada_scraper.results import Results
from posada_scraper.views import view_of
from posada_scraper.worker import Worker

MOST_RECORDS = 5000
"""In one page of a result: what fits into one message."""


class Handlers:
    """Answers what is asked of the scraper."""

    def __init__(
        self,
        bus: Bus,
        store: EventStore,
        logins: Logins,
        checks: Checks,
        results: Results,
        platforms: dict[str, Platform],
        worker: Worker,
        secrets: JobSecrets,
        turns: Turns,
    ) -> None:
        self._bus, self._store, self._logins, self._results = bus, store, logins, results
        self._checks = checks
        self._platforms, self._worker = platforms, worker
        self._secrets, self._turns = secrets, turns

    async def request(self, command: said.RequestJob) -> JobView:
        """Queue a job. The event is the queue's entry, so there is nothing else to do.

        Raises:
            InvalidInputError: no such platform, kind or target, or not the secrets that it takes.
            ConflictError: another job is at the session's login form.
        """
        present = await self._load(command.tenant, command.job_id)
        if present is not None:
            return view_of(present)
        session = await self._bus.ask(GetSession(tenant=command.tenant, session_id=command.session_id))
        target = self._target(session.platform, command)
        secret = await self._sealed(session.platform, command)

        def decide(job: Job | None) -> Job:
            return job or Job.request(command, session.platform, target, datetime.now(UTC), secret)

        try:
            job = await self._store.execute(Job, command, command.job_id, decide)
        except PosadaError as error:
            if secret is not None and not error.retry:
                await self._secrets.discard(secret)
            raise
        if secret is not None and job.secret != secret:  # another try of the same request was faster
            await self._secrets.discard(secret)
        return view_of(job)

    async def _sealed(self, platform: str, command: said.RequestJob) -> Sealed | None:
        """The job's secrets, when it is one of those that take some."""
        names = set(command.secrets)
        if not (command.kind == FORM_KIND and isinstance(self._platforms[platform], FormPlatform)):
            if names:
                raise InvalidInputError(f"a {command.kind} job takes no secrets")
            return None
        if not NEEDED <= names <= TAKEN:
            raise InvalidInputError(f"a {FORM_KIND} job takes {', '.join(sorted(TAKEN))}; ask for it at /v1/tokens")
        await self._turns.take(command.tenant, command.session_id, command.job_id)
        return await self._secrets.seal(command.tenant, command.session_id, command.job_id, command.secrets)

    async def give_input(self, command: said.GiveInput) -> JobView:
        """Give a job what it waits for; the worker that runs it hears of it from the log.

        Raises:
            ConflictError: it waits for nothing, or not for this.
        """
        job = await self._present(command.tenant, command.job_id)
        secret = await self._secrets.seal(command.tenant, job.session_id, job.id, command.input)

        def decide(job: Job | None) -> Job:
            if job is None:
                raise NotFoundError
            job.give(sorted(command.input), secret, datetime.now(UTC))
            return job

        try:
            given = await self._store.execute(Job, command, command.job_id, decide)
        except PosadaError as error:
            if not error.retry:
                await self._secrets.discard(secret)
            raise
        if secret not in given.inputs:  # this very command was carried out before
            await self._secrets.discard(secret)
        return view_of(given)

    async def stats(self, query: said.GetScraperStats) -> ScraperStats:
        """How this process is doing, from memory."""
        return ScraperStats(
            worker=self._worker.name, executor=self._worker.figures(), jobs_running=self._worker.running
        )

    def _target(self, name: str, command: said.RequestJob) -> str:
        """The target as the platform reads it. Raises InvalidInputError."""
        platform = self._platforms.get(name)
        if platform is None:
            raise InvalidInputError(f"no jobs can be done on {name!r}: there are {', '.join(sorted(self._platforms))}")
        if command.kind not in platform.kinds:
            raise InvalidInputError(f"{name} has no {command.kind!r} job: there are {', '.join(platform.kinds)}")
        return platform.parse_target(command.kind, command.target)

    async def cancel(self, command: said.CancelJob) -> JobView:
        """Call a job off; the worker that runs it hears of it from the log. What was sealed for it is destroyed."""
        _checked(command.job_id)

        def decide(job: Job | None) -> Job:
            if job is None:
                raise NotFoundError
            job.cancel(datetime.now(UTC))
            return job

        job = await self._store.execute(Job, command, command.job_id, decide)
        await self._secrets.discard(*job.secrets)
        return view_of(job)

    async def check_session(self, command: said.CheckSession) -> CheckView:
        """Check a login, and record what was found."""
        began = time.perf_counter()
        tenant, session_id = command.tenant, command.session_id
        try:
            platform = await self._logins.platform_of(tenant, session_id)
            check, probe = await self._checks.check(tenant, session_id, platform, command.probe)
        except (NoCredentialsError, UnknownPlatformError) as error:
            raise ConflictError(error.detail) from None
        took_ms = round((time.perf_counter() - began) * 1000)
        await self._logins.record(tenant, session_id, check, probe)
        return CheckView(verdict=check.verdict, evidence=check.evidence, probe=probe, took_ms=took_ms)

    async def get(self, query: said.GetJob) -> JobView:
        """One job."""
        return view_of(await self._present(query.tenant, query.job_id))

    async def result(self, query: said.GetResult) -> ResultPage:
        """Some of a job's records, at most `MOST_RECORDS`."""
        if query.offset < 0 or query.limit < 1:
            raise InvalidInputError("offset counts from 0, limit from 1")
        job = await self._present(query.tenant, query.job_id)
        if job.result is None:
            raise ConflictError(f"this job has no result: it is {job.state}", state=job.state)
        records = await self._results.open(query.tenant, job.session_id, job.result)
        end = query.offset + min(query.limit, MOST_RECORDS)
        return ResultPage(records=records[query.offset : end], total=len(records))

    async def platforms(self, query: said.ListPlatforms) -> list[PlatformView]:
        """The platforms that are there."""
        found = sorted(self._platforms.values(), key=lambda platform: platform.name)
        return [PlatformView(name=each.name, kinds=list(each.kinds), base_url=each.base_url) for each in found]

    async def health(self, query: ScraperHealth) -> Health:
        """What the scraper needs, looked at now."""
        running = f"{self._worker.running} jobs of at most {self._worker.size}"
        checks = {
            "nats": await self._nats(),
            "worker": Probed(status="ok" if self._worker.taking else "error", message=running),
            "platforms": Probed(
                status="ok" if self._platforms else "error", message=", ".join(sorted(self._platforms)) or "none"
            ),
        }
        return Health(service="scraper", checks=checks)

    async def _nats(self) -> Probed:
        try:
            seconds = await self._bus.ping()
            position = await self._store.last_sequence()
        except PosadaError as error:
            return Probed(status="error", message=error.detail)
        return Probed(status="ok", message=f"{seconds * 1000:.1f} ms, event log at {position}")

    async def _load(self, tenant: str, job_id: str) -> Job | None:
        return (await self._store.load(Job, tenant, _checked(job_id))).aggregate

    async def _present(self, tenant: str, job_id: str) -> Job:
        job = await self._load(tenant, job_id)
        if job is None:
            raise NotFoundError
        return job


def _checked(job_id: str) -> str:
    """A job id becomes part of a subject: one with a wildcard would match other jobs."""
    if not TOKEN.fullmatch(job_id):
        raise InvalidInputError("a job id is made of letters, digits, '_' and '-', 64 at most")
    return job_id


def hear_all(service: Service, handlers: Handlers) -> None:
    """Attach every handler."""
    service.hear(said.RequestJob, handlers.request)
    service.hear(said.CancelJob, handlers.cancel)
    service.hear(said.GiveInput, handlers.give_input)
    service.hear(said.GetScraperStats, handlers.stats, everyone=True)
    service.hear(said.CheckSession, handlers.check_session)
    service.hear(said.GetJob, handlers.get)
    service.hear(said.GetResult, handlers.result)
    service.hear(said.ListPlatforms, handlers.platforms)
    service.hear(ScraperHealth, handlers.health)
