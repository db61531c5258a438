"""Chasqui Web in a real Chromium: from the first code to the logout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from posada_playground.child import Playground

Start = Callable[..., Playground]
PHONE = "+51 900 000 001"
CANVAS = "canvas[aria-label='Escanea este código QR']"
PIXELS = """canvas => {
  const {width, height} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  return {width, height, grey: Array.from({length: width * height}, (_, at) => data[4 * at])};
}"""
KEYS = """() => new Promise(resolve => {
  const opening = indexedDB.open("chasqui");
  opening.onsuccess = () => {
    const reading = opening.result.transaction("keys").objectStore("keys").get("pair");
    reading.onsuccess = () => {
      const key = reading.result?.privateKey;
      opening.result.close();
      resolve(key && {isKey: key instanceof CryptoKey, extractable: key.extractable, algorithm: key.algorithm});
    };
  };
})"""

pytestmark = pytest.mark.e2e


def chats(page: Page) -> Locator:
    return page.locator("#pane-side")


async def code(page: Page) -> str:
    """What the page shows to phones."""
    shown = page.locator("div[data-ref]:has(canvas)")
    await expect(shown).to_be_visible()
    return await shown.get_attribute("data-ref") or ""


async def link(page: Page, playground: Playground) -> None:
    await page.goto(f"{playground.url}/whatsapp/")
    playground.control("POST", "/whatsapp/scan", ref=await code(page), phone=PHONE)
    await expect(chats(page)).to_be_visible(timeout=2000)


async def test_the_picture_says_what_the_page_says(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(f"{playground.url}/whatsapp/")
    ref = await code(page)
    drawn: dict[str, Any] = await page.locator(CANVAS).evaluate(PIXELS)
    shape = [drawn["height"], drawn["width"]]
    (read,) = zxingcpp.read_barcodes(memoryview(bytes(drawn["grey"])).cast("B", shape=shape))
    assert read.text == ref
    assert await page.evaluate(KEYS) == {
        "isKey": True,
        "extractable": False,
        "algorithm": {"name": "ECDSA", "namedCurve": "P-256"},
    }


async def test_loading_is_what_one_sees_first(playground: Playground, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{playground.url}/whatsapp")
    await expect(page.locator("#app-loading")).to_be_visible()


async def test_codes_rotate_and_end_with_a_button_that_brings_more(playground: Playground, browser: Browser) -> None:
    playground.control("POST", "/whatsapp/qr", ms=300)
    page = await browser.new_page()
    await page.goto(f"{playground.url}/whatsapp/")
    first = await code(page)
    await page.wait_for_function("old => document.querySelector('[data-ref]')?.dataset.ref !== old", arg=first)
    button = page.locator("button[data-testid='refresh-qr']")
    await expect(button).to_have_text("Haz clic para recargar el código")
    await expect(page.locator("[data-ref]")).to_have_count(0)
    playground.control("POST", "/whatsapp/qr", ms=20_000)
    await button.click()
    assert await code(page) != first
    await link_again(page, playground)


async def link_again(page: Page, playground: Playground) -> None:
    playground.control("POST", "/whatsapp/scan", ref=await code(page), phone=PHONE)
    await expect(chats(page)).to_be_visible()


async def test_a_linked_page_survives_a_reload_without_a_code(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await link(page, playground)
    await expect(chats(page).get_by_role("listitem")).to_have_count(14)
    await page.add_init_script(
        "new MutationObserver(() => { window.sawCode ||= !!document.querySelector('canvas'); })"
        ".observe(document, {childList: true, subtree: true});"
    )
    await page.reload()
    await expect(chats(page)).to_be_visible()
    assert not await page.evaluate("window.sawCode")
    (device,) = playground.control("GET", "/whatsapp/devices")
    assert (device["phone"], device["open_pages"]) == (PHONE, 1)


async def test_a_linked_browser_survives_a_restart_and_another_profile_is_a_stranger(
    playground: Playground, chromium: dict[str, Any], tmp_path: Path
) -> None:
    async with async_playwright() as playwright:
        first = await playwright.chromium.launch_persistent_context(tmp_path / "one", **chromium)
        await link(first.pages[0], playground)
        kept = await first.storage_state(indexed_db=True)
        await first.close()
        second = await playwright.chromium.launch_persistent_context(tmp_path / "one", **chromium)
        await second.pages[0].goto(f"{playground.url}/whatsapp/")
        await expect(chats(second.pages[0])).to_be_visible()
        assert second.browser is not None
        stranger = await second.browser.new_page(storage_state=kept)
        await stranger.goto(f"{playground.url}/whatsapp/")
        assert await code(stranger), "the key cannot be carried away"
        await second.close()


async def test_a_logout_by_the_phone_brings_the_code_back_and_the_old_key_is_gone(
    playground: Playground, browser: Browser
) -> None:
    page = await browser.new_page()
    await link(page, playground)
    (before,) = playground.control("GET", "/whatsapp/devices")
    playground.control("POST", "/whatsapp/logout", phone=PHONE)
    await code(page)
    await expect(chats(page)).to_have_count(0)
    await link_again(page, playground)
    (after,) = playground.control("GET", "/whatsapp/devices")
    assert after["public_key"] != before["public_key"]


async def test_a_logout_while_the_page_was_closed_is_noticed(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await link(page, playground)
    (before,) = playground.control("GET", "/whatsapp/devices")
    await page.goto("about:blank")
    playground.control("POST", "/whatsapp/logout", phone=PHONE)
    await link(page, playground)
    (after,) = playground.control("GET", "/whatsapp/devices")
    assert after["public_key"] != before["public_key"]


async def test_one_can_log_out_on_the_page(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await link(page, playground)
    await page.click("[aria-label='Cerrar sesión']")
    await code(page)
    assert playground.control("GET", "/whatsapp/devices") == []


async def test_two_tabs_of_a_browser_are_one_device(playground: Playground, browser: Browser) -> None:
    context = await browser.new_context()
    one, two = await context.new_page(), await context.new_page()
    await two.goto(f"{playground.url}/whatsapp/")
    await link(one, playground)
    await expect(chats(two)).to_be_visible()
    (device,) = playground.control("GET", "/whatsapp/devices")
    assert device["open_pages"] == 2
    playground.control("POST", "/whatsapp/logout", phone=PHONE)
    assert (await code(one)).partition(",")[2] == (await code(two)).partition(",")[2], "nor are they two afterwards"


async def test_chats_stay_in_sight_while_the_server_is_away(start: Start, browser: Browser) -> None:
    playground = start(control_key="k")
    page = await browser.new_page()
    await link(page, playground)
    playground.process.terminate()
    await expect(page.locator("#offline")).to_be_visible()
    await expect(chats(page)).to_be_visible()
    playground.process.wait(10)
    again = start(control_key="k", port=playground.url.rpartition(":")[2])
    ref = await code(page)  # it was started anew, and knows nobody
    again.control("POST", "/whatsapp/scan", ref=ref, phone=PHONE)
    await expect(chats(page)).to_be_visible()
