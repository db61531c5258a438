"""The pages in a real Chromium: what only a browser's scripts and stores can show."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from posada_playground.child import Playground
from posada_playground.settings import Settings

Start = Callable[..., Playground]
PASSWORD = Settings().password

CARDS = "#friends [data-visualcompletion=ignore-dynamic]"

pytestmark = pytest.mark.e2e


async def log_in(page: Page, playground: Playground) -> None:
    await page.goto(f"{playground.url}/social/")
    await page.fill("#email", "ana@example.test")
    await page.fill("#pass", PASSWORD)
    await page.click("[name=login]")
    await page.wait_for_selector("html[data-storage=written] [role=feed]", state="attached")


async def scroll_to_the_end(page: Page) -> int:
    """How many times it took to scroll down until the sentinel was gone."""
    times = 0
    while await page.query_selector("#sentinel"):
        before = await page.locator(CARDS).count()
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
        times += 1
        await page.wait_for_function("([cards, n]) => document.querySelectorAll(cards).length > n", arg=[CARDS, before])
    return times


async def test_a_login_by_the_form_then_all_340_friends_by_scrolling(start: Start, browser: Browser) -> None:
    playground = start(page_delay_ms=5, calls_per_second=3)
    page = await browser.new_page()
    await log_in(page, playground)
    await page.goto(f"{playground.url}/social/lucia.fernandez/friends")
    assert await page.locator(CARDS).count() == 24
    assert await scroll_to_the_end(page) > 5
    links = await page.locator(f"{CARDS} a[tabindex='0']").evaluate_all("all => all.map(a => a.href)")
    assert len(set(links)) == len(links) == 340
    counted = playground.control("GET", "/requests")["by_request"]
    assert counted["POST /social/api/graphql 200"] == 14
    assert counted["POST /social/api/graphql 429"] == int(
        await page.locator("#friends").get_attribute("data-retries") or 0
    )
    assert counted["POST /social/api/graphql 429"] > 0


async def test_a_handed_out_login_works_and_all_stores_come_back(playground: Playground, browser: Browser) -> None:
    state: Any = playground.control("POST", "/login", email="ana@example.test")
    context = await browser.new_context(storage_state=state)
    page = await context.new_page()
    await page.goto(f"{playground.url}/social/storage-check")
    await expect(page.locator("#storage-state")).to_have_text("ready")
    await expect(page.locator("#device-matches")).to_have_text("true")
    await expect(page.locator("#indexed-device")).to_have_text("")

    await page.goto(f"{playground.url}/social/")
    await page.wait_for_selector("html[data-storage=written]")
    saved = await context.storage_state(indexed_db=True)
    again = await (await browser.new_context(storage_state=saved)).new_page()
    await again.goto(f"{playground.url}/social/storage-check")
    await expect(again.locator("#storage-state")).to_have_text("ready")
    await expect(again.locator("#indexed-theme")).to_have_text("oscuro")
    await expect(again.locator("#session-tab")).to_have_text("")

    await page.goto(f"{playground.url}/social/storage-check")
    await expect(page.locator("#session-tab")).to_contain_text("tab-")


async def test_a_second_login_of_the_same_browser_is_from_a_known_device(
    playground: Playground, browser: Browser
) -> None:
    page = await browser.new_page()
    await log_in(page, playground)
    await page.click("[aria-label='Cerrar sesión']")
    await page.wait_for_url("**/social/login/")
    await log_in(page, playground)
    await page.goto(f"{playground.url}/social/storage-check")
    await expect(page.locator("#device-known")).to_have_text("true")


@pytest.mark.parametrize(
    ("fault", "ends_at"), [("expire", "**/social/login/?next=*"), ("lock", "**/social/checkpoint/")]
)
async def test_a_login_that_ends_while_scrolling_leads_away(
    playground: Playground, browser: Browser, fault: str, ends_at: str
) -> None:
    state: Any = playground.control("POST", "/login", email="bruno@example.test")
    page = await (await browser.new_context(storage_state=state)).new_page()
    await page.goto(f"{playground.url}/social/lucia.fernandez/friends")
    playground.control("POST", f"/accounts/bruno@example.test/{fault}")
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await page.wait_for_url(ends_at)
