"""What each open browser takes from the machine."""

from __future__ import annotations

import asyncio

import psutil
from posada_contracts.browser import Usage
from posada_runtime.processes import Marked, find_marked

from posada_browser_runner.hosting import Hosted, Hosting


async def usage_of(hosting: Hosting) -> list[Usage]:
    """Memory, processor time and number of processes of every browser here."""
    marked = await asyncio.to_thread(find_marked, hosting.house)
    return [await asyncio.to_thread(_usage, one, hosting.clients(one), marked) for one in hosting.hosted]


def _usage(one: Hosted, clients: int, marked: list[Marked]) -> Usage:
    memory, cpu, processes = 0, 0.0, 0
    for process in (p for p in marked if p.mark.start_id == one.started.start_id):
        try:
            handle = psutil.Process(process.pid)
            taken = handle.memory_full_info()
            times = handle.cpu_times()
        except psutil.Error:  # ended, or not ours to read, in the meantime
            continue
        memory += getattr(taken, "pss", taken.rss)
        cpu += times.user + times.system
        processes += 1
    return Usage(
        session_id=one.session_id,
        tenant=one.tenant,
        memory_bytes=memory,
        cpu_seconds=round(cpu, 2),
        processes=processes,
        generation=one.lease.generation,
        clients=clients,
    )
