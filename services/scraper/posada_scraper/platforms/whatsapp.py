"""WhatsApp Web: a phone lets a session in by a QR code, and keys in the browser keep it in."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from posada_contracts.errors import InvalidInputError
from posada_contracts.session import Evidence

from posada_scraper.adapters.page import Page, PageError, PageHungError, is_gone
from posada_scraper.platforms.base import Check, Harvest, Order, SiteClient, SiteUnavailableError
from posada_scraper.platforms.linking import Sight
from posada_scraper.platforms.sitedata import SiteData, load
from posada_scraper.platforms.walk import Walk
from posada_scraper.site import without_values

HANGS_S = 10.0
"""How long after its own timer a page may be silent."""

BETWEEN_PAGES_S = 0.1

LONGEST_QR = 2000
"""More letters than that do not fit into a code that phones can read."""

ON_CHANGE = """([css, longest, seen, limit]) => new Promise((resolve) => {
  const read = () => {
    if (document.querySelector(css.connected)) return {shows: "connected", qr: ""};
    if (document.querySelector(css.stale)) return {shows: "stale", qr: ""};
    const qr = document.querySelector(css.qr)?.getAttribute("data-ref") || "";
    return qr && qr.length <= longest ? {shows: "qr", qr} : {shows: "loading", qr: ""};
  };
  let timer;
  const observer = new MutationObserver(() => look());
  const finish = (now) => { observer.disconnect(); clearTimeout(timer); resolve(now); };
  const look = () => { const now = read(); if (!seen || now.shows !== seen.shows || now.qr !== seen.qr) finish(now); };
  observer.observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-ref"]});
  timer = setTimeout(() => finish(read()), limit);
  look();
})"""

SAYS = {
    "connected": ("valid", "the page shows the account's chats"),
    "qr": ("expired", "the page shows a code to scan"),
    "stale": ("expired", "the page shows a code to scan"),
    "loading": ("unknown", "the page shows neither chats nor a code"),
}


class WhatsApp:
    """See `LinkPlatform`. With another base URL it works on a look-alike, by the same data file."""

    name = "whatsapp"

    def __init__(self, base_url: str | None = None, data: SiteData | None = None) -> None:
        self._data = data or load("whatsapp")
        self.base_url = (base_url or self._data.base_url).rstrip("/")
        self.probes = self._data.probes
        self.kinds = ["check"]

    def parse_target(self, kind: str, target: str) -> str:
        """None is taken. Raises InvalidInputError."""
        if target.strip():
            raise InvalidInputError(f"a {kind} takes no target: it looks at the session's own account")
        return ""

    async def probe_http(self, client: SiteClient) -> Check:
        """Never can tell."""
        return Check("unknown", Evidence(url=self.base_url, detail="only the session's browser holds this login"))

    async def probe_page(self, page: Page) -> Check:
        """What the site shows: on the page where it is open already, for it allows one at a time."""
        own = next((each for each in page.context.pages if each.url.startswith(self.base_url)), page)
        try:
            await self.open(own)
        except SiteUnavailableError as error:
            return Check("unknown", error.evidence or Evidence(detail=error.detail))
        sight = await self.change(own, Sight("loading"), self._data.pace.load_s)
        verdict, says = SAYS[sight.shows]
        return Check(verdict, Evidence(url=without_values(own.url), marker=sight.shows, detail=says))  # type: ignore[arg-type]

    async def scrape(self, order: Order, page: Page, harvest: Harvest) -> NoReturn:
        """Refuse."""
        raise InvalidInputError(f"{self.name} has no {order.kind!r} job: it links devices, and checks that")

    async def open(self, page: Page) -> None:
        """Bring the site onto the page, unless it is there. See `LinkPlatform`."""
        if not page.url.startswith(self.base_url):
            await Walk(page, self._data, self.base_url).to(self.base_url + self._data.paths["home"])

    async def change(self, page: Page, seen: Sight | None, within_s: float) -> Sight:
        """See `LinkPlatform`. A page that is just being loaded anew shows `loading`."""
        css = {name: selector.css for name, selector in self._data.selectors["link"].items()}
        before = {"shows": seen.shows, "qr": seen.qr} if seen else None
        try:
            async with asyncio.timeout(within_s + HANGS_S):
                found: dict[str, Any] = await page.evaluate(ON_CHANGE, [css, LONGEST_QR, before, within_s * 1000])
        except TimeoutError:
            raise PageHungError from None
        except PageError as error:
            if is_gone(error, page):
                raise
            await asyncio.sleep(BETWEEN_PAGES_S)
            return Sight("loading")
        return Sight(found["shows"], found["qr"])

    async def renew(self, page: Page) -> None:
        """Click where the site says to. It may have done so by itself meanwhile."""
        try:
            await page.locator(self._data.css("link", "stale")).first.click(timeout=1000)
        except PageError as error:
            if is_gone(error, page):
                raise
