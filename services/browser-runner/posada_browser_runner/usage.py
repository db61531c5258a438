"""What each open browser takes from the machine: measured now and then, told at once."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass

import psutil
from posada_contracts.browser import Usage
from posada_runtime.processes import Marked, find_marked

from posada_browser_runner.hosting import Hosting

STALE_S = 2.0


@dataclass
class _Taken:
    memory: int = 0
    cpu: float = 0.0
    processes: int = 0


class Meter:
    """Measures the browsers of one runner. To add up what all their processes take may last a second."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._taken: dict[str, _Taken] = {}
        self._measured_at = float("-inf")
        self._measuring: asyncio.Task[None] | None = None

    async def measure(self) -> None:
        """Measure now."""
        self._taken = await asyncio.to_thread(_measured, self._hosting.starter.house)
        self._measured_at = time.monotonic()

    def usage(self) -> list[Usage]:
        """What was measured last; older than two seconds, it is measured anew for the next to ask."""
        if time.monotonic() - self._measured_at > STALE_S and (self._measuring is None or self._measuring.done()):
            self._measuring = asyncio.create_task(self.measure(), name="measure browsers")
        nothing = _Taken()
        return [
            Usage(
                session_id=one.session_id,
                tenant=one.tenant,
                memory_bytes=(taken := self._taken.get(one.started.start_id, nothing)).memory,
                cpu_seconds=round(taken.cpu, 2),
                processes=taken.processes,
                generation=one.lease.generation,
                clients=self._hosting.clients(one),
                idle_seconds=round(self._hosting.idle_s(one), 1),
            )
            for one in self._hosting.hosted
        ]


def _measured(house: str) -> dict[str, _Taken]:
    """By start id."""
    taken: dict[str, _Taken] = defaultdict(_Taken)
    for process in find_marked(house):
        if process.mark.start_id:
            _add(taken[process.mark.start_id], process)
    return dict(taken)


def _add(taken: _Taken, process: Marked) -> None:
    try:
        handle = psutil.Process(process.pid)
        memory, times = handle.memory_full_info(), handle.cpu_times()
    except psutil.Error:  # ended, or not ours to read, in the meantime
        return
    taken.memory += getattr(memory, "pss", memory.rss)
    taken.cpu += times.user + times.system
    taken.processes += 1
