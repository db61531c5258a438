"""The load of the fault rounds: sessions with a login, driven over DevTools, and what must be true of them after it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from playwright.async_api import Error, Page, Playwright
from posada_client.models import Session
from posada_testkit.driving import bearer, events, until
from posada_testkit.house import House

SESSIONS = 4
PASSWORD = "carabook-1234"
STORED = "session.credentials_stored.v1"
QUIET_S = 1.5  #: three times the shortest pause between two savings
STEP_S = 30.0  #: no single step of a client takes longer; in a failure it may just hang
GO_S = 5.0
LOOK_S = 60.0
TARGET, FRIENDS = "lucia.fernandez", 340


@dataclass
class Place:
    """One session under load."""

    session: Session
    account: str
    saves: int = 0  #: of its login, before it logged in by the form
    certain: bool = True  #: whether its newest saved login must be a good one
    seen: int = 0  #: pages that clients have seen behind the login


class Load:
    """Some sessions, a job's session, and the clients."""

    def __init__(self, house: House, playwright: Playwright, rng: random.Random) -> None:
        self._house, self._playwright, self._rng = house, playwright, rng
        self.places: list[Place] = []
        self._faults: list[str] = []
        self._worker: Session | None = None
        self._shoots = False
        self.longest_visit_s = 0.0

    async def prepare(self) -> None:
        """Make the sessions, each with a login of its own."""
        await asyncio.to_thread(self._make)

    def _make(self) -> None:
        paths = httpx.get(f"{self._house.url}/openapi.json", timeout=30).json()["paths"]
        self._shoots = "/v1/sessions/{id}/screenshot" in paths
        with self._house.client() as posada:
            for number in range(1, SESSIONS + 1):
                account = f"analyst{number}"
                login = self._house.login(account)
                made = posada.sessions.create(f"driven-{number}", "facebook", storage_state=login)
                self.places.append(Place(made, account))
            login = self._house.login(f"analyst{SESSIONS + 1}")
            self._worker = posada.sessions.create("worker", "facebook", storage_state=login)

    @property
    def _site(self) -> str:
        return f"{self._house.run['playground_url']}/social/"

    @asynccontextmanager
    async def _driven(self, place: Place) -> AsyncIterator[Page]:
        url = f"{self._house.url}/v1/sessions/{place.session.id}/cdp".replace("http", "ws", 1)
        chromium = self._playwright.chromium
        browser = await chromium.connect_over_cdp(url, headers=bearer(self._house.key), timeout=STEP_S * 1000)
        page = await browser.contexts[0].new_page()
        try:
            yield page
        finally:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(GO_S):
                    await page.close()
                    await browser.close()

    # The clients

    @asynccontextmanager
    async def running(self, besides: Place) -> AsyncIterator[None]:
        """All other sessions are driven as long as the block runs."""
        over = asyncio.Event()
        clients = [asyncio.create_task(self._client(each, over)) for each in self.places if each is not besides]
        try:
            yield
        finally:
            over.set()
            _, late = await asyncio.wait(clients, timeout=STEP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self, place: Place, over: asyncio.Event) -> None:
        """Comes, looks, and goes, again and again. What breaks under its hands in a failure is no fault yet."""
        while not over.is_set():
            began = time.monotonic()
            with contextlib.suppress(Error, TimeoutError, OSError, httpx.HTTPError):
                async with asyncio.timeout(STEP_S):
                    await self._visit(place)
            self.longest_visit_s = max(self.longest_visit_s, time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), self._rng.random() * 0.5)

    async def _visit(self, place: Place) -> None:
        async with self._driven(place) as page:
            await page.goto(self._site)
            if await page.locator("#login_form").count() and place.certain:
                self._faults.append(f"a client of {place.account} was shown the login form")
            place.seen += await page.locator("[role=feed]").count()
        if self._shoots and self._rng.random() < 0.3:
            await self._call("GET", place, "/screenshot")
        if self._rng.random() < 0.2:
            await self._call("DELETE", place, "/browser")

    async def _call(self, method: str, place: Place, path: str) -> None:
        url = f"{self._house.url}/v1/sessions/{place.session.id}{path}"
        async with httpx.AsyncClient(headers=bearer(self._house.key), timeout=STEP_S) as client:
            await client.request(method, url)

    def take_faults(self) -> list[str]:
        """What clients have seen that must not be."""
        taken, self._faults = self._faults, []
        return taken

    # A login by the form

    @asynccontextmanager
    async def logging_in(self, place: Place) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Log the session out, and give what logs it in again. All that was to be saved before it has been saved."""
        async with self._driven(place) as page:
            await page.context.clear_cookies()
            await page.goto(f"{self._site}login/")
            await page.fill("#email", f"{place.account}@example.test")
            await page.fill("#pass", PASSWORD)
            place.saves, place.certain = await self._quiet(place), False

            async def click() -> None:
                await page.click("[name=login]")
                await page.wait_for_selector("[role=feed]", state="attached")

            yield click

    def _saves(self, place: Place) -> int:
        return events(self._house, place.session).count(STORED)

    async def _quiet(self, place: Place) -> int:
        """How often its login was saved, once it is not saved any more."""
        seen = -1
        for _ in range(20):
            if (now := await asyncio.to_thread(self._saves, place)) == seen:
                return seen
            seen = now
            await asyncio.sleep(QUIET_S)
        raise AssertionError(f"the login of {place.account} is saved again and again")

    async def until_saved(self, place: Place) -> None:
        """Wait until the new login is said to be saved."""
        await until(lambda: self._saves(place) > place.saves, f"the login of {place.account} is saved", STEP_S)

    # What must be true afterwards

    async def lost_logins(self, fresh: Place) -> list[str]:
        """The sessions that were saved with a good login, and are shown the form when their browser is opened."""
        fresh.certain = await asyncio.to_thread(self._saves, fresh) > fresh.saves
        inside = await asyncio.gather(*(self._inside(place) for place in self.places))
        return [
            f"{place.account} is {seen or 'logged out'} [{await asyncio.to_thread(self._last_said, place)}]"
            for place, seen in zip(self.places, inside, strict=True)
            if seen is not True and (place.certain or seen is not False)
        ]

    async def _inside(self, place: Place) -> bool | str:
        """Whether the session's browser is logged in; or why that cannot be said."""
        try:
            async with asyncio.timeout(LOOK_S), self._driven(place) as page:
                await page.goto(self._site)
                return await page.locator("[role=feed]").count() > 0
        except (Error, TimeoutError) as wrong:
            return f"not to be driven: {(str(wrong) or type(wrong).__name__).splitlines()[0]}"

    def _last_said(self, place: Place) -> str:
        """What the log says of its browser lately: enough to see who ended it, and why."""
        with self._house.client() as posada:
            said = [event for event in posada.sessions.events(place.session.id) if event.type.startswith("browser.")]
        return ", ".join(
            f"{event.type} {event.data.get('reason') or event.data.get('detail') or ''}" for event in said[-4:]
        )

    # Jobs

    async def begin_job(self) -> str:
        """Ask for a scrape that takes a few seconds."""

        def ask() -> str:
            assert self._worker is not None
            with self._house.client() as posada:
                return posada.jobs.create(session_id=self._worker.id, kind="profile_and_friends", target=TARGET).id

        return await asyncio.to_thread(ask)

    async def lost_in_job(self, job_id: str) -> list[str]:
        """What is wrong with a job that was disturbed."""

        def wait() -> list[str]:
            with self._house.client() as posada:
                job = posada.jobs.wait(job_id, timeout=120, patience=60)
                if job.state != "succeeded":
                    return [f"a job is {job.state}: {job.error}"]
                found = [record["url"] for record in posada.jobs.result(job_id) if record["kind"] == "friend"]
            right = len(found) == len(set(found)) == FRIENDS
            return [] if right else [f"a job found {len(found)} friends, {len(set(found))} of them different"]

        return await asyncio.to_thread(wait)
