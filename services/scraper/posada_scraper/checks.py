"""A check of a login: over HTTP where the platform allows it and that can tell, else in the session's browser."""

from __future__ import annotations

import httpx
from posada_contracts.errors import BrowserFailedError, ConflictError
from posada_contracts.session import Probe

from posada_scraper.adapters.browser import Browsers
from posada_scraper.adapters.page import BrowserGoneError
from posada_scraper.logins import Logins
from posada_scraper.platforms.base import Check, Platform

PATIENCE_S = 20.0
"""How long a runner may be away, or full."""


class Checks:
    """Checks logins for whoever asks."""

    def __init__(self, logins: Logins, browsers: Browsers) -> None:
        self._logins, self._browsers = logins, browsers

    async def check(
        self, tenant: str, session_id: str, platform: Platform, wanted: Probe | None
    ) -> tuple[Check, Probe]:
        """What the cheapest probe that can tell says, and which one that was; or what the one that is wanted says.

        Raises:
            NoCredentialsError: there is no login.
            ConflictError: the platform does not allow the probe that is wanted.
            ProxyUnreachableError, BrowserFailedError, UnavailableError: as they say.
        """
        if wanted is not None and wanted not in platform.probes:
            raise ConflictError(f"{platform.name} allows these probes only: {', '.join(platform.probes)}")
        if wanted != "browser" and "http" in platform.probes:
            check = await self._logins.probe(tenant, session_id)
            if check.verdict != "unknown" or wanted == "http" or "browser" not in platform.probes or _away(check):
                return check, "http"
        return await self._in_browser(tenant, session_id, platform), "browser"

    async def _in_browser(self, tenant: str, session_id: str, platform: Platform) -> Check:
        await self._logins.require(tenant, session_id)
        try:
            async with self._browsers.page(tenant, session_id, PATIENCE_S) as page:
                return await platform.probe_page(page)
        except BrowserGoneError:
            raise BrowserFailedError from None


def _away(check: Check) -> bool:
    """Whether the site did not answer, or not for long: a browser would be told no more."""
    status = check.evidence.status
    return status in (0, httpx.codes.TOO_MANY_REQUESTS) or status >= httpx.codes.INTERNAL_SERVER_ERROR
