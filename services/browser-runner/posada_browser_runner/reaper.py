"""The reaper: ends what earlier lives left behind, processes and directories, exactly and never by name."""

from __future__ import annotations

import asyncio

from posada_runtime.log import get_logger
from posada_runtime.processes import end_exactly, orphans

from posada_browser_runner.hosting import END_GRACE_S, Hosting


async def reap(hosting: Hosting) -> int:
    """End every marked process whose keeper is dead, remove every profile that no live browser uses."""
    left = await asyncio.to_thread(orphans, hosting.house)
    if left:
        ended = await end_exactly(left, END_GRACE_S)
        get_logger().warning("orphans_ended", found=len(ended), refused=sum(not one.gone for one in ended))
    removed = await hosting.remove_leftovers()
    if removed:
        get_logger().info("leftover_profiles_removed", profiles=removed)
    return len(left)


async def reap_forever(hosting: Hosting, every_s: float) -> None:
    """Reap, and close idle browsers, on a timer."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await reap(hosting)
            await hosting.close_idle()
        except OSError as error:  # a directory that vanishes under our hands; the next round sees to it
            get_logger().warning("reaper_stumbled", why=type(error).__name__)
