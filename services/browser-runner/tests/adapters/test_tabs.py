"""A login taken out of one browser and put into another, with a real site; what else the runner sees of tabs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, Playwright, async_playwright
from posada_browser_runner.adapters.archive import BadArchiveError, fingerprint, origins, pack, unpack
from posada_browser_runner.adapters.cdp import CdpClosedError, CdpTimeoutError
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.databases import Databases
from posada_browser_runner.adapters.find import ChromiumBinary
from posada_browser_runner.adapters.tabs import Download, Tabs
from posada_contracts.errors import BrowserFailedError
from posada_testkit.faults import wait_until

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]

pytestmark = pytest.mark.e2e
LARGEST = 1 << 20
SITE = """<!doctype html><script>
window.atStart = [localStorage.getItem("device"), sessionStorage.getItem("tab")];  // what the first script sees
window.database = () => new Promise((done, failed) => {
  const request = indexedDB.open("app", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("keys");
  request.onsuccess = () => done(request.result);
  request.onerror = failed;
});
window.logIn = async () => {
  localStorage.setItem("device", "dispositivo 1");
  sessionStorage.setItem("tab", "pestaña </b> \\u2028 1");
  const how = {name: "ECDSA", namedCurve: "P-256"};
  const pair = await crypto.subtle.generateKey(how, false, ["sign", "verify"]);
  const transaction = (await database()).transaction("keys", "readwrite");
  transaction.objectStore("keys").put(pair.privateKey, "main");
  await new Promise(done => transaction.oncomplete = done);
};
window.look = async () => {
  const read = (await database()).transaction("keys").objectStore("keys").get("main");
  await new Promise(done => read.onsuccess = done);
  const how = {name: "ECDSA", hash: "SHA-256"};
  const signed = read.result && await crypto.subtle.sign(how, read.result, new Uint8Array([1, 2, 3]));
  return [signed && signed.byteLength, read.result && read.result.extractable];
};
</script>"""


class Site(ThreadingHTTPServer):
    """Sets cookies at /login and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []  #: path and cookies
        self.hung_up = threading.Event()  #: on what never ends
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append((path, self.headers.get("Cookie", "")))
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if path == "/login":
            self.send_header("Set-Cookie", "hidden=secreto; HttpOnly; Path=/")
            self.send_header("Set-Cookie", f"kept=si; Max-Age={3600}; Path=/")
        if path == "/file":
            self.send_header("Content-Disposition", "attachment; filename=informe.csv")
        if path == "/endless":
            self.send_header("Content-Disposition", "attachment; filename=todo.bin")
        self.end_headers()
        self.wfile.write(SITE.encode())
        while path == "/endless":
            try:
                self.wfile.write(bytes(64 << 10))
            except OSError:
                self.server.hung_up.set()
                return

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


@asynccontextmanager
async def looking(
    one: ChromiumProcess, folder: Path, attended: bool = False, downloads: list[Download] | None = None
) -> AsyncIterator[Tabs]:
    kept = downloads if downloads is not None else []
    tabs = await Tabs.look_into(one.ws_url, str(folder), lambda: attended, kept.append, LARGEST)
    try:
        yield tabs
    finally:
        await tabs.close()


async def context_of(playwright: Playwright, one: ChromiumProcess) -> BrowserContext:
    return (await playwright.chromium.connect_over_cdp(one.ws_url)).contexts[0]


async def visit(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page


def one_origin(site: Site, **kept: dict[str, str]) -> list[dict[str, Any]]:
    listed = {kind: [{"name": n, "value": v} for n, v in items.items()] for kind, items in kept.items()}
    return [{"origin": site.url, "localStorage": [], **listed}]


async def test_a_login_moves_to_another_browser_with_all_its_parts(
    browser: Browser, either: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    profile = tmp_path / "first" / "profile"
    async with browser(either, tmp_path, "first") as first, looking(first, tmp_path) as tabs:
        page = await visit(await context_of(playwright, first), f"{site.url}/login")
        await page.evaluate("logIn()")
        await wait_until(lambda: bool(tabs.storage()) and len(tabs.storage()[0]) == 3, "storage is mirrored")
        cookies, storage = await tabs.cookies(), tabs.storage()
        databases = {each: await tabs.databases(each) or [] for each in origins(profile)}
        archive = pack(profile, first.pid)
    assert {(each["name"], each["httpOnly"], each["expires"] > time.time()) for each in cookies} == {
        ("hidden", True, False),
        ("kept", False, True),
    }
    assert databases == {site.url: ["app"]}

    async with browser(either, tmp_path, "second") as second:
        site.asked.clear()
        unpack(archive, tmp_path / "second" / "profile")
        async with looking(second, tmp_path) as tabs:
            assert await tabs.give_cookies(cookies) == 2
            tabs.give_storage(storage)
            damages = list[str]()
            tabs.expect(databases, lambda: damages.append("damage"))
            assert await tabs.databases(site.url) is None
            assert (await tabs.cookies(), tabs.storage()) == (cookies, storage)
            assert site.asked == []

            page = await visit(await context_of(playwright, second), f"{site.url}/home")
            assert sorted(dict(site.asked)["/home"].split("; ")) == ["hidden=secreto", "kept=si"]
            assert await page.evaluate("atStart") == ["dispositivo 1", "pestaña </b> \u2028 1"]
            assert await page.evaluate("look()") == [64, False]  # a signature by the key that nobody can export
            assert tabs.storage() == storage
            assert (await tabs.databases(site.url), damages) == (["app"], [])


async def test_databases_that_come_up_damaged_are_told_of(
    browser: Browser, either: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(either, tmp_path, "first") as first:
        await (await visit(await context_of(playwright, first), site.url)).evaluate("logIn()")
        archive = pack(tmp_path / "first" / "profile", first.pid)
    async with browser(either, tmp_path, "second") as second, looking(second, tmp_path) as tabs:
        unpack(archive, profile := tmp_path / "second" / "profile")
        for path in (profile / "Default" / "IndexedDB").rglob("MANIFEST*"):
            path.write_bytes(path.read_bytes()[:10])
        damages = list[str]()
        tabs.expect({site.url: ["app"]}, lambda: damages.append("damage"))
        await visit(await context_of(playwright, second), site.url)
        await wait_until(lambda: damages == ["damage"], "the damage is seen")


async def test_after_a_logout_nothing_of_the_storage_comes_back(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path) as tabs:
        tabs.give_storage(one_origin(site, localStorage={"device": "d"}, sessionStorage={"tab": "t"}))
        context = await context_of(playwright, one)
        page = await visit(context, site.url)
        assert await page.evaluate("atStart") == ["d", "t"]
        await page.evaluate("localStorage.clear(); sessionStorage.clear()")
        await page.reload()
        assert await page.evaluate("atStart") == [None, None]
        assert await (await visit(context, site.url)).evaluate("atStart") == [None, None]
        await wait_until(lambda: tabs.storage() == [], "the mirror is empty, too")


async def test_what_a_page_changes_is_mirrored(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path) as tabs:
        tabs.give_storage(one_origin(site, localStorage={"device": "d", "other": "o"}))
        page = await visit(await context_of(playwright, one), site.url)
        before = tabs.changes
        await page.evaluate("localStorage.setItem('device', 'e'); localStorage.removeItem('other')")
        wanted = one_origin(site, localStorage={"device": "e"})
        await wait_until(lambda: tabs.storage() == wanted, "the change is seen")
        assert tabs.changes > before


async def test_one_bad_cookie_does_not_spoil_the_others(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, site: Site
) -> None:
    good = {"name": "good", "value": "1", "domain": "127.0.0.1", "path": "/", "expires": -1}
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path) as tabs:
        assert await tabs.give_cookies([{**good, "name": "bad\0", "domain": "…"}, good]) == 1
        assert [each["name"] for each in await tabs.cookies()] == ["good"]


async def test_a_page_that_hangs_is_found_and_the_login_given_all_the_same(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path) as tabs:
        page = await visit(await context_of(playwright, one), f"{site.url}/login?secret=1")
        await wait_until(lambda: tabs.hung(0.5) == [], "the page answers")
        await page.evaluate("setTimeout(() => { while (true); }, 0)")
        await wait_until(lambda: tabs.hung(0.5) == [f"{site.url}/login"], "it answers no more")
        assert len(await tabs.cookies()) == 2


async def test_a_page_that_asks_is_not_hung_and_gets_an_answer_when_nobody_is_there(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path, attended=False) as tabs:
        target = (await tabs.cdp.call("Target.createTarget", {"url": f"{site.url}/ask"}))["targetId"]
        attached = await tabs.cdp.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        asked = {"expression": "String(confirm('?'))"}
        answer = await tabs.cdp.call("Runtime.evaluate", asked, attached["sessionId"])
        assert answer["result"]["value"] == "false"
    async with browser(chromium, tmp_path, "other") as one, looking(one, tmp_path, attended=True) as tabs:
        target = (await tabs.cdp.call("Target.createTarget", {"url": f"{site.url}/ask"}))["targetId"]
        attached = await tabs.cdp.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        waiting = tabs.cdp.say("Runtime.evaluate", asked, attached["sessionId"])
        await wait_until(lambda: any(each.in_dialog for each in tabs._tabs.values()), "the dialog is seen")
        assert not waiting.done()
        assert tabs.hung(0) == []


async def test_a_download_without_an_end_is_called_off(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    folder, told = tmp_path / "downloads", list[Download]()
    folder.mkdir()
    async with browser(chromium, tmp_path) as one, looking(one, folder, downloads=told):
        page = await visit(await context_of(playwright, one), site.url)
        await page.evaluate("location.href = '/endless'")
        await wait_until(site.hung_up.is_set, "nobody takes it any more", within_s=30)
    assert told == []


async def test_a_download_is_told_when_it_is_complete(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, site: Site
) -> None:
    folder, told = tmp_path / "downloads", list[Download]()
    folder.mkdir()
    async with browser(chromium, tmp_path) as one, looking(one, folder, downloads=told) as tabs:
        await tabs.cdp.call("Target.createTarget", {"url": f"{site.url}/file?key=secret"})
        await wait_until(lambda: bool(told), "the file has come")
    assert (told[0].name, told[0].url, told[0].size) == ("informe.csv", f"{site.url}/file", len(SITE.encode()))
    assert (folder / told[0].guid).read_bytes() == SITE.encode()


async def test_a_stopped_browser_does_not_answer_and_a_dead_one_hangs_up(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path
) -> None:
    async with browser(chromium, tmp_path) as one, looking(one, tmp_path) as tabs:
        os.kill(one.pid, signal.SIGSTOP)
        with pytest.raises(CdpTimeoutError):
            await tabs.cdp.call("Browser.getVersion", timeout_s=0.3)
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(CdpClosedError):
            await tabs.cdp.call("Browser.getVersion")
        assert not tabs.cdp.open


async def test_databases_that_a_person_gave_are_put_in(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path, "first") as first:
        context = await context_of(playwright, first)
        page = await visit(context, site.url)
        await page.evaluate(
            "database().then(db => new Promise(done => { const t = db.transaction('keys', 'readwrite');"
            "t.objectStore('keys').put('valor', 'main'); t.oncomplete = () => done(); }))"
        )
        state = await context.storage_state(indexed_db=True)
    giving = Databases()
    try:
        async with browser(chromium, tmp_path, "second") as second, looking(second, tmp_path) as tabs:
            await giving.give(second.ws_url, state)
            await visit(await context_of(playwright, second), site.url)
            assert await tabs.databases(site.url) == ["app"]
    finally:
        await giving.stop()


async def test_a_dead_browser_takes_no_databases(browser: Browser, chromium: ChromiumBinary, tmp_path: Path) -> None:
    giving = Databases()
    try:
        async with browser(chromium, tmp_path) as one:
            await one.end()
            with pytest.raises(BrowserFailedError):
                await giving.give(one.ws_url, {"origins": [{"origin": "http://x", "indexedDB": [{"name": "a"}]}]})
    finally:
        await giving.stop()


def test_a_damaged_archive_is_an_error_and_lays_nothing_outside(tmp_path: Path) -> None:
    (folder := tmp_path / "a" / "Default" / "IndexedDB" / "http_127.0.0.1_80.indexeddb.leveldb").mkdir(parents=True)
    (folder / "000003.log").write_bytes(os.urandom(5000))
    packed = pack(tmp_path / "a", None)
    assert origins(tmp_path / "a") == ["http://127.0.0.1:80"]
    unpack(packed, tmp_path / "b")
    assert {name for name, *_ in fingerprint(tmp_path / "b")} == {name for name, *_ in fingerprint(tmp_path / "a")}
    for damaged in (packed[: len(packed) // 2], b"", b"no archive", packed[:40] + b"\0\0\0\0" + packed[44:]):
        with pytest.raises(BadArchiveError):
            unpack(damaged, tmp_path / "c")


async def test_the_browser_goes_on_after_it_stood_still(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, playwright: Playwright, site: Site
) -> None:
    async with browser(chromium, tmp_path) as one:
        page = await visit(await context_of(playwright, one), site.url)
        await page.evaluate("logIn()")
        packed = await asyncio.gather(*(asyncio.to_thread(pack, tmp_path / "user1" / "profile", one.pid) for _ in "ab"))
        assert all(packed)
        assert await page.evaluate("look()") == [64, False]
