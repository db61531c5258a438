"""Front door: settings -> wire -> serve."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from posada_contracts.job import JobCancelled, JobInputGiven
from posada_contracts.session import SessionErased
from posada_runtime.bus import retried
from posada_runtime.eventstore import EventStore
from posada_runtime.service import Platform, Service, run
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault, master_key

from posada_scraper.adapters.browser import Browsers, Driver
from posada_scraper.checks import Checks
from posada_scraper.forms.turns import Turns
from posada_scraper.forms.wiring import wire_forms
from posada_scraper.handlers import Handlers, hear_all
from posada_scraper.links.wiring import wire_links
from posada_scraper.login_checks import LoginChecks
from posada_scraper.logins import Logins
from posada_scraper.platforms.discovery import discover
from posada_scraper.results import Results
from posada_scraper.settings import Settings
from posada_scraper.worker import Worker, job_queue
from posada_scraper.worker.attempt import Tools

NAME = "scraper"
START_S = 10.0


async def wire(house: Platform, service: Service, stack: AsyncExitStack) -> None:
    """Put the scraper together."""
    settings = Settings()
    platforms = discover(settings.base_urls, settings.form_files)
    vault = await retried(lambda: Vault.open_up(house.bus, master_key(house.common)), START_S)
    driver = Driver()
    stack.push_async_callback(driver.stop)
    logins, results = Logins(house.bus, vault, platforms, settings), Results(vault)
    browsers = Browsers(house.bus, driver)
    tools = Tools(logins, browsers, results, settings)
    forms = wire_forms(house, vault, tools)
    stack.callback(forms.executor.stop)
    worker = Worker(house, job_queue(house.bus, settings), tools, forms)
    checks = Checks(logins, browsers)
    turns = await retried(lambda: Turns.open(house.bus, house.store), START_S)
    jobs = Handlers(house.bus, house.store, logins, checks, results, platforms, worker, forms.secrets, turns)
    hear_all(service, jobs)
    position = await retried(house.store.last_sequence, START_S)
    await stack.enter_async_context(house.background(_follow(house.store, position, worker, results), "log"))
    await stack.enter_async_context(worker.working())
    await stack.enter_async_context(house.background(LoginChecks(house.bus, logins, checks).run(), "login checks"))
    await wire_links(house, service, stack, browsers, logins, platforms, settings)


async def _follow(store: EventStore, position: int, worker: Worker, results: Results) -> None:
    """What happens elsewhere and matters here: jobs called off, or given what they wait for; sessions erased."""
    subjects = (JobCancelled.pattern(), JobInputGiven.pattern(), SessionErased.pattern())
    async for recorded in store.read(*subjects, after=position, follow=True):
        event = recorded.event
        if isinstance(event, SessionErased):
            results.forget(event.originator_id)
        elif isinstance(event, JobInputGiven):
            worker.given(event.originator_id, event.secret)
        else:
            worker.cancel(event.originator_id)


if __name__ == "__main__":
    asyncio.run(run(CommonSettings(), NAME, wire))
