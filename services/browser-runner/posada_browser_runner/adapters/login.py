"""A login in and out of a browser: Playwright's `storage_state`, and the sessionStorage that it leaves out.

The extra part stands with its origin, under a key of our own: `{"origin": …, "sessionStorage": [{"name", "value"}]}`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Frame, Page, StorageState
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

_SESSION_STORAGE = "sessionStorage"
_PAGE_PATIENCE_S = 2.0
_READ = "() => [location.origin, Object.entries(sessionStorage).map(([name, value]) => ({name, value}))]"
_WRITE = """(([origin, entries]) => {
  if (location.origin === origin && sessionStorage.length === 0)
    for (const {name, value} of entries) sessionStorage.setItem(name, value);
})(%s);"""


async def apply_login(context: BrowserContext, state: Mapping[str, Any]) -> None:
    """Give `context` the login `state`. Nothing is fetched from any site for it.

    The profile must be fresh: what it holds of cookies, localStorage and IndexedDB is replaced. The sessionStorage
    of an origin is there when its first document begins, and in no later one, so that a logout stays a logout; for
    that the DevTools connection behind `context` must stay. Raises Playwright's `Error`.
    """
    origins = state.get("origins", ())
    known = [{key: value for key, value in each.items() if key != _SESSION_STORAGE} for each in origins]
    await context.set_storage_state(cast("StorageState", {"cookies": state.get("cookies", ()), "origins": known}))
    later = {each["origin"]: each[_SESSION_STORAGE] for each in origins if each.get(_SESSION_STORAGE)}
    await _SessionStorage(context, later).wait_for_documents()


async def capture_login(context: BrowserContext, timeout_s: float = 30.0) -> dict[str, Any]:
    """The login as `context` holds it now, fit for `apply_login`.

    Cookies (session cookies too), and localStorage and IndexedDB of every origin seen since the DevTools connection
    behind `context` was made; the sessionStorage of the pages open now. IndexedDB comes without `CryptoKey` and
    `Blob` values, which Playwright cannot carry. Raises Playwright's `Error`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            tabs = await _session_storages(context.pages)
            state = cast("dict[str, Any]", await context.storage_state(indexed_db=True))
    except TimeoutError as error:
        raise PlaywrightTimeoutError(f"The browser has not given its login within {timeout_s:g} s.") from error
    origins = {each["origin"]: each for each in state["origins"]}
    for origin, entries in tabs.items():
        origins.setdefault(origin, {"origin": origin, "localStorage": []})[_SESSION_STORAGE] = entries
    return {"cookies": state["cookies"], "origins": [origins[each] for each in sorted(origins)]}


async def _session_storages(pages: Iterable[Page]) -> dict[str, list[dict[str, str]]]:
    """By origin; where several pages share one, the page opened last tells."""
    frames = [frame for page in pages for frame in page.frames]
    return dict(each for each in await asyncio.gather(*map(_session_storage, frames)) if each and each[1])


async def _session_storage(frame: Frame) -> tuple[str, list[dict[str, str]]] | None:
    """`None` for a page that has none to give: one without an origin, or one that hangs."""
    try:
        async with asyncio.timeout(_PAGE_PATIENCE_S):
            origin, entries = await frame.evaluate(_READ)
            return origin, entries
    except (PlaywrightError, TimeoutError):
        return None


class _SessionStorage:
    """Puts each origin's entries into its first document."""

    def __init__(self, context: BrowserContext, entries: Mapping[str, list[dict[str, str]]]) -> None:
        self._context, self._entries = context, entries
        self._scripts: dict[str, Any] = {}
        self._removals: set[asyncio.Task[None]] = set()

    async def wait_for_documents(self) -> None:
        for origin, entries in self._entries.items():
            # `</` and the line separators are harmless here: this is evaluated, not parsed as part of a page
            self._scripts[origin] = await self._context.add_init_script(_WRITE % json.dumps([origin, entries]))
        if self._scripts:
            self._context.on("page", self._listen)
            for page in self._context.pages:
                self._listen(page)

    def _listen(self, page: Page) -> None:
        page.on("framenavigated", self._navigated)

    def _navigated(self, frame: Frame) -> None:
        url = urlsplit(frame.url)
        script = self._scripts.pop(f"{url.scheme}://{url.netloc}", None)
        if script is not None:
            removal = asyncio.create_task(_dispose(script))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)


async def _dispose(script: Any) -> None:
    try:
        await script.close()
    except PlaywrightError:
        return  # the browser is gone, and the script with it
