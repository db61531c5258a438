"""Takes deliveries from the queue, as many at once as there are places, and settles each of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from posada_contracts.errors import PosadaError, ProxyUnreachableError
from posada_contracts.job import Executor, JobError, JobRequested
from posada_contracts.messages import Event
from posada_contracts.streams import JOB_QUEUE
from posada_contracts.vault import Sealed
from posada_runtime.bus import Bus
from posada_runtime.queue import Delivery, WorkQueue
from posada_runtime.service import Platform as House
from posada_runtime.telemetry import span

from posada_scraper.domain import Job
from posada_scraper.forms.executor import Place
from posada_scraper.logins import UnknownPlatformError
from posada_scraper.places import place_of
from posada_scraper.platforms.base import GiveUpError, LoginEndedError
from posada_scraper.platforms.forms import FORM_KIND, FormPlatform
from posada_scraper.settings import Settings
from posada_scraper.worker.attempt import Attempt, Tools
from posada_scraper.worker.form_attempt import FormAttempt, FormTools
from posada_scraper.worker.journal import Journal, OvertakenError

LONGEST_PAUSE_S = 60.0
MOST_QUEUED = 16
"""So many jobs may wait for a login form without taking a place from others; the rest stay in the queue."""


def job_queue(bus: Bus, settings: Settings) -> WorkQueue:
    """The queue that all scrapers share."""
    requested = [JobRequested.pattern()]
    return WorkQueue(bus, JOB_QUEUE, requested, ack_wait_s=settings.ack_wait_s, max_attempts=settings.max_attempts)


class Worker:
    """One process's share of the work."""

    def __init__(self, house: House, queue: WorkQueue, tools: Tools, forms: FormTools) -> None:
        self._house, self._queue, self._tools, self._forms = house, queue, tools, forms
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.size = tools.settings.workers
        self._free = asyncio.Semaphore(self.size)
        self._tasks: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)  #: by job
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  #: by session
        self._giving_back = False
        self.taking = False

    @property
    def running(self) -> int:
        """How many jobs are in hand."""
        return sum(len(tasks) for tasks in self._tasks.values())

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Take jobs while the block runs; on the way out finish what can be within the grace time, return the rest."""
        try:
            async with self._house.background(self._take(), "jobs"):
                yield
        finally:
            await self._stop()

    def figures(self) -> Executor:
        """How the places for login forms are doing."""
        return self._forms.executor.figures()

    def given(self, job_id: str, sealed: Sealed) -> None:
        """Somebody gave a job what it waited for."""
        self._forms.inputs.given(job_id, sealed)

    def cancel(self, job_id: str) -> None:
        """Stop working on a job that was called off."""
        for task in self._tasks.get(job_id, ()):
            task.cancel()

    async def _take(self) -> None:
        self.taking = True
        try:
            async with contextlib.aclosing(self._queue.take(self._free)) as deliveries:
                async for delivery in deliveries:
                    if self._house.stopping.is_set():
                        await delivery.give_back()
                        return
                    self._begin(delivery)
        finally:
            self.taking = False

    def _begin(self, delivery: Delivery) -> None:
        job_id = delivery.recorded.event.originator_id
        task = asyncio.create_task(self._serve(delivery), name=f"job {job_id}")
        self._tasks[job_id].add(task)
        beside = self._form_platform(delivery.recorded.event) is not None and self.figures().queued < MOST_QUEUED
        if beside:  # a form waits for a place of its own: it shall not keep one from other jobs meanwhile
            self._free.release()

        def ended(task: asyncio.Task[None]) -> None:
            if not beside:
                self._free.release()
            self._tasks[job_id].discard(task)
            if not self._tasks[job_id]:
                del self._tasks[job_id]

        task.add_done_callback(ended)

    async def _stop(self) -> None:
        tasks = [task for of_job in self._tasks.values() for task in of_job]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._house.common.grace_seconds)
        self._giving_back = True
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=self._house.common.grace_seconds)

    async def _serve(self, delivery: Delivery) -> None:
        """Work on a delivery and settle it. Raises nothing."""
        event = delivery.recorded.event
        assert isinstance(event, JobRequested)
        try:
            with span("job", "consumer", delivery.headers, job=event.originator_id, work=event.kind):
                async with delivery.kept(), self._turn(event.session_id), self._place(event) as place:
                    await self._work_on(delivery, event, place)
        except asyncio.CancelledError:
            await (delivery.give_back() if self._giving_back else self._settle(delivery, event))
        except OvertakenError as error:
            if error.ended:  # otherwise the queue's entry is the later attempt's
                await self._settle(delivery, event)
        except Exception as error:
            pause = min(self._tools.settings.retry_s * 2 ** (delivery.attempt - 1), LONGEST_PAUSE_S)
            self._log("job_given_back", event, error, pause_s=pause)
            await delivery.give_back(pause)
        else:
            await self._settle(delivery, event)

    async def _settle(self, delivery: Delivery, event: JobRequested) -> None:
        """The job has ended: destroy what was sealed for its time only. The queue's entry goes after that."""
        try:
            await self._forms.secrets.end(event.tenant, event.originator_id)
        except PosadaError as error:
            self._log("job_secrets_stay", event, error)
            await delivery.give_back(self._tools.settings.retry_s)
        else:
            await delivery.done()

    def _form_platform(self, event: Event) -> FormPlatform | None:
        """The platform whose form a job is about."""
        assert isinstance(event, JobRequested)
        try:
            platform = self._tools.logins.platform(event.platform)
        except UnknownPlatformError:
            return None
        return platform if event.kind == FORM_KIND and isinstance(platform, FormPlatform) else None

    @asynccontextmanager
    async def _place(self, event: JobRequested) -> AsyncIterator[Place | None]:
        """A place for a login form, for a job that is about one."""
        if self._form_platform(event) is None:
            yield None
            return
        async with self._forms.executor.place() as place:
            yield place

    def _turn(self, session_id: str) -> asyncio.Lock:
        """Jobs of one session take turns in this process."""
        return self._turns.setdefault(session_id, asyncio.Lock())

    async def _work_on(self, delivery: Delivery, event: JobRequested, place: Place | None) -> None:
        """One attempt, to the job's end.

        Raises:
            OvertakenError: the job is not ours any more.
            Exception: what a later attempt may not meet again.
        """
        settings = self._tools.settings
        journal = Journal(self._house.store, event.tenant, event.originator_id)
        job = await journal.start(self.name, delivery.attempt, settings.max_attempts)
        if job.ended:
            return
        try:
            await self._attempt(job, journal, place).run()
            _count(place, well=True)
        except OvertakenError:
            raise
        except LoginEndedError as error:
            await self._tools.logins.record(job.tenant, job.session_id, error.check, error.probe)
            await self._give_up(journal, error, place)
        except GiveUpError as error:
            await self._give_up(journal, error, place)
        except Exception as error:
            if _may_heal(error) and job.begun < settings.max_attempts:
                raise
            self._log("job_failed", event, error)
            _count(place, well=False)
            await journal.fail(_job_error(error))

    def _attempt(self, job: Job, journal: Journal, place: Place | None) -> Attempt | FormAttempt:
        platform = self._tools.logins.platform(job.platform)
        if place is not None and isinstance(platform, FormPlatform):
            return FormAttempt(self._forms, platform, job, journal, place)
        return Attempt(self._tools, job, journal)

    async def _give_up(self, journal: Journal, error: GiveUpError, place: Place | None) -> None:
        _count(place, well=False)
        told = JobError(code=error.failure, detail=error.detail, verdict=error.verdict)
        await journal.fail(told, error.evidence)

    def _log(self, what: str, event: JobRequested, error: Exception, **more: object) -> None:
        told = {"error": type(error).__name__, "place": place_of(error)}
        self._house.log.warning(what, job=event.originator_id, **told, **more)


def _count(place: Place | None, *, well: bool) -> None:
    if place is not None:
        place.ended(well=well)


def _may_heal(error: Exception) -> bool:
    """Whether another attempt makes sense. A proxy that does not answer is for its owner to mend."""
    if isinstance(error, PosadaError):
        return error.retry and not isinstance(error, ProxyUnreachableError)
    return True


def _job_error(error: Exception) -> JobError:
    if isinstance(error, PosadaError):
        return JobError(code=error.code, detail=error.detail)
    return JobError(code="internal", detail="something unexpected happened on every attempt; the logs tell where")
