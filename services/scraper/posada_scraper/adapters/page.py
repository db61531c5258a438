"""A page in a browser: Playwright's own class, and its errors told apart."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time

from playwright.async_api import Error as PageError
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PageTimeoutError
from posada_contracts.errors import ProxyUnreachableError

from posada_scraper.site import NoAnswerError, Seen

NET_ERROR = re.compile(r"net::ERR_([A-Z_]+)")
SETTLE_S = 10.0
CLOSE_S = 5.0
PROXY_ERROR = re.compile(r"PROXY|TUNNEL|SOCKS")


class BrowserGoneError(Exception):
    """The browser, or the page in it, died or was closed by somebody else: open it again."""


class PageClosedError(BrowserGoneError):
    """The page was closed, or has crashed; its browser lives."""


class PageHungError(BrowserGoneError):
    """The page does nothing any more, not even by its own timers."""


def is_gone(error: PageError, page: Page) -> bool:
    """Whether there is nothing left to go on with."""
    by_name = type(error).__name__ == "TargetClosedError"  # playwright.async_api does not export the class
    return by_name or page.is_closed() or "crashed" in error.message


async def visit(page: Page, url: str, timeout_s: float) -> Seen:
    """Load `url` as far as its HTML.

    Raises:
        NoAnswerError: no page came.
        ProxyUnreachableError: the session's proxy does not answer.
        PageError: the browser is gone.
    """
    try:
        response = await page.goto(url, wait_until="domcontentloaded", timeout=timeout_s * 1000)
        html = await page.content()
    except PageError as error:
        if is_gone(error, page):
            raise
        raise _why(error, url) from None  # Playwright's texts quote URLs and headers
    status = response.status if response else 0
    asked = response.headers.get("retry-after", "") if response else ""
    return Seen(page.url, status, html, float(asked) if asked.isdecimal() else 0.0)


async def look(page: Page) -> Seen:
    """What the page shows now, wherever it has gone by itself; its status is not known.

    Raises:
        NoAnswerError: it does not settle.
        PageError: the browser is gone.
    """
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            await page.wait_for_load_state("domcontentloaded", timeout=SETTLE_S * 1000)
            return Seen(page.url, 0, await page.content())
        except PageError as error:  # while it is between two pages there is nothing to read
            if is_gone(error, page):
                raise
            if time.monotonic() > deadline:
                raise _why(error, page.url) from None
        await asyncio.sleep(0.05)


async def look_elsewhere(page: Page, before: str) -> Seen:
    """What the page shows once it has left `before`; it is told of that a moment before its address changes.

    Raises:
        NoAnswerError: it does not settle.
        PageError: the browser is gone.
    """
    try:
        await page.wait_for_url(lambda url: url != before, timeout=SETTLE_S * 1000, wait_until="domcontentloaded")
    except PageError as error:  # it loaded the same address again, or does not come to rest: look all the same
        if is_gone(error, page):
            raise
    return await look(page)


async def close(page: Page) -> None:
    """Close a page that may be gone already, or not answer."""
    with contextlib.suppress(PageError, TimeoutError):
        await asyncio.wait_for(page.close(), CLOSE_S)


def _why(error: PageError, url: str) -> NoAnswerError | ProxyUnreachableError:
    found = NET_ERROR.search(error.message)
    if found and PROXY_ERROR.search(found[1]):
        return ProxyUnreachableError()
    if found:
        return NoAnswerError(url, "network_error", f"the browser could not load the page: {found[1].lower()}")
    if isinstance(error, PageTimeoutError):
        return NoAnswerError(url, "timeout", "the page did not load in time")
    return NoAnswerError(url, "page_error", "the page could not be read")


__all__ = [
    "BrowserGoneError",
    "Page",
    "PageClosedError",
    "PageError",
    "PageHungError",
    "PageTimeoutError",
    "close",
    "is_gone",
    "look",
    "look_elsewhere",
    "visit",
]
