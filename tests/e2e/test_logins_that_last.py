"""Logins survive what kills the browser that holds them; a logout stays one."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal

import pytest
from playwright.async_api import Browser, Page
from posada_client import PosadaClient
from posada_client.models import Session
from posada_testkit.driving import call, driven, events, opened, page_of, until, usage
from posada_testkit.house import House

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

_numbers = itertools.count()
PASSWORD = "carabook-1234"
MAKE_KEY = """async () => {
  const open = () => new Promise(done => {
    const request = indexedDB.open("llaves", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("llaves");
    request.onsuccess = () => done(request.result);
  });
  const how = {name: "ECDSA", namedCurve: "P-256"};
  const pair = await crypto.subtle.generateKey(how, false, ["sign", "verify"]);
  const transaction = (await open()).transaction("llaves", "readwrite");
  transaction.objectStore("llaves").put(pair.privateKey, "mia");
  await new Promise(done => transaction.oncomplete = done);
}"""
SIGN = """() => new Promise(done => {
  const request = indexedDB.open("llaves", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("llaves");
  request.onsuccess = () => {
    const read = request.result.transaction("llaves").objectStore("llaves").get("mia");
    const how = {name: "ECDSA", hash: "SHA-256"};
    read.onsuccess = async () => done(
      read.result ? (await crypto.subtle.sign(how, read.result, new Uint8Array([1]))).byteLength : 0);
  };
})"""


@pytest.fixture
def session(house: House, posada: PosadaClient) -> Session:
    """A fresh session without a login."""
    return posada.sessions.create(f"lasting-{next(_numbers)}", "facebook")


async def log_in(house: House, browser: Browser) -> Page:
    """By hand, through the site's own form."""
    page = await page_of(browser)
    await page.goto(f"{house.run['playground_url']}/social/")
    await page.fill("#email", "ana@example.test")
    await page.fill("#pass", PASSWORD)
    await page.click("[name=login]")
    await page.wait_for_selector("html[data-storage=written] [role=feed]", state="attached")
    return page


async def logged_in(house: House, session: Session) -> bool:
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        return await page.locator("[role=feed]").count() > 0


def saves(house: House, session: Session) -> int:
    return events(house, session).count("session.credentials_stored.v1")


async def saved(house: House, session: Session, before: int = 0) -> int:
    """Wait until the login was saved more often than `before` and is not saved anew any more. How often that is."""
    await until(lambda: saves(house, session) > before, "the login is saved")
    seen = -1
    while (now := await asyncio.to_thread(saves, house, session)) != seen:
        seen = now
        await asyncio.sleep(1)  # twice the shortest pause between two savings
    return seen


def there(house: House) -> bool:
    return bool(call(house, "GET", "/v1/stats").json()["runners"])


def kill_browser(house: House, session: Session) -> None:
    os.kill(house.browsers(session.id)[0].pid, signal.SIGKILL)


async def test_a_browser_killed_a_second_after_a_login_is_still_logged_in(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        await log_in(house, browser)
        await asyncio.sleep(1)  # the promise: one second
        kill_browser(house, session)
    assert await logged_in(house, session)


async def test_a_runner_killed_a_second_after_a_login_loses_nothing(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        await log_in(house, browser)
        await asyncio.sleep(1)  # the promise: one second
        os.kill(runner := house.pid("browser-runner"), signal.SIGKILL)
    await until(lambda: house.pid("browser-runner") != runner and there(house), "another runner is there")
    assert await logged_in(house, session)


async def test_after_a_logout_a_killed_browser_comes_back_logged_out(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        page = await log_in(house, browser)
        before = await saved(house, session)
        await page.evaluate("fetch('/social/logout', {method: 'POST'})")
        await page.reload()
        assert await page.locator("[role=feed]").count() == 0
        await saved(house, session, before)
        kill_browser(house, session)
    assert not await logged_in(house, session)


async def test_a_key_that_nobody_can_export_survives_close_and_kill(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        before = await saved(house, session)
        await page.evaluate(MAKE_KEY)
        await saved(house, session, before)
        kill_browser(house, session)
    for _ in range(2):
        async with driven(house, session) as browser:
            page = await page_of(browser)
            await page.goto(f"{house.run['playground_url']}/social/")
            assert await page.evaluate(SIGN) == 64
        await until(lambda: not (usage(house, session) or {"clients": 0})["clients"], "the client has gone")
        with house.client() as posada:
            posada.sessions.clean(session.id)


async def test_runners_killed_in_the_middle_of_savings_leave_a_login_that_works(house: House, session: Session) -> None:
    restless = (
        "void setInterval(() => { localStorage.setItem('reloj', Date.now()); document.cookie = 'n=' + Date.now() }, 20)"
    )
    for round_ in range(3):
        async with driven(house, session) as browser:
            page = await log_in(house, browser) if round_ == 0 else await page_of(browser)
            await page.goto(f"{house.run['playground_url']}/social/")
            assert await page.locator("[role=feed]").count() == 1
            before = saves(house, session)
            await page.evaluate(restless)
            await until(lambda now=before: saves(house, session) > now, "it is being saved")
            os.kill(runner := house.pid("browser-runner"), signal.SIGKILL)
        await until(lambda old=runner: house.pid("browser-runner") != old and there(house), "another runner is there")
    assert await logged_in(house, session)


async def test_a_killed_browser_is_there_again_without_being_asked_for(house: House, session: Session) -> None:
    opened(house, session)
    before = usage(house, session)
    assert before is not None
    kill_browser(house, session)

    def again() -> bool:
        now = usage(house, session)
        return now is not None and now["generation"] > before["generation"]

    await until(again, "it is open again")
    assert events(house, session)[-2:] == ["browser.lost.v1", "browser.reopened.v1"]
