"""A real Chromium behind an egress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, async_playwright
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.egress import Egress
from posada_browser_runner.adapters.find import ChromiumBinary

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]
Way = Callable[..., AbstractAsyncContextManager[tuple[Egress, int]]]
SOCKET = """url => new Promise((heard, failed) => {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send("hola");
  socket.onmessage = event => heard(event.data);
  socket.onerror = () => failed(new Error("no socket"));
})"""

pytestmark = pytest.mark.e2e


async def browse(page: Page, site: Any, secure_site: Any) -> None:
    await page.goto(f"http://localhost:{site.port}/home")
    assert await page.evaluate("fetch('/chunked').then(answer => answer.text())") == "hola"
    stubborn = "fetch('/stubborn').then(answer => answer.text())"
    assert [await page.evaluate(stubborn) for _ in range(3)] == [f"localhost:{site.port} "] * 3
    post = "fetch('/echo', {method: 'POST', body: 'x'.repeat(300000)}).then(answer => answer.text())"
    assert len(await page.evaluate(post)) == 300_000
    assert await page.evaluate(SOCKET, f"ws://localhost:{site.port}/ws") == "hola"
    assert (await page.goto(f"https://localhost:{secure_site.port}/secret")) is not None
    many = "Promise.all([...Array(30).keys()].map(i => fetch('/' + i).then(answer => answer.status)))"
    assert await page.evaluate(many) == [200] * 30


async def test_a_browser_goes_straight(
    egress: Way, browser: Browser, either: ChromiumBinary, tmp_path: Path, site: Any, secure_site: Any
) -> None:
    lenient = ["--ignore-certificate-errors"]
    async with egress(None) as (way, port), async_playwright() as playwright:
        async with browser(either, tmp_path, proxy_port=port, extra_args=lenient) as one:
            remote = await playwright.chromium.connect_over_cdp(one.ws_url)
            await browse(await remote.contexts[0].new_page(), site, secure_site)
        assert not [each for each in way.failures if "localhost" in each.target]


async def test_a_browser_goes_through_its_proxy_and_asks_for_nothing_else(
    egress: Way, browser: Browser, chromium: ChromiumBinary, tmp_path: Path, proxy: Any, site: Any, secure_site: Any
) -> None:
    lenient = ["--ignore-certificate-errors"]
    async with egress(proxy.url()) as (way, port), async_playwright() as playwright:
        async with browser(chromium, tmp_path, proxy_port=port, extra_args=lenient) as one:
            remote = await playwright.chromium.connect_over_cdp(one.ws_url)
            await browse(await remote.contexts[0].new_page(), site, secure_site)
        assert list(way.failures) == []
    ours = (f"localhost:{site.port}", f"localhost:{secure_site.port}")
    assert proxy.server.asked
    assert all(any(each in asked for each in ours) for asked in proxy.server.asked)


async def test_a_browser_whose_proxy_is_gone_reaches_nothing(
    egress: Way, browser: Browser, either: ChromiumBinary, tmp_path: Path, site: Any, secure_site: Any, dead_port: int
) -> None:
    async with (
        egress(f"http://ana:s3creta@127.0.0.1:{dead_port}") as (way, port),
        browser(either, tmp_path, proxy_port=port) as one,
        async_playwright() as playwright,
    ):
        remote = await playwright.chromium.connect_over_cdp(one.ws_url)
        page = await remote.contexts[0].new_page()
        answer = await page.goto(f"http://127.0.0.1:{site.port}/")
        assert answer is not None
        assert answer.status == 502
        assert (await answer.all_headers())["x-posada-egress"] == "proxy_unreachable"
        with pytest.raises(PlaywrightError, match="no socket"):
            await page.evaluate(SOCKET, f"ws://127.0.0.1:{site.port}/ws")
        with pytest.raises(PlaywrightError, match="ERR_TUNNEL_CONNECTION_FAILED"):
            await page.goto(f"https://127.0.0.1:{secure_site.port}/")
    assert site.asked == secure_site.asked == []
    assert {each.reason for each in way.failures} == {"proxy_unreachable"}
