"""How tokens are doing, kept in memory: whoever asks is answered at once, whatever the scrapers are at."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict

from posada_contracts.errors import PosadaError
from posada_contracts.house import HOUSE
from posada_contracts.job import Executor, GetScraperStats, ScraperStats
from posada_contracts.session import TokenRead, TokenStored
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore

from posada_gateway.views import ApiStats, ExecutorOfWorker, TokenCounters

REFRESH_SECONDS = 1.0
ANSWER_SECONDS = 0.3


class Figures:
    """Asks the scrapers once a second, and counts what the log says of tokens."""

    def __init__(self) -> None:
        self._scrapers: list[ScraperStats] = []
        self._fetched: Counter[str] = Counter()
        self._read: Counter[str] = Counter()

    async def ask(self, bus: Bus) -> None:
        """Keep the scrapers' figures fresh, without end."""
        while True:
            if bus.connected:
                try:
                    told = await bus.ask_all(GetScraperStats(tenant=HOUSE), wait=ANSWER_SECONDS)
                    self._scrapers = sorted(told, key=lambda each: each.worker)
                except PosadaError:  # what is known stays until somebody tells anew
                    pass
            await asyncio.sleep(REFRESH_SECONDS)

    async def count(self, store: EventStore) -> None:
        """Count tokens from the first event on, without end."""
        async for recorded in store.read(TokenStored.pattern(), TokenRead.pattern(), follow=True):
            counter = self._fetched if isinstance(recorded.event, TokenStored) else self._read
            counter[recorded.tenant] += 1

    def of(self, tenant: str) -> ApiStats:
        """The house's executors, and the tenant's tokens."""
        executors = [each.executor for each in self._scrapers]
        return ApiStats(
            executor=_sum(executors),
            workers=[ExecutorOfWorker(worker=each.worker, **asdict(each.executor)) for each in self._scrapers],
            tokens=TokenCounters(fetched=self._fetched[tenant], read=self._read[tenant]),
        )


def _sum(executors: list[Executor]) -> Executor:
    return Executor(
        workers=sum(each.workers for each in executors),
        active=sum(each.active for each in executors),
        queued=sum(each.queued for each in executors),
        done=sum(each.done for each in executors),
        failed=sum(each.failed for each in executors),
        oldest_seconds=max((each.oldest_seconds for each in executors), default=0.0),
    )
