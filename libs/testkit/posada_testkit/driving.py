"""What the end-to-end tests of browsers share: a client outside that drives one, and looks from above."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright
from posada_client.models import Session

from posada_testkit.house import House


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def call(house: House, method: str, path: str, **more: Any) -> httpx.Response:
    """A REST call as admin."""
    headers = bearer(house.key) | more.pop("headers", {})
    return httpx.request(method, f"{house.url}{path}", headers=headers, timeout=90, **more)


def opened(house: House, session: Session, wait_s: int = 60) -> dict[str, Any]:
    """The session's browser, opened over REST."""
    answer = call(house, "POST", f"/v1/sessions/{session.id}/browser", headers={"Prefer": f"wait={wait_s}"})
    assert answer.status_code in (200, 202), answer.text
    told: dict[str, Any] = answer.json()
    return told


def events(house: House, session: Session) -> list[str]:
    """The types of the session's events, oldest first."""
    found: list[str] = []
    cursor = ""
    while True:
        page = call(house, "GET", f"/v1/sessions/{session.id}/events?limit=200{cursor}").json()
        found += [event["type"] for event in page["items"]]
        if not page.get("next_cursor"):
            return found
        cursor = f"&cursor={page['next_cursor']}"


def usage(house: House, session: Session) -> dict[str, Any] | None:
    """What the session's browser takes; `None` when none is open."""
    runners = call(house, "GET", "/v1/stats").json()["runners"]
    uses = (use | {"runner": runner["runner"]} for runner in runners for use in runner["browsers"])
    return next((use for use in uses if use["session_id"] == session.id), None)


async def until(holds: Callable[[], Any], what: str, within_s: float = 30.0) -> Any:
    """Wait for a state that blocking calls tell of."""
    deadline = time.monotonic() + within_s
    while not (answer := await asyncio.to_thread(holds)):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.05)
    return answer


@asynccontextmanager
async def driven(house: House, session: Session) -> AsyncIterator[Browser]:
    """An unmodified Playwright on the session's browser, through the gateway."""
    url = f"{house.url}/v1/sessions/{session.id}/cdp".replace("http", "ws", 1)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(url, headers=bearer(house.key), timeout=60_000)
        yield browser
        await browser.close()


async def page_of(browser: Browser) -> Page:
    """A new page in the session's own context."""
    return await browser.contexts[0].new_page()
