"""One job at a time on a session's form: two would push each other's codes and logins aside."""

from __future__ import annotations

import time
from typing import Self

import msgspec
from posada_contracts.errors import ConflictError, UnavailableError
from posada_contracts.streams import FORM_JOBS
from posada_runtime.buckets import Bucket, KeyTakenError
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore

from posada_scraper.domain import Job

HELD_S = 30.0
"""For so long a job may be announced here that is not in the log yet."""

TRIES = 10


class Turn(msgspec.Struct, frozen=True):
    """Whose turn it is."""

    job_id: str
    at: float  #: seconds since 1970


class Turns:
    """Who may."""

    def __init__(self, bucket: Bucket, store: EventStore) -> None:
        self._bucket, self._store = bucket, store

    @classmethod
    async def open(cls, bus: Bus, store: EventStore) -> Self:
        """Raises UnavailableError."""
        return cls(await Bucket.open(bus, FORM_JOBS), store)

    async def take(self, tenant: str, session_id: str, job_id: str) -> None:
        """Let `job_id` be the session's job from now on.

        Raises:
            ConflictError: another one has not ended; its id stands in `job_id`.
        """
        key = f"{tenant}.{session_id}"
        for _ in range(TRIES):
            mine = msgspec.json.encode(Turn(job_id, time.time()))
            found = await self._bucket.entry(key)
            try:
                if found is None:
                    await self._bucket.create(key, mine)
                else:
                    await self._refuse_if_running(tenant, job_id, msgspec.json.decode(found[0], type=Turn))
                    await self._bucket.update(key, mine, found[1])
            except KeyTakenError:  # somebody was faster: look who
                continue
            return
        raise UnavailableError("too many ask for this session's token at once")

    async def _refuse_if_running(self, tenant: str, job_id: str, turn: Turn) -> None:
        if turn.job_id == job_id:
            return
        job = (await self._store.load(Job, tenant, turn.job_id)).aggregate
        if (job is None and time.time() - turn.at < HELD_S) or (job is not None and not job.ended):
            raise ConflictError("this session's form is being filled in for another job", job_id=turn.job_id)
