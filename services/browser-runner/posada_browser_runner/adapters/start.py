"""One browser with all that belongs to it: profile, way out, login; and its end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError
from posada_contracts.errors import BrowserFailedError
from posada_runtime.log import get_logger
from posada_runtime.processes import Mark
from posada_runtime.settings import CommonSettings

from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.egress import Egress
from posada_browser_runner.adapters.find import ChromiumBinary, find_chromium
from posada_browser_runner.adapters.login import apply_login, capture_login
from posada_browser_runner.adapters.profiles import ProfileDir, Profiles
from posada_browser_runner.adapters.upstream import check_upstream
from posada_browser_runner.allowed import Allowed
from posada_browser_runner.settings import Settings


@dataclass
class Started:
    """A browser that has its login and is ready."""

    start_id: str
    chromium: ChromiumProcess
    profile: ProfileDir
    egress: Egress
    browser: Browser  #: our own DevTools connection to it, for the login's sake


class Starter:
    """Starts and ends browsers for one runner."""

    def __init__(
        self, house: str, binary: ChromiumBinary, profiles: Profiles, playwright: Playwright, settings: Settings
    ) -> None:
        self.house = house
        self._binary, self._profiles, self._playwright, self._settings = binary, profiles, playwright, settings

    @classmethod
    async def prepare(cls, common: CommonSettings, settings: Settings) -> Starter:
        """Find a Chromium and a place for profiles.

        Raises:
            ChromiumNotFoundError: there is none; the message says how to get one.
        """
        binary = find_chromium(settings.chromium or None)
        root = common.data.resolve() / "runners" / settings.name
        get_logger().info("chromium_found", path=str(binary.path), kind=binary.kind, source=binary.source)
        return cls(common.house, binary, Profiles(root), await async_playwright().start(), settings)

    async def start(
        self,
        session_id: str,
        login: dict[str, Any],
        proxy: str | None,
        user_agent: str | None,
        allowed: Allowed,
    ) -> Started:
        """A Chromium of its own for the session, on a fresh profile, with its login, proxy and user agent.

        Raises:
            ProxyUnreachableError: the proxy does not answer; nothing was started.
            BrowserFailedError: the browser did not come up, or would not take the login.
        """
        if proxy is not None:
            await check_upstream(proxy, self._settings.proxy_timeout)
        start_id = secrets.token_hex(8)
        mark = Mark.for_this_process(self.house, self._settings.name, session_id, start_id)
        profile = self._profiles.create(session_id, start_id)
        egress = Egress(proxy, allowed)
        try:
            chromium = await ChromiumProcess.launch(
                self._binary,
                profile.profile,
                profile.tmp,
                mark,
                proxy_port=await egress.start(),
                user_agent=user_agent,
                sandbox=self._settings.sandbox,
            )
        except BaseException:
            await egress.stop()
            self._profiles.remove(profile)
            raise
        try:
            browser = await self._playwright.chromium.connect_over_cdp(chromium.ws_url)
            if login:
                await apply_login(browser.contexts[0], login)
        except BaseException as error:
            await self._clear(chromium, profile, egress)
            if isinstance(error, PlaywrightError):
                raise BrowserFailedError("the browser would not take the stored login") from error
            raise
        return Started(start_id, chromium, profile, egress, browser)

    async def capture(self, started: Started) -> dict[str, Any]:
        """The login as the browser holds it now.

        Raises:
            BrowserFailedError: it does not answer.
        """
        try:
            return await capture_login(started.browser.contexts[0])
        except PlaywrightError as error:
            raise BrowserFailedError("the browser does not give its login") from error

    async def end(self, started: Started) -> None:
        """End every process of it and remove its directories."""
        await self._clear(started.chromium, started.profile, started.egress)

    async def _clear(self, chromium: ChromiumProcess, profile: ProfileDir, egress: Egress) -> None:
        await chromium.end()
        await egress.stop()
        self._profiles.remove(profile)

    async def quarantine(self, session_id: str) -> str:
        """Put what directories of the session are left aside, where a person may look at them."""
        left = [profile for profile in self._profiles.leftovers(set()) if profile.session_id == session_id]
        for profile in left:
            self._profiles.quarantine(profile)
        return f"{len(left)} profiles put aside"

    def remove_leftovers(self, alive: set[str]) -> int:
        """Remove the directories of all browsers but those with these start ids. Returns how many."""
        left = self._profiles.leftovers(alive)
        for profile in left:
            self._profiles.remove(profile)
        return len(left)

    async def stop(self) -> None:
        """End Playwright's own helper process."""
        await self._playwright.stop()
