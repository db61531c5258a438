"""Browsers: what opening, holding, losing and driving them costs, against peers and against bare Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from harness import ROUNDS, Result, compared
from health import health_under_logins
from lifecycle import BURST, first_page, lifecycles
from playwright.async_api import Browser, Playwright, async_playwright
from posada_browser_runner.adapters.find import find_chromium
from posada_contracts.browser import OpenBrowser
from posada_runtime.service import Platform, platform
from posada_runtime.settings import CommonSettings
from posada_testkit.driving import bearer
from posada_testkit.house import House, a_house
from pydantic import SecretStr
from websockets.asyncio.client import connect

DEFAULT_WARM = 2
SESSIONS, EVALUATIONS = 10, 1000
PATIENCE_S = 60.0
SETTLED_S = 3.0  #: of a page, before its memory is looked at


@dataclass
class Bench:
    """A house with the means to drive it."""

    house: House
    connected: Platform
    client: httpx.AsyncClient
    playwright: Playwright
    chromium: Path

    @property
    def home(self) -> str:
        """A page behind the login."""
        return f"{self.house.run['playground_url']}/social/"

    async def session(self) -> str:
        """A fresh one, logged in by cookies."""
        login = await asyncio.to_thread(self.house.login, "ana")
        wanted = {"owner": uuid.uuid4().hex, "platform": "facebook", "storage_state": login}
        made = await self.client.post("/v1/sessions", json=wanted)
        return str(made.raise_for_status().json()["id"])

    async def open(self, id_: str) -> Browser:
        """The session's browser, with an unmodified Playwright on it."""
        opened = await self.client.post(f"/v1/sessions/{id_}/browser", headers={"Prefer": "wait=60"})
        assert opened.raise_for_status().json()["state"] == "open", opened.text
        url, headers = opened.json()["cdp_url"], bearer(self.house.key)
        return await self.playwright.chromium.connect_over_cdp(url, headers=headers, timeout=PATIENCE_S * 1000)

    async def close(self, id_: str) -> None:
        """Its browser."""
        (await self.client.delete(f"/v1/sessions/{id_}/browser")).raise_for_status()


@asynccontextmanager
async def bench(data: Path, warm: int) -> AsyncIterator[Bench]:
    """A house of its own that keeps so many browsers warm."""
    settings = {"ONEBOX_PAGE_DELAY_MS": 5, "RUNNER_WARM": warm, "RUNNER_MAX_BROWSERS": 2 * BURST}
    with a_house(data, **settings) as house:
        common = CommonSettings(nats_url=SecretStr(house.run["nats_url"]), data=house.data, log_level="error")
        async with (
            platform(common, "bench") as connected,
            httpx.AsyncClient(base_url=house.url, headers=bearer(house.key), timeout=PATIENCE_S + 10) as client,
            async_playwright() as playwright,
        ):
            chromium = find_chromium(os.environ.get("POSADA_RUNNER_CHROMIUM")).path
            yield Bench(house, connected, client, playwright, chromium)


async def results(data: Path) -> AsyncIterator[Result]:
    """All of them, one after the other."""
    async with bench(data / "browsers", DEFAULT_WARM) as at:
        for result in await lifecycles(at.house, at.connected, at.playwright, at.chromium, DEFAULT_WARM):
            yield result
        yield await memory(at)
        for result in await kills(at):
            yield result
        yield await door(at)
        yield await health_under_logins(at.house, at.open, at.session)
    async with bench(data / "warm", BURST) as at:
        for result in await lifecycles(at.house, at.connected, at.playwright, at.chromium, BURST):
            yield result


# Memory


async def memory(at: Bench) -> Result:
    """PSS of ten sessions with a page, and of ten Chromiums of the same binary as Playwright starts them."""
    ours = await _memory_of_sessions(at)
    bare = await _memory_of_bare(at)
    return Result(f"memory of {SESSIONS} sessions ÷ as many bare Chromiums", ours, bare, "MB", "≤ 1.0")


async def _memory_of_sessions(at: Bench) -> float:
    ids = [await at.session() for _ in range(SESSIONS)]
    for id_ in ids:
        browser = await at.open(id_)
        await _look(await first_page(browser), at.home)
    await asyncio.sleep(SETTLED_S)
    processes = [one.pid for id_ in ids for one in at.house.browsers(id_)]
    taken = _pss_mb(psutil.Process(pid) for pid in processes)
    for id_ in ids:
        await at.close(id_)
    return taken


async def _memory_of_bare(at: Bench) -> float:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    browsers = []
    for _ in range(SESSIONS):
        browser = await at.playwright.chromium.launch(executable_path=at.chromium)
        browsers.append(browser)
        context = await browser.new_context(storage_state=await asyncio.to_thread(at.house.login, "ana"))  # type: ignore[arg-type]
        await _look(await context.new_page(), at.home)
    await asyncio.sleep(SETTLED_S)
    started = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    taken = _pss_mb(started)
    for browser in browsers:
        await browser.close()
    return taken


async def _look(page: Any, url: str) -> None:
    await page.goto(url)
    await page.wait_for_selector("[role=feed]", state="attached")


def _pss_mb(processes: Iterable[psutil.Process]) -> float:
    taken = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            taken += process.memory_full_info().pss
    return taken / 2**20


# Kills


async def kills(at: Bench) -> list[Result]:
    """From kill -9 to a page behind the login, cleaned by hand or left alone; against a cold start with such a page."""
    cleaned: list[float] = []
    alone: list[float] = []
    cold: list[float] = []
    for round_ in range(ROUNDS + 1):
        taken = (await _killed(at, clean=True), await _killed(at, clean=False), await _cold(at))
        if round_:  # the first is to warm up
            for times, one in zip((cleaned, alone, cold), taken, strict=True):
                times.append(one)
    middle = statistics.median
    return [
        Result("kill -9 → clean → logged-in page ÷ cold Chromium", middle(cleaned), middle(cold), "ms", "≤ 1.5"),
        Result("kill -9 → logged-in page, by itself ÷ cold Chromium", middle(alone), middle(cold), "ms", "≤ 1.5"),
    ]


async def _killed(at: Bench, *, clean: bool) -> float:
    id_ = await at.session()
    browser = await at.open(id_)
    await _look(await first_page(browser), at.home)
    await _warm(at)
    began = time.perf_counter()
    os.kill(at.house.browsers(id_)[0].pid, signal.SIGKILL)
    if clean:
        (await at.client.post(f"/v1/sessions/{id_}/clean")).raise_for_status()
    again = await at.open(id_)
    await _look(await first_page(again), at.home)
    taken = (time.perf_counter() - began) * 1000
    await at.close(id_)
    return taken


async def _warm(at: Bench) -> None:
    """As it is most of the time: the browsers that stand ready do."""
    deadline = time.monotonic() + PATIENCE_S
    while (await at.client.get("/v1/stats")).json()["runners"][0]["warm"] < DEFAULT_WARM:
        assert time.monotonic() < deadline, "no browsers stand ready"
        await asyncio.sleep(0.1)


async def _cold(at: Bench) -> float:
    """From the start of the program over DevTools' first answer to the page, its cookies set on the way."""
    cookies = (await asyncio.to_thread(at.house.login, "ana"))["cookies"]
    with tempfile.TemporaryDirectory(prefix="posada-cold-", ignore_cleanup_errors=True) as folder:
        command = [str(at.chromium), "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command, "about:blank", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            url = await _devtools(Path(folder) / "DevToolsActivePort")
            browser = await at.playwright.chromium.connect_over_cdp(url, timeout=PATIENCE_S * 1000)
            await browser.contexts[0].add_cookies(cookies)
            await _look(await first_page(browser), at.home)
            taken = (time.perf_counter() - began) * 1000
            await browser.close()
            return taken
        finally:
            process.terminate()
            await process.wait()


async def _devtools(port_file: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            port, path = (await asyncio.to_thread(port_file.read_text)).split("\n")[:2]
            return f"ws://127.0.0.1:{port}{path}"
        await asyncio.sleep(0.005)
    raise AssertionError("the cold Chromium did not come up")


# The door


async def door(at: Bench) -> Result:
    """Many small calls to a page, one after the other, through the gateway and at the runner's own door."""
    id_ = await at.session()
    await (await at.open(id_)).close()
    through = f"{at.house.url}/v1/sessions/{id_}/cdp".replace("http", "ws", 1)
    view = await at.connected.bus.ask(OpenBrowser(tenant="default", session_id=id_), timeout=PATIENCE_S)
    result = await compared(
        f"{EVALUATIONS} × Runtime.evaluate: through the gateway ÷ at the runner's door",
        _evaluations(through, bearer(at.house.key)),
        _evaluations(view.cdp_url, {}),
        unit="ms",
        aim="≤ 2",
    )
    await at.close(id_)
    return result


def _evaluations(url: str, headers: dict[str, str]) -> Callable[[], Awaitable[float]]:
    async def measure() -> float:
        async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:

            async def ask(number: int, method: str, session: str = "", **params: Any) -> dict[str, Any]:
                said = {"id": number, "method": method, "params": params}
                await socket.send(json.dumps(said | ({"sessionId": session} if session else {})))
                while (answer := json.loads(await socket.recv())).get("id") != number:
                    continue
                return dict(answer["result"])

            target = (await ask(1, "Target.createTarget", url="about:blank"))["targetId"]
            session = (await ask(2, "Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
            began = time.perf_counter()
            for number in range(EVALUATIONS):
                await ask(3 + number, "Runtime.evaluate", session, expression="1 + 1")
            taken = (time.perf_counter() - began) * 1000
            await ask(3 + EVALUATIONS, "Target.closeTarget", targetId=target)
            return taken

    return measure
