"""A walk over a site's pages in a browser: paced, and patient with a site that fails."""

from __future__ import annotations

import asyncio
import time

from posada_scraper.adapters.page import Page, visit
from posada_scraper.platforms.base import SiteUnavailableError
from posada_scraper.platforms.sitedata import Pace, SiteData, judge, no_answer
from posada_scraper.site import NoAnswerError, Seen


class Walk:
    """Loads one page after the other."""

    def __init__(self, page: Page, data: SiteData, base_url: str) -> None:
        self.page, self._data, self._base_url = page, data, base_url
        self._loaded_at = 0.0

    @property
    def _pace(self) -> Pace:
        return self._data.pace

    async def to(self, url: str) -> Seen:
        """Load `url`, again after a pause while the site answers 429, 5xx or nothing.

        Raises:
            SiteUnavailableError: it never did; carries what was seen last.
            ProxyUnreachableError: the session's proxy does not answer.
        """
        pause = self._pace.first_pause_s
        for tries_left in reversed(range(self._pace.tries)):
            seen = await self._once(url)
            if isinstance(seen, Seen) and not seen.failed:
                return seen
            if tries_left:
                asked = seen.retry_after_s if isinstance(seen, Seen) else 0.0
                await asyncio.sleep(min(max(pause, asked), self._pace.longest_pause_s))
                pause *= 2
        check = judge(self._data, self._base_url, seen) if isinstance(seen, Seen) else no_answer(seen)
        raise SiteUnavailableError(check.evidence.detail, evidence=check.evidence)

    async def _once(self, url: str) -> Seen | NoAnswerError:
        await asyncio.sleep(max(0.0, self._loaded_at + self._pace.min_delay_s - time.monotonic()))
        self._loaded_at = time.monotonic()
        try:
            return await visit(self.page, url, self._pace.load_s)
        except NoAnswerError as error:
            return error
