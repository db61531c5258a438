"""What each open browser takes from the machine."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import psutil
from posada_contracts.browser import Usage
from posada_runtime.processes import Marked, find_marked

from posada_browser_runner.hosting import Hosting


@dataclass
class _Taken:
    memory: int = 0
    cpu: float = 0.0
    processes: int = 0


async def usage_of(hosting: Hosting) -> list[Usage]:
    """Memory, processor time and number of processes of every browser here."""
    taken = await asyncio.to_thread(_measured, hosting.starter.house)
    return [
        Usage(
            session_id=one.session_id,
            tenant=one.tenant,
            memory_bytes=taken[one.started.start_id].memory,
            cpu_seconds=round(taken[one.started.start_id].cpu, 2),
            processes=taken[one.started.start_id].processes,
            generation=one.lease.generation,
            clients=hosting.clients(one),
            idle_seconds=round(hosting.idle_s(one), 1),
        )
        for one in hosting.hosted
    ]


async def memory_of(hosting: Hosting) -> dict[str, int]:
    """Bytes that every browser here takes, by session."""
    return {each.session_id: each.memory_bytes for each in await usage_of(hosting)}


def _measured(house: str) -> dict[str, _Taken]:
    """By start id."""
    taken: dict[str, _Taken] = defaultdict(_Taken)
    for process in find_marked(house):
        if process.mark.start_id:
            _add(taken[process.mark.start_id], process)
    return taken


def _add(taken: _Taken, process: Marked) -> None:
    try:
        handle = psutil.Process(process.pid)
        memory, times = handle.memory_full_info(), handle.cpu_times()
    except psutil.Error:  # ended, or not ours to read, in the meantime
        return
    taken.memory += getattr(memory, "pss", memory.rss)
    taken.cpu += times.user + times.system
    taken.processes += 1
