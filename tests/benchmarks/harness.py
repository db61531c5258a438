"""How a benchmark is run: ours and its baseline by turns, in one run, and the medians put in relation.

Machines are noisy; a ratio of two things measured side by side says more than either of them.
"""

from __future__ import annotations

import math
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
    """One line of the table. `ours` and `baseline` are in `unit`; `ratio` is ours ÷ baseline.

    An `aim` such as `≤ 1.5` or `≥ 0.5` is for the ratio; with `by_difference` for ours less baseline.
    """

    name: str
    ours: float
    baseline: float
    unit: str
    aim: str = ""
    by_difference: bool = False

    @property
    def ratio(self) -> float:
        """Ours ÷ baseline; not a number when there was nothing to compare with."""
        return self.ours / self.baseline if self.baseline else math.nan

    @property
    def judged(self) -> float:
        """What the aim is for."""
        return self.ours - self.baseline if self.by_difference else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; `None`: there is none, or nothing to compare with."""
        if not self.aim or math.isnan(self.judged):
            return None
        sign, _, limit = self.aim.partition(" ")
        return self.judged <= float(limit) if sign == "≤" else self.judged >= float(limit)


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
