"""The portal in a real Chromium: each account's token is where it should be, and nowhere else."""

import pyotp
import pytest
from playwright.async_api import Browser, Page, expect
from posada_playground.child import Playground

pytestmark = pytest.mark.e2e


async def fill_in(page: Page, playground: Playground, username: str) -> None:
    await page.goto(f"{playground.url}/hub/")
    await page.wait_for_url("**/hub/login")
    await page.fill("input[name=username]", username)
    await page.fill("input[name=password]", f"clave-{username}")
    await page.click("button[type=submit]")


async def enter(page: Page, code: str) -> None:
    await page.wait_for_url("**/hub/mfa")
    await page.fill("input[name=code]", code)
    await page.click("button[type=submit]")


async def is_in(page: Page, name: str) -> None:
    await page.wait_for_url("**/hub/app")
    await expect(page.locator("#whoami")).to_have_text(f"Hola, {name}")


async def stores(page: Page) -> tuple[list[str], list[str]]:
    """The names in localStorage, and of the portal's token among the cookies."""
    local = await page.evaluate("Object.keys(localStorage)")
    return local, [each["name"] for each in await page.context.cookies() if each["name"] == "hub_token"]


async def test_lucia_has_hers_in_local_storage_until_she_leaves(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await fill_in(page, playground, "lucia")
    await is_in(page, "Lucía Fernández")
    assert await stores(page) == (["hub_token"], [])
    await page.reload()
    await is_in(page, "Lucía Fernández")
    await page.click("#logout button")
    await page.wait_for_url("**/hub/login")
    assert await stores(page) == ([], [])


async def test_marcos_has_his_in_a_cookie_that_no_script_sees(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await fill_in(page, playground, "marcos")
    await enter(page, "000")
    await expect(page.locator(".alert-error")).to_be_visible()
    (secret,) = [each["totp_secret"] for each in playground.control("GET", "/hub/accounts") if each["totp_secret"]]
    await enter(page, pyotp.TOTP(secret).now())
    await is_in(page, "Marcos Vidal")
    assert await stores(page) == ([], ["hub_token"])
    assert "hub_token" not in await page.evaluate("document.cookie")


async def test_sofia_has_hers_in_memory_alone(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await fill_in(page, playground, "sofia")
    await page.wait_for_url("**/hub/mfa")
    async with page.expect_response("**/hub/api/session") as waiting:
        await enter(page, playground.control("GET", "/hub/sms/sofia")["code"])
    assert set(await (await waiting.value).json()) >= {"access_token", "expires_in"}
    await is_in(page, "Sofía Reyes")
    assert await stores(page) == ([], [])


async def test_a_locked_account_sees_why(playground: Playground, browser: Browser) -> None:
    page = await browser.new_page()
    await fill_in(page, playground, "bloqueada")
    await expect(page.locator(".alert-locked")).to_have_text("Cuenta bloqueada")
