"""The DevTools door before a real Chromium, with an unmodified Playwright as its client."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.devtools_door import DevtoolsDoor
from posada_browser_runner.adapters.find import ChromiumBinary

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]

pytestmark = pytest.mark.e2e


@dataclass
class Front:
    door: DevtoolsDoor
    token: str
    changes: list[tuple[str, int]]
    chromium: ChromiumProcess

    def url(self, scheme: str = "ws", token: str | None = None) -> str:
        return f"{scheme}://127.0.0.1:{self.door.port}/{self.token if token is None else token}"

    async def when(self, connections: int) -> None:
        async with asyncio.timeout(10):
            while self.door.connections(self.token) != connections:  # noqa: ASYNC110 - what is tested is the count
                await asyncio.sleep(0.005)


@pytest.fixture
async def front(browser: Browser, chromium: ChromiumBinary, tmp_path: Path) -> AsyncIterator[Front]:
    changes: list[tuple[str, int]] = []
    door = DevtoolsDoor("127.0.0.1", on_change=lambda session, count: changes.append((session, count)))
    await door.start()
    async with browser(chromium, tmp_path) as one:
        yield Front(door, door.open("user1", one.ws_url), changes, one)
    await door.stop()


async def test_an_unmodified_playwright_comes_in_with_the_token(front: Front) -> None:
    async with async_playwright() as playwright:
        remote = await playwright.chromium.connect_over_cdp(front.url())
        assert front.door.connections(front.token) == 1
        page = await remote.contexts[0].new_page()
        await page.goto("data:text/html,<title>hola</title>")
        assert await page.title() == "hola"
        large = "x" * (20 << 20)
        assert await page.evaluate("text => text + 'y'", large) == large + "y"
        await remote.close()
        await front.when(0)
    assert front.changes == [("user1", 1), ("user1", 0)]
    assert front.chromium.alive


@pytest.mark.parametrize("path", ["json/version", "json/version/"])
async def test_the_address_can_be_asked_for(front: Front, path: str) -> None:
    def ask() -> dict[str, str]:
        with urllib.request.urlopen(f"{front.url('http')}/{path}", timeout=5) as answer:
            return dict(json.loads(answer.read()))

    found = await asyncio.to_thread(ask)
    assert found["webSocketDebuggerUrl"] == front.url()
    assert "Chrome" in found["Browser"]
    async with async_playwright() as playwright:
        remote = await playwright.chromium.connect_over_cdp(front.url("http"))
        assert remote.is_connected()


@pytest.mark.parametrize("wrong", ["", "x", "x/json/version", "json/version", "devtools/browser/x", "../json/version"])
async def test_a_wrong_token_finds_nothing(front: Front, wrong: str) -> None:
    def ask() -> int:
        try:
            urllib.request.urlopen(front.url("http", wrong), timeout=5)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    assert await asyncio.to_thread(ask) == 404
    async with async_playwright() as playwright:
        with pytest.raises(PlaywrightError, match="404"):
            await playwright.chromium.connect_over_cdp(front.url(token=wrong))


async def test_a_closed_token_drops_its_clients_and_lets_no_one_in(front: Front) -> None:
    async with async_playwright() as playwright:
        remote = await playwright.chromium.connect_over_cdp(front.url())
        dropped = asyncio.Event()
        remote.on("disconnected", lambda _: dropped.set())
        front.door.close(front.token)
        async with asyncio.timeout(5):
            await dropped.wait()
        with pytest.raises(PlaywrightError, match="404"):
            await playwright.chromium.connect_over_cdp(front.url())
    assert front.door.connections(front.token) == 0
    assert front.chromium.alive


async def test_every_token_leads_to_its_own_browser(
    front: Front, browser: Browser, chromium: ChromiumBinary, tmp_path: Path
) -> None:
    async with browser(chromium, tmp_path, "user10") as other, async_playwright() as playwright:
        token = front.door.open("user10", other.ws_url)
        remote = await playwright.chromium.connect_over_cdp(front.url(token=token))
        assert (front.door.connections(token), front.door.connections(front.token)) == (1, 0)
        await other.end()
        async with asyncio.timeout(5):
            while remote.is_connected():  # noqa: ASYNC110 - no event was awaited from before the end
                await asyncio.sleep(0.005)
        assert front.door.connections(token) == 0
        with pytest.raises(PlaywrightError, match="502"):
            await playwright.chromium.connect_over_cdp(front.url(token=token))


async def test_what_is_not_http_is_sent_away(front: Front) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.door.port)
    writer.write(b"\x16\x03\x01\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
