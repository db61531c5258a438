"""Takes deliveries from the queue, as many at once as there are places, and settles each of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from posada_contracts.errors import PosadaError, ProxyUnreachableError
from posada_contracts.job import JobError, JobRequested
from posada_runtime.queue import Delivery, WorkQueue
from posada_runtime.service import Platform as House
from posada_runtime.telemetry import span

from posada_scraper.platforms.base import GiveUpError, LoginEndedError
from posada_scraper.worker.attempt import Attempt, Tools
from posada_scraper.worker.journal import Journal, OvertakenError

LONGEST_PAUSE_S = 60.0


class Worker:
    """One process's share of the work."""

    def __init__(self, house: House, queue: WorkQueue, tools: Tools) -> None:
        self._house, self._queue, self._tools = house, queue, tools
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

        def ended(task: asyncio.Task[None]) -> None:
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
                async with delivery.kept(), self._turn(event.session_id):
                    await self._work_on(delivery, event)
        except asyncio.CancelledError:
            await (delivery.give_back() if self._giving_back else delivery.done())
        except OvertakenError as error:
            if error.ended:  # otherwise the queue's entry is the later attempt's
                await delivery.done()
        except Exception as error:
            pause = min(self._tools.settings.retry_s * 2 ** (delivery.attempt - 1), LONGEST_PAUSE_S)
            self._log("job_given_back", event, error, pause_s=pause)
            await delivery.give_back(pause)
        else:
            await delivery.done()

    def _turn(self, session_id: str) -> asyncio.Lock:
        """Jobs of one session take turns in this process."""
        return self._turns.setdefault(session_id, asyncio.Lock())

    async def _work_on(self, delivery: Delivery, event: JobRequested) -> None:
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
            await Attempt(self._tools, job, journal).run()
        except OvertakenError:
            raise
        except LoginEndedError as error:
            await self._tools.logins.record(job.tenant, job.session_id, error.check, error.probe)
            await self._give_up(journal, error)
        except GiveUpError as error:
            await self._give_up(journal, error)
        except Exception as error:
            if _may_heal(error) and job.begun < settings.max_attempts:
                raise
            self._log("job_failed", event, error)
            await journal.fail(_job_error(error))

    async def _give_up(self, journal: Journal, error: GiveUpError) -> None:
        told = JobError(code=error.failure, detail=error.detail, verdict=error.verdict)
        await journal.fail(told, error.evidence)

    def _log(self, what: str, event: JobRequested, error: Exception, **more: object) -> None:
        """Where it happened, not what it said: an exception's text may quote URLs, cookies and keys."""
        place = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
        self._house.log.warning(what, job=event.originator_id, error=type(error).__name__, place=place, **more)


def _may_heal(error: Exception) -> bool:
    """Whether another attempt makes sense. A proxy that does not answer is for its owner to mend."""
    if isinstance(error, PosadaError):
        return error.retry and not isinstance(error, ProxyUnreachableError)
    return True


def _job_error(error: Exception) -> JobError:
    if isinstance(error, PosadaError):
        return JobError(code=error.code, detail=error.detail)
    return JobError(code="internal", detail="something unexpected happened on every attempt; the logs tell where")
