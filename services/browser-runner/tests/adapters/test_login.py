"""A login taken out of one browser and put into another, with a real site."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Playwright, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.find import ChromiumBinary
from posada_browser_runner.adapters.login import apply_login, capture_login

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]

pytestmark = pytest.mark.e2e
SITE = """<!doctype html><script>
window.atStart = sessionStorage.getItem("tab");  // what the first script of the page sees
window.database = () => new Promise((done, failed) => {
  const request = indexedDB.open("app", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("keys");
  request.onsuccess = () => done(request.result);
  request.onerror = failed;
});
window.logIn = async () => {
  localStorage.setItem("device", "dispositivo 1");
  sessionStorage.setItem("tab", "pestaña </b> \\u2028 1");
  const transaction = (await database()).transaction("keys", "readwrite");
  transaction.objectStore("keys").put({token: [1, 2, 3]}, "main");
  await new Promise(done => transaction.oncomplete = done);
};
window.look = async () => {
  const read = (await database()).transaction("keys").objectStore("keys").get("main");
  await new Promise(done => read.onsuccess = done);
  return [localStorage.getItem("device"), read.result, atStart];
};
</script>"""


class Site(ThreadingHTTPServer):
    """Sets cookies at /login and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []  #: path and cookies
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Cookie", "")))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if self.path == "/login":
            self.send_header("Set-Cookie", "hidden=secreto; HttpOnly; Path=/")
            self.send_header("Set-Cookie", f"kept=si; Max-Age={3600}; Path=/")
        self.end_headers()
        self.wfile.write(SITE.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as one:
        yield one


async def context_of(playwright: Playwright, one: ChromiumProcess) -> BrowserContext:
    return (await playwright.chromium.connect_over_cdp(one.ws_url)).contexts[0]


async def visit(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page


async def logged_in(context: BrowserContext, site: Site) -> dict[str, Any]:
    page = await visit(context, f"{site.url}/login")
    await page.evaluate("logIn()")
    state = await capture_login(context)
    assert json.loads(json.dumps(state)) == state
    return state


async def test_a_login_moves_to_a_fresh_profile_with_all_its_parts(
    browser: Browser, either: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(either, tmp_path, "first") as first:
        state = await logged_in(await context_of(playwright, first), site)
    assert {(each["name"], each["httpOnly"], each["expires"] > time.time()) for each in state["cookies"]} == {
        ("hidden", True, False),
        ("kept", False, True),
    }

    async with browser(either, tmp_path, "second") as second:
        context = await context_of(playwright, second)
        site.asked.clear()
        await apply_login(context, state)
        assert site.asked == []
        assert await capture_login(context) == {**state, "origins": without_tabs(state)}

        page = await visit(context, f"{site.url}/home")
        cookies = dict(site.asked)["/home"]
        assert sorted(cookies.split("; ")) == ["hidden=secreto", "kept=si"]
        assert await page.evaluate("look()") == ["dispositivo 1", {"token": [1, 2, 3]}, "pestaña </b> \u2028 1"]
        assert await capture_login(context) == state


def without_tabs(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "sessionStorage"} for each in state["origins"]]


async def test_after_a_logout_the_session_storage_does_not_come_back(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one:
        context = await context_of(playwright, one)
        entry = {"origin": site.url, "localStorage": [], "sessionStorage": [{"name": "tab", "value": "1"}]}
        await apply_login(context, {"cookies": [], "origins": [entry]})
        page = await visit(context, site.url)
        assert await page.evaluate("atStart") == "1"
        await page.reload()
        assert await page.evaluate("atStart") == "1"
        await page.evaluate("sessionStorage.clear()")
        await page.reload()
        assert await page.evaluate("atStart") is None
        other = await visit(context, site.url)
        assert await other.evaluate("atStart") is None


async def test_a_page_that_another_client_opens_gets_its_session_storage_too(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one:
        entry = {"origin": site.url, "localStorage": [], "sessionStorage": [{"name": "tab", "value": "1"}]}
        await apply_login(await context_of(playwright, one), {"cookies": [], "origins": [entry]})
        page = await visit(await context_of(playwright, one), site.url)
        assert await page.evaluate("atStart") == "1"


async def test_a_page_that_hangs_does_not_keep_the_login_of_the_others(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one:
        context = await context_of(playwright, one)
        await logged_in(context, site)
        hung = await visit(context, "data:text/html,hung")
        await hung.evaluate("setTimeout(() => { while (true); }, 0)")
        state = await capture_login(context)
        assert {each["name"] for each in state["cookies"]} == {"hidden", "kept"}
        assert state["origins"][0]["sessionStorage"]


async def test_a_login_that_is_not_given_in_time_is_an_error(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright
) -> None:
    async with browser(chromium, tmp_path) as one:
        context = await context_of(playwright, one)
        with pytest.raises(PlaywrightTimeoutError, match=r"not given its login within 0\.0\d* s"):
            await capture_login(context, timeout_s=0.0001)
