"""Front door: settings -> wire -> serve."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack

from posada_runtime.bus import retried
from posada_runtime.leases import Holder, Leases
from posada_runtime.processes import Mark
from posada_runtime.service import Platform, Service, run
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault, master_key

from posada_browser_runner.adapters.chromedriver import Chromedriver
from posada_browser_runner.adapters.devtools_door import DevtoolsDoor
from posada_browser_runner.adapters.start import Starter
from posada_browser_runner.adapters.webdriver import WebDriver
from posada_browser_runner.artifacts import Artifacts
from posada_browser_runner.care import Care
from posada_browser_runner.cleaning import Cleaning
from posada_browser_runner.handlers import Handlers
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.journal import Journal
from posada_browser_runner.logins import Logins
from posada_browser_runner.neighbours import Neighbours
from posada_browser_runner.reaper import reap, reap_forever
from posada_browser_runner.reception import Reception
from posada_browser_runner.settings import Settings
from posada_browser_runner.usage import Meter

NAME = "browser-runner"
MB = 1 << 20


async def wire(house: Platform, service: Service, stack: AsyncExitStack) -> None:
    """Put a runner together."""
    settings = Settings()
    bus = house.bus
    starter = Starter.prepare(house.common, settings)
    stack.push_async_callback(starter.stop)
    vault = await retried(lambda: Vault.open_up(bus, master_key(house.common)), 10)
    leases = await Leases.open(bus, Holder(settings.name, secrets.token_hex(8)))
    journal = Journal(house.store, settings.name)
    artifacts = Artifacts(house.store, vault, journal, settings.artifact_mb * MB)
    driver = Chromedriver(Mark.for_this_process(house.common.house, settings.name))
    webdriver = WebDriver(driver, settings.linger_seconds)
    door = DevtoolsDoor(settings.host, settings.port, lambda session_id, _: came_or_went(session_id), webdriver)
    hosting = Hosting(Logins(bus, vault, settings.name), leases, journal, starter, door, artifacts, settings)
    neighbours = Neighbours(bus, settings.name)
    reception = Reception(bus, leases, hosting, neighbours, settings)
    cleaning = Cleaning(bus, leases, hosting, reception, settings.name)
    meter = Meter(hosting)
    care = Care(hosting, reception, cleaning, journal, meter, settings)

    def came_or_went(session_id: str) -> None:
        hosting.used(session_id)
        reception.stir()

    await reap(hosting)
    await journal.close_the_past()
    await door.start()
    stack.push_async_callback(door.stop)
    starter.begin()
    Handlers(bus, leases, hosting, reception, cleaning, care, artifacts, meter, settings).hear_all(service)
    stack.push_async_callback(hosting.end_all)
    stack.push_async_callback(care.stop)
    for name, work in {
        "reception": reception.tend(),
        "neighbours": neighbours.watch(),
        "probes": care.probe_forever(),
        "reaper": reap_forever(hosting, reception, care, settings.reap_seconds),
    }.items():
        await stack.enter_async_context(house.background(work, name))


if __name__ == "__main__":
    asyncio.run(run(CommonSettings(), NAME, wire))
