"""The lab in a real Chromium: what it shows is what the browser really has."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from posada_playground.child import Playground

pytestmark = pytest.mark.e2e

TEXTS = ("cookie", "http_only", "local", "indexed", "blob", "cache")
PASSING = ("session_cookie", "http_only_session", "session")


async def look(page: Page, playground: Playground, query: str = "") -> dict[str, str]:
    """What the storage page shows, by its kinds."""
    await page.goto(f"{playground.url}/lab/storage{query}")
    await expect(page.locator("#storage-state")).to_have_text("ready")
    await expect(page.locator("#failure")).to_have_text("")
    shown = await page.locator("dd").evaluate_all("all => all.map(each => [each.id, each.textContent])")
    return dict(shown)


async def test_one_click_lets_in_and_one_click_lets_out(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    refused = await page.goto(f"{playground.url}/lab/private")
    assert refused is not None
    assert refused.status == 401
    await page.goto(f"{playground.url}/lab/login?user=ana")
    await page.click("#entrar")
    await expect(page.locator("body")).to_contain_text("Hola ana")
    (cookie,) = await page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["expires"] > 0
    await page.goto(f"{playground.url}/lab/logout")
    await page.click("#salir")
    await page.wait_for_url("**/lab/login")
    assert not await page.context.cookies()
    await page.context.add_cookies([{**cookie}])  # type: ignore[typeddict-item]
    await page.goto(f"{playground.url}/lab/private")
    await expect(page.locator("#nadie")).to_be_visible()  # it is over on the server too


async def test_a_login_may_end_with_the_browser_or_on_the_server(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{playground.url}/lab/login?lasting=false")
    await page.click("#entrar")
    await expect(page.locator("#saludo")).to_have_text("Hola visita")
    assert [cookie["expires"] for cookie in await page.context.cookies()] == [-1]
    assert playground.control("POST", "/lab/expire", user="visita") == {"user": "visita", "expired_logins": 1}
    await page.reload()
    await expect(page.locator("#nadie")).to_be_visible()


async def test_looking_at_the_storage_writes_nothing(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    assert set((await look(page, playground)).values()) == {""}
    assert await page.evaluate("indexedDB.databases()") == []


async def test_everything_is_kept_over_a_restart_but_what_ends_with_the_browser(
    playground: Playground, chromium: dict[str, Any], tmp_path: Path
) -> None:
    async with async_playwright() as playwright:
        first = await playwright.chromium.launch_persistent_context(tmp_path, **chromium)
        wrote = await look(first.pages[0], playground, "?set=all&value=hola")
        await first.close()
        second = await playwright.chromium.launch_persistent_context(tmp_path, **chromium)
        found = await look(second.pages[0], playground)
        await second.close()
    assert {wrote[name] for name in (*TEXTS, *PASSING)} == {"hola"}
    assert {found[name] for name in TEXTS} == {"hola"}
    assert {found[name] for name in PASSING} == {""}
    assert len(found["key"]) == 64
    assert found["key"] == wrote["key"]
    assert (found["key_extractable"], found["key_signs"]) == ("false", "true")


async def test_a_button_writes_one_thing_and_another_clears_all(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await look(page, playground, "?value=uno")
    await page.click("button[data-set=session]")
    await expect(page.locator("#session")).to_have_text("uno")
    await expect(page.locator("#local")).to_have_text("")
    await look(page, playground, "?set=all&value=dos")
    await page.click("#clear")
    await expect(page.locator("#indexed")).to_have_text("")
    assert set((await look(page, playground)).values()) == {""}


async def test_the_echo_hears_page_worker_and_service_worker(playground: Playground, browser: Browser) -> None:
    context = await browser.new_context(user_agent="Prueba/1.0", extra_http_headers={"X-Prueba": "no"})
    page = await context.new_page()
    await page.goto(f"{playground.url}/lab/echo")
    await expect(page.locator("html[data-echo=ready]")).to_be_attached()
    request = json.loads(await page.locator("#request").text_content() or "")
    assert request["headers"]["x-prueba"] == "no"
    assert request["headers"]["user-agent"] == "Prueba/1.0"
    for who in ("page", "worker", "service-worker"):
        said = json.loads(await page.locator(f"#{who}").text_content() or "")
        assert said["userAgent"] == await page.locator(f"#{who}-agent").text_content()
        assert said["headers"]["user-agent"]
    await expect(page.locator("#page-agent")).to_have_text("Prueba/1.0")


def test_the_echo_answers_json_to_those_who_want_no_page(playground: Playground) -> None:
    said = httpx.post(f"{playground.url}/lab/echo?a=1", headers={"X-B": "2"}, cookies={"c": "3"}).json()
    assert (said["method"], said["query"], said["headers"]["x-b"], said["cookies"]) == ("POST", "a=1", "2", {"c": "3"})


async def test_a_hanging_page_answers_nothing_until_it_is_done(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{playground.url}/lab/hang?ms=1500")
    await expect(page.locator("#beat")).not_to_have_text("0")
    await page.click("#hang")
    await page.wait_for_function("document.querySelector('#state').textContent === 'colgada'", polling=10)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await expect(page.locator("#state")).to_have_text("libre")
    assert loop.time() - began > 1


async def test_a_download_is_an_attachment_of_the_size_that_was_asked_for(
    playground: Playground, browser: Browser
) -> None:
    page = await browser.new_page()
    await page.goto(f"{playground.url}/lab/download?rows=1000")
    async with page.expect_download() as waiting:
        await page.click("#descargar")
    download = await waiting.value
    assert download.suggested_filename == "informe.csv"
    lines = (await download.path()).read_text().splitlines()
    assert (lines[0], len(lines)) == ("fecha;concepto;importe", 1001)


async def test_memory_is_really_taken(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{playground.url}/lab/memory?mb=50")
    await expect(page.locator("html[data-memory=ready]")).to_be_attached()
    await expect(page.locator("#memory")).to_have_text("50 MB")
    assert await page.evaluate("kept.reduce((sum, each) => sum + each.byteLength, 0)") == 50 * 2**20
