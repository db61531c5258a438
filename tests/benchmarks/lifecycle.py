"""Create, connect, navigate, release: what a client waits for, one session alone and ten at once; ours and peers'."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from harness import Result, median_ms
from peers import NotToBeHadError, browserless, grid
from playwright.async_api import Browser, Page, Playwright
from posada_runtime.service import Platform
from posada_testkit.driving import bearer
from posada_testkit.house import House
from rich.console import Console
from selenium import webdriver

STEPS = ("create", "connect", "navigate", "release")
TIMES, BURST, BURSTS = 7, 10, 3
STEP_S = 60.0
WARM_S = 60.0
AIM = "≤ 0.33"


@dataclass(frozen=True)
class Taken:
    """Milliseconds of each step. What a peer does in one step with the next has 0."""

    steps: dict[str, float]

    @property
    def total(self) -> float:
        """Of all four."""
        return sum(self.steps.values())


Cycle = Callable[[], Awaitable[Taken]]


class _Clock:
    """Takes the time from one step to the next."""

    def __init__(self) -> None:
        self._steps = dict.fromkeys(STEPS, 0.0)
        self._at = time.perf_counter()

    def done(self, step: str) -> None:
        now = time.perf_counter()
        self._steps[step] += (now - self._at) * 1000
        self._at = now

    @property
    def taken(self) -> Taken:
        return Taken(self._steps)


class Ours:
    """Sessions of the house, with a login each, opened over REST and driven through the gateway."""

    def __init__(self, house: House, client: httpx.AsyncClient, playwright: Playwright, page: str) -> None:
        self._house, self._client, self._playwright, self._page = house, client, playwright, page
        self._sessions: asyncio.Queue[str] = asyncio.Queue()

    async def prepare(self) -> None:
        """Make the sessions."""
        login = self._house.login("ana")
        for _ in range(BURST):
            wanted = {"owner": uuid.uuid4().hex, "platform": "facebook", "storage_state": login}
            made = await self._client.post("/v1/sessions", json=wanted)
            self._sessions.put_nowait(made.raise_for_status().json()["id"])

    async def cycle(self) -> Taken:
        """One session's."""
        id_ = await self._sessions.get()
        clock = _Clock()
        told = await self._client.post(f"/v1/sessions/{id_}/browser", headers={"Prefer": "wait=60"})
        assert told.json()["state"] == "open", told.text
        clock.done("create")
        await _driven(self._playwright, told.json()["cdp_url"], self._page, clock, bearer(self._house.key))
        (await self._client.delete(f"/v1/sessions/{id_}/browser")).raise_for_status()
        clock.done("release")
        self._sessions.put_nowait(id_)
        return clock.taken

    async def until_warm(self, warm: int) -> None:
        """Wait until so many browsers stand ready, and none is open."""
        deadline = time.monotonic() + WARM_S
        while time.monotonic() < deadline:
            (runner,) = (await self._client.get("/v1/stats")).json()["runners"]
            if runner["warm"] >= warm and not runner["browsers"]:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{warm} browsers did not stand ready within {WARM_S:g} s")


async def first_page(browser: Browser) -> Page:
    """The tab that is there, else a new one."""
    pages = browser.contexts[0].pages
    return pages[0] if pages else await browser.contexts[0].new_page()


async def _driven(playwright: Playwright, url: str, page: str, clock: _Clock, headers: dict[str, str]) -> None:
    browser = await playwright.chromium.connect_over_cdp(url, headers=headers, timeout=STEP_S * 1000)
    clock.done("connect")
    await (await first_page(browser)).goto(page)
    clock.done("navigate")
    await browser.close()
    clock.done("release")


def by_browserless(playwright: Playwright, url: str, page: str) -> Cycle:
    """Connecting starts the browser; the end of the connection ends it."""

    async def cycle() -> Taken:
        clock = _Clock()
        await _driven(playwright, url, page, clock, {})
        return clock.taken

    return cycle


def by_grid(url: str, chromium: Path, page: str) -> Cycle:
    """Creating the session starts the browser and connects to it."""

    def blocking() -> Taken:
        options = webdriver.ChromeOptions()
        options.binary_location = str(chromium)
        options.add_argument("--headless=new")
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        clock = _Clock()
        driver = webdriver.Remote(url, options=options)
        clock.done("create")
        driver.get(page)
        clock.done("navigate")
        driver.quit()
        clock.done("release")
        return clock.taken

    return lambda: asyncio.to_thread(blocking)


async def one_by_one(cycle: Cycle) -> Taken:
    """The medians of some cycles, one after the other."""
    return _medians([await cycle() for _ in range(TIMES)])


async def at_once(cycle: Cycle) -> Taken:
    """The medians of ten cycles at once."""
    return _medians(await asyncio.gather(*(cycle() for _ in range(BURST))))


def _medians(taken: list[Taken]) -> Taken:
    return Taken({step: statistics.median(each.steps[step] for each in taken) for step in STEPS})


async def lifecycles(
    house: House, connected: Platform, playwright: Playwright, chromium: Path, warm: int
) -> list[Result]:
    """Ours and each peer by turns; and how far creating one on a warm browser is from a bare round trip.

    `warm`: how many browsers the house was told to keep ready.
    """
    page = f"{house.run['playground_url']}/social/login/"
    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(base_url=house.url, headers=bearer(house.key), timeout=STEP_S + 10)
        ours = Ours(house, await stack.enter_async_context(client), playwright, page)
        await ours.prepare()
        theirs = await _peers(stack, playwright, chromium, page)
        results: list[Result] = []
        for how, name, times in ((one_by_one, "one session", 1), (at_once, f"{BURST} at once", BURSTS)):
            mine: list[Taken] = []
            others: dict[str, list[Taken]] = {peer: [] for peer in theirs}

            async def own() -> Taken:
                await ours.until_warm(warm)
                return await ours.cycle()

            for _ in range(times + 1):  # the first is to warm up
                await ours.until_warm(warm)
                mine.append(await how(own if how is one_by_one else ours.cycle))
                for peer, cycle in theirs.items():
                    others[peer].append(await how(cycle))
            medians = {peer: _medians(all_[1:]) for peer, all_ in others.items()}
            results += _lines(f"{name}, {warm} warm", _medians(mine[1:]), medians)
            if how is one_by_one:
                trip = await median_ms(200, connected.bus.ping)
                created = _medians(mine[1:]).steps["create"]
                name_ = "create a browser, warm, less a NATS round trip"
                results.append(Result(name_, created, trip, "ms", "≤ 50", by_difference=True))
        return results


async def _peers(stack: AsyncExitStack, playwright: Playwright, chromium: Path, page: str) -> dict[str, Cycle]:
    """Those that can be had here."""
    found: dict[str, Cycle] = {}
    starts: dict[str, tuple[Any, Callable[[str], Cycle]]] = {
        "Grid": (grid, lambda url: by_grid(url, chromium, page)),
        "Browserless": (browserless, lambda url: by_browserless(playwright, url, page)),
    }
    for name, (start, cycle) in starts.items():
        try:
            found[name] = cycle(await stack.enter_async_context(start(chromium)))
        except NotToBeHadError as why:
            Console(stderr=True).print(f"without {name}: {why}")
    return found


def _lines(name: str, mine: Taken, others: dict[str, Taken]) -> list[Result]:
    """Each step against the peer's whose total is best, and the totals against every peer's."""
    best = min(others, key=lambda peer: others[peer].total, default="")
    steps = [
        Result(f"{name}: {step} ÷ {best or 'no peer'}", mine.steps[step], others[best].steps[step] if best else 0, "ms")
        for step in STEPS
    ]
    totals = [
        Result(f"{name}: all four ÷ {peer}", mine.total, taken.total, "ms", AIM if peer == best else "")
        for peer, taken in others.items()
    ]
    return steps + (totals or [Result(f"{name}: all four ÷ no peer", mine.total, 0, "ms", AIM)])
