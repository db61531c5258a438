"""The session's live browser, reached as any outside client reaches it: over the runner's DevTools door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playwright.async_api import Browser, Playwright, async_playwright
from posada_contracts.browser import BrowserView, OpenBrowser
from posada_contracts.errors import ConflictError, ProxyUnreachableError, UnavailableError
from posada_runtime.bus import Bus, retried
from posada_runtime.ending import end
from posada_runtime.log import get_logger

from posada_scraper.adapters.page import BrowserGoneError, Page, PageClosedError, PageError, is_gone

OPEN_TIMEOUT_S = 40.0
CONNECT_TIMEOUT_S = 15.0
CLOSE_TIMEOUT_S = 5.0
HANGS_UP_S = 1.0
OPENS_S = 15.0
T = TypeVar("T")


class BadProxyError(Exception):
    """The runner says that the session's proxy does not answer: waiting does not help."""


class Driver:
    """Playwright's driver: one child process for all pages, started when first needed, again when it has died."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._starting = asyncio.Lock()

    async def connect(self, cdp_url: str) -> Browser:
        """A connection to a running browser.

        Raises:
            BrowserGoneError: nothing can be connected to there.
        """
        playwright = await self._started()
        try:
            return await playwright.chromium.connect_over_cdp(cdp_url, timeout=CONNECT_TIMEOUT_S * 1000)
        except PageError:  # its text quotes the URL, and with it the browser's key
            if not await _answers(playwright):
                await self._forget(playwright)
            raise BrowserGoneError from None

    async def _started(self) -> Playwright:
        async with self._starting:
            if self._playwright is None:
                self._playwright = await async_playwright().start()
            return self._playwright

    async def _forget(self, playwright: Playwright) -> None:
        async with self._starting:
            if self._playwright is playwright:
                self._playwright = None
                get_logger().warning("playwright_driver_died")

    async def stop(self) -> None:
        """End the driver's process; browsers live on."""
        if self._playwright is not None:
            with contextlib.suppress(PageError, TimeoutError):
                await asyncio.wait_for(self._playwright.stop(), CLOSE_TIMEOUT_S)


async def _answers(playwright: Playwright) -> bool:
    """Whether the driver still does what it is asked for."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await (await playwright.request.new_context()).dispose()
    except (PageError, TimeoutError):
        return False
    return True


@dataclass(frozen=True)
class PrivateTab:
    """Where a tab is that a WebDriver client may drive."""

    webdriver_url: str = field(repr=False)  #: holds a key
    target: str  #: its id in DevTools


class Browsers:
    """Opens pages in sessions' browsers."""

    def __init__(self, bus: Bus, driver: Driver) -> None:
        self._bus, self._driver = bus, driver

    @asynccontextmanager
    async def page(self, tenant: str, session_id: str, patience_s: float) -> AsyncIterator[Page]:
        """A new page in the session's browser, closed at the end; the browser stays open.

        Raises:
            BrowserGoneError: it died, or was closed, before the end.
            ProxyUnreachableError: the session's proxy does not answer.
            PosadaError: no runner opened it within `patience_s`.
        """
        view = await self._open(tenant, session_id, patience_s)
        browser = await self._driver.connect(view.cdp_url)
        try:
            async with _new_page(browser) as page:
                yield page
        finally:
            await _quietly(browser.close())  # over CDP this only hangs up

    @asynccontextmanager
    async def tab(self, tenant: str, session_id: str, patience_s: float, url: str) -> AsyncIterator[Page]:
        """The page of the session's browser that is on `url` already, else a new one. It stays open at the end.

        Raises:
            PageClosedError: the page was closed, or has crashed.
            BrowserGoneError: the browser died, or was closed, before the end.
            ProxyUnreachableError, PosadaError: as `page`.
        """
        view = await self._open(tenant, session_id, patience_s)
        browser = await self._driver.connect(view.cdp_url)
        try:
            page = await _alive(browser, _page_on(browser, url))
            try:
                yield page
            except PageError as error:
                if not is_gone(error, page) and browser.is_connected():
                    raise
                raise BrowserGoneError if await _hung_up(browser) else PageClosedError from None
        finally:
            await _quietly(browser.close())

    @asynccontextmanager
    async def private_tab(self, tenant: str, session_id: str, patience_s: float) -> AsyncIterator[PrivateTab]:
        """A tab of its own context in the session's browser, for a WebDriver client.

        The context begins without any login and keeps all it learns in memory: nothing that is typed there, and no
        token that the site leaves there, is ever written to the profile. It ends with the block, and with this
        process should that die.

        Raises:
            BrowserGoneError: it died at once.
            ProxyUnreachableError, PosadaError: as `page`.
        """
        view = await self._open(tenant, session_id, patience_s)
        if not view.webdriver_url:
            raise UnavailableError("the session's runner has no door for WebDriver")
        browser = await self._driver.connect(view.cdp_url)
        try:
            yield PrivateTab(view.webdriver_url, await _alive(browser, _private_target(browser)))
        finally:
            await _quietly(browser.close())

    async def _open(self, tenant: str, session_id: str, patience_s: float) -> BrowserView:
        async def once() -> BrowserView:
            command = OpenBrowser(tenant=tenant, session_id=session_id, actor="scraper")
            try:
                view = await self._bus.ask(command, timeout=OPEN_TIMEOUT_S)
            except ProxyUnreachableError as error:
                raise BadProxyError(error.detail) from None
            except ConflictError as error:  # two runners were asked at once: the next try finds the one that won
                raise UnavailableError(error.detail) from None
            if view.state != "open":
                raise UnavailableError(f"the session's browser is {view.state}")
            return view

        try:
            return await retried(once, patience_s)
        except BadProxyError as error:
            raise ProxyUnreachableError(str(error)) from None


@asynccontextmanager
async def _new_page(browser: Browser) -> AsyncIterator[Page]:
    """A page in the default context: the one that holds the session's login."""
    page = await _alive(browser, _page_on(browser))
    try:
        yield page
    except PageError as error:
        if is_gone(error, page) or not browser.is_connected():
            raise BrowserGoneError from None
        raise
    finally:
        await _quietly(page.close())


async def _page_on(browser: Browser, url: str = "") -> Page:
    """A page that shows `url`, or something below it, else a new one."""
    context = browser.contexts[0]
    there = (page for page in context.pages if url and page.url.startswith(url))
    return next(there, None) or await context.new_page()


async def _private_target(browser: Browser) -> str:
    """The id in DevTools of a tab in a context of its own."""
    context = await browser.new_context(no_viewport=True)
    cdp = await context.new_cdp_session(await context.new_page())
    return str((await cdp.send("Target.getTargetInfo"))["targetInfo"]["targetId"])


async def _alive(browser: Browser, work: Coroutine[Any, Any, T]) -> T:
    """What `work` brings. Playwright itself may wait for ever for a browser that dies meanwhile.

    Raises:
        BrowserGoneError: it died, or did not do it in time.
    """
    ended = asyncio.Event()
    browser.once("disconnected", lambda _: ended.set())
    working, gone = asyncio.create_task(work), asyncio.create_task(ended.wait())
    try:
        if browser.is_connected():
            await asyncio.wait({working, gone}, timeout=OPENS_S, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
    except (PageError, IndexError):
        raise BrowserGoneError from None
    finally:
        await end(working, gone)
    raise BrowserGoneError


async def _hung_up(browser: Browser) -> bool:
    """Whether the connection has ended. With a browser that ends, its pages go a moment before: give that moment."""
    ended = asyncio.Event()
    browser.once("disconnected", lambda _: ended.set())
    if browser.is_connected():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), HANGS_UP_S)
    return not browser.is_connected()


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    """Close what may be gone already."""
    with contextlib.suppress(PageError, TimeoutError):
        await asyncio.wait_for(closing, CLOSE_TIMEOUT_S)
