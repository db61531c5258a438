"""IndexedDB out of a `storage_state` that a person gave: Playwright wrote it, so Playwright puts it in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Playwright, StorageState, async_playwright
from posada_contracts.errors import BrowserFailedError


class Databases:
    """Fills browsers' databases. Playwright's helper process starts with the first login that needs it."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._starting = asyncio.Lock()

    async def give(self, ws_url: str, state: Mapping[str, Any]) -> None:
        """Put in what `state` has of IndexedDB. Nothing is fetched from any site for it.

        Raises:
            BrowserFailedError: the browser does not take it.
        """
        origins = [
            {"origin": each["origin"], "localStorage": [], "indexedDB": each["indexedDB"]}
            for each in state.get("origins", ())
            if each.get("indexedDB")
        ]
        if not origins:
            return
        try:
            browser = await (await self._driver()).chromium.connect_over_cdp(ws_url)
            try:
                known = cast("StorageState", {"cookies": [], "origins": origins})
                await browser.contexts[0].set_storage_state(known)
            finally:
                await browser.close()  # over DevTools this only hangs up
        except PlaywrightError:
            raise BrowserFailedError("the browser would not take the stored databases") from None

    async def _driver(self) -> Playwright:
        async with self._starting:
            if self._playwright is None:
                self._playwright = await async_playwright().start()
            return self._playwright

    async def stop(self) -> None:
        """End the helper process."""
        if self._playwright is not None:
            await self._playwright.stop()
