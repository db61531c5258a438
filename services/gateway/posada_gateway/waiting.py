"""Waiting for a job by following its events."""

from __future__ import annotations

import asyncio

from posada_contracts.job import JobCancelled, JobFailed, JobSucceeded
from posada_contracts.streams import of_aggregate
from posada_runtime.ending import end
from posada_runtime.wire import Recorded

from posada_gateway.house import House


def ends_job(recorded: Recorded) -> bool:
    """Whether nothing more can come of the job."""
    return isinstance(recorded.event, JobSucceeded | JobFailed | JobCancelled)


async def job_ended(house: House, tenant: str, job_id: str, seconds: float) -> bool:
    """Whether the job ends within `seconds`, and before the server is told to stop."""

    async def until_ended() -> None:
        async for recorded in house.store.read(of_aggregate(tenant, "job", job_id), follow=True):
            if ends_job(recorded):
                return

    ended = asyncio.create_task(until_ended())
    stopped = asyncio.create_task(house.stopping.wait())
    try:
        await asyncio.wait([ended, stopped], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ended.done() and ended.exception() is None
    finally:
        await end(ended, stopped)
