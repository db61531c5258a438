"""Front door: settings -> wire -> serve."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack

from posada_runtime.bus import retried
from posada_runtime.leases import Holder, Leases
from posada_runtime.service import Platform, Service, run
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault, master_key

from posada_browser_runner.adapters.start import Starter
from posada_browser_runner.handlers import Handlers
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.journal import Journal
from posada_browser_runner.reaper import reap, reap_forever
from posada_browser_runner.settings import Settings

NAME = "browser-runner"


async def wire(house: Platform, service: Service, stack: AsyncExitStack) -> None:
    """Put a runner together."""
    settings = Settings()
    starter = await Starter.prepare(house.common, settings)
    stack.push_async_callback(starter.stop)
    vault = await retried(lambda: Vault.open_up(house.bus, master_key(house.common)), 10)
    leases = await Leases.open(house.bus, Holder(settings.name, secrets.token_hex(8)))
    journal = Journal(house.store, settings.name)
    hosting = Hosting(house.bus, vault, leases, journal, starter, settings)
    await reap(hosting)
    await journal.close_the_past()
    await hosting.begin()
    stack.push_async_callback(hosting.end)
    Handlers(house.bus, leases, hosting, settings.name, settings.max_browsers).hear_all(service)
    await stack.enter_async_context(house.background(reap_forever(hosting, settings.reap_seconds), "reaper"))


if __name__ == "__main__":
    asyncio.run(run(CommonSettings(), NAME, wire))
