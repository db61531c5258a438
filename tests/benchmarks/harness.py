"""How a benchmark is run: ours and its baseline by turns, in one run, and the medians put in relation.

Machines are noisy; a ratio of two things measured side by side says more than either of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from posada_embedded.nats import NatsConfig, NatsServer
from posada_embedded.postgres import PostgresConfig, PostgresServer
from posada_runtime.service import Platform, platform
from posada_runtime.settings import CommonSettings
from pydantic import SecretStr

ROUNDS = 5
Measure = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Result:
    """One line of the table. `ours` and `baseline` are in `unit`; `ratio` is ours ÷ baseline."""

    name: str
    ours: float
    baseline: float
    unit: str
    aim: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline


async def compared(name: str, ours: Measure, baseline: Measure, *, unit: str, aim: str = "") -> Result:
    """Both measured `ROUNDS` times by turns after one round to warm up."""
    mine, theirs = [], []
    await ours()
    await baseline()
    for _ in range(ROUNDS):
        mine.append(await ours())
        theirs.append(await baseline())
    return Result(name, statistics.median(mine), statistics.median(theirs), unit, aim)


async def rate(count: int, work: Awaitable[object]) -> float:
    """Things per second."""
    began = time.perf_counter()
    await work
    return count / (time.perf_counter() - began)


async def median_ms(times: int, once: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of one call, the median of `times`."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await once()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


@asynccontextmanager
async def servers(data: Path) -> AsyncIterator[tuple[Platform, PostgresServer]]:
    """NATS and Postgres as the house runs them on one machine, and a connection to the former.

    Postgres and the event log leave the disk's own speed out: both sides of every ratio would wait for it alike.
    """
    nats = NatsServer(NatsConfig(data_dir=data / "nats", sync_always=False))
    postgres = PostgresServer(PostgresConfig(data_dir=data / "postgres", fsync=False))
    async with nats, postgres:
        common = CommonSettings(nats_url=SecretStr(nats.url), data=data, log_level="error")
        async with platform(common, "bench") as house:
            yield house, postgres
    postgres.remove_data()
