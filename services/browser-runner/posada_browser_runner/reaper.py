"""The reaper: ends what earlier lives left behind, processes and directories, exactly and never by name."""

from __future__ import annotations

import asyncio

from posada_contracts.errors import PosadaError
from posada_runtime.log import get_logger
from posada_runtime.processes import end_exactly, orphans

from posada_browser_runner.care import Care
from posada_browser_runner.cleaning import END_GRACE_S
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.reception import Reception


async def reap(hosting: Hosting) -> int:
    """End every marked process whose keeper is dead, remove every profile that no live browser uses."""
    left = await asyncio.to_thread(orphans, hosting.starter.house)
    if left:
        ended = await end_exactly(left, END_GRACE_S)
        get_logger().warning("orphans_ended", found=len(ended), refused=sum(not one.gone for one in ended))
    removed = await asyncio.to_thread(hosting.starter.remove_leftovers)
    if removed:
        get_logger().info("leftover_profiles_removed", profiles=removed)
    return len(left)


async def reap_forever(hosting: Hosting, reception: Reception, care: Care, every_s: float) -> None:
    """Reap, close idle browsers and guard the memory, on a timer."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await reap(hosting)
            await reception.close_idle()
            await care.guard_memory()
        except (OSError, PosadaError) as error:  # such as a directory that vanishes under our hands; the next round
            get_logger().warning("reaper_stumbled", why=type(error).__name__)
