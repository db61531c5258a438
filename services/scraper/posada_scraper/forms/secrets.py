"""What a job needs and nobody may read: sealed under the session's key for the time of the job, and not longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
from posada_contracts.vault import Sealed
from posada_runtime.bus import retried
from posada_runtime.eventstore import EventStore
from posada_runtime.vault import Vault

from posada_scraper.domain import Job

PATIENCE_S = 10.0


class JobSecrets:
    """Seals, opens and destroys what jobs were given."""

    def __init__(self, store: EventStore, vault: Vault) -> None:
        self._store, self._vault = store, vault

    async def seal(self, tenant: str, session_id: str, job_id: str, given: Mapping[str, str]) -> Sealed:
        """Keep what a job was given. Raises ForgottenError when the session was erased."""
        return await self._vault.seal(tenant, session_id, f"input-{job_id}", msgspec.json.encode(dict(given)))

    async def open(self, job: Job, sealed: Sealed) -> dict[str, str]:
        """What a job was given.

        Raises:
            ForgottenError: the session was erased.
            PosadaError: from the vault.
        """
        opened = await retried(lambda: self._vault.open(job.tenant, job.session_id, sealed), PATIENCE_S)
        return msgspec.json.decode(opened, type=dict[str, str])

    async def discard(self, *sealed: Sealed) -> None:
        """Destroy what no job needs. Safe to repeat."""
        for each in sealed:
            await self._vault.discard(each)

    async def end(self, tenant: str, job_id: str) -> None:
        """Destroy all that a job was given, if it has ended. Safe to repeat.

        Raises:
            UnavailableError: log or vault do not answer; somebody has to try again.
        """
        job = (await self._store.load(Job, tenant, job_id)).aggregate
        if job is not None and job.ended:
            await self.discard(*job.secrets)


class Inputs:
    """What people give to jobs that wait for it here, as the log tells it."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Sealed]] = {}

    @contextmanager
    def expected(self, job_id: str) -> Iterator[asyncio.Future[Sealed]]:
        """What will be given to a job while the block runs."""
        future = self._waiting[job_id] = asyncio.get_running_loop().create_future()
        try:
            yield future
        finally:
            del self._waiting[job_id]

    def given(self, job_id: str, sealed: Sealed) -> None:
        """Somebody gave something to some job."""
        future = self._waiting.get(job_id)
        if future is not None and not future.done():
            future.set_result(sealed)
