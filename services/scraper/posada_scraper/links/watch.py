"""Follows the page of one link, for as long as the link lives: shows its codes, sees it let in and logged out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from posada_contracts.browser import BrowserClosed, CleanBrowser
from posada_contracts.errors import OutcomeUnknownError, PosadaError, UnavailableError
from posada_contracts.session import Evidence, Verdict
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.log import get_logger
from posada_runtime.wire import Recorded

from posada_scraper.adapters.browser import Browsers
from posada_scraper.adapters.page import BrowserGoneError, Page, PageClosedError, PageHungError, close
from posada_scraper.links.codes import Code, Codes
from posada_scraper.links.journal import ACTOR, Journal, ReplacedError
from posada_scraper.logins import Logins
from posada_scraper.places import place_of
from posada_scraper.platforms.base import Check, GiveUpError
from posada_scraper.platforms.linking import LinkPlatform, Sight
from posada_scraper.settings import Settings

LOOK_S = 10.0
"""A page that does not change is looked at this often: whether it still lives."""

TOUCH_S = 60.0
CLEAN_TIMEOUT_S = 40.0
TOLD_S = 5.0
"""How long a runner takes at most to say how a browser ended."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
ON_PURPOSE = ("asked", "cleaned")

NOT_SCANNED = ("not_scanned", "nobody scanned the code in time")
NOT_KNOWN = ("page_changed", "the page showed neither a code nor an account in time")
CLOSED = ("closed", "the session's browser was closed")
UNEXPECTED = ("internal", "something unexpected happened; the logs tell where")


@dataclass(frozen=True)
class WatchTools:
    """What a watch works with."""

    bus: Bus
    store: EventStore
    browsers: Browsers
    logins: Logins
    codes: Codes
    settings: Settings


class EndedError(Exception):
    """The link is over: nothing is left to watch."""


class Watch:
    """One watch over one link. `asked`: somebody waits for a code; otherwise a link is only kept up."""

    def __init__(
        self, tools: WatchTools, platform: LinkPlatform, tenant: str, session_id: str, name: str, *, asked: bool
    ) -> None:
        self._tools, self._platform = tools, platform
        self._tenant, self._session_id, self._asked = tenant, session_id, asked
        self._journal = Journal(tools.store, tenant, session_id, name)
        self._linked = False  #: as the link's own: it was connected, and nothing says otherwise
        self._code: Code | None = None  #: that is shown
        self._seen_qr = False
        self._browser_at: Recorded | None = None  #: what was said of the browser last when its page was opened
        self._deadline = 0.0
        self._pause = FIRST_PAUSE_S
        self._touched = float("-inf")
        self.version = 0  #: of the link, when this watch began
        self.ending = False  #: it is this watch that ends the link, and it tidies up by itself

    async def begin(self) -> None:
        """Say that this one watches from now on."""
        link = await self._journal.take_over()
        self._linked, self.version = link.linked, link.version
        self._begin_patience()

    async def run(self, *, clean: bool) -> None:
        """To the link's end. `clean`: end first what hangs of the session's browser.

        Raises:
            ReplacedError: another watch has taken over, or somebody else ended the link.
        """
        try:
            if clean:
                await self._clean()
            while True:
                await self._until_it_breaks()
                if not self._linked and self._out_of_time:
                    await self._end(*(NOT_SCANNED if self._seen_qr else NOT_KNOWN))
                await self._journal.reopen()
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        except EndedError:
            return

    async def _until_it_breaks(self) -> None:
        """Watch until something fails that may heal. Raises EndedError when it will not."""
        try:
            await self._on_page()
        except (EndedError, ReplacedError):
            raise
        except PageHungError:
            get_logger().warning("link_page_hung", session_id=self._session_id)
            await self._clean()
        except PageClosedError:
            return
        except BrowserGoneError:
            if await self._closed_on_purpose():
                await self._end(*CLOSED)
        except GiveUpError as error:
            await self._end_unless_linked(error.failure, error.detail)
        except (UnavailableError, OutcomeUnknownError) as error:
            if self._out_of_time:
                await self._end_unless_linked(error.code, error.detail)
        except PosadaError as error:
            if not (error.retry and self._linked):
                await self._end(error.code, error.detail)
        except Exception as error:
            get_logger().warning("link_watch_failed", error=type(error).__name__, place=place_of(error))
            await self._end_unless_linked(*UNEXPECTED)
        finally:
            await self._forget_code()

    async def _on_page(self) -> None:
        """Raises EndedError when the link has ended; else what went wrong."""
        patience, url = self._tools.settings.browser_patience_s, self._platform.base_url
        async with self._tools.browsers.tab(self._tenant, self._session_id, patience, url) as page:
            self._browser_at = await self._newest_of_browser()
            try:
                await self._platform.open(page)
                sight: Sight | None = None
                while True:
                    left = max(0.1, self._deadline - time.monotonic())
                    sight = await self._platform.change(page, sight, min(LOOK_S, left))
                    await self._take(page, sight)
            except EndedError:
                await close(page)
                raise

    async def _take(self, page: Page, sight: Sight) -> None:
        """Say what is new."""
        if sight.shows == "connected":
            await self._connected()
            return
        if sight.shows == "qr":
            await self._shows_qr(sight)
        else:
            await self._forget_code()
        if sight.shows == "stale":
            await self._platform.renew(page)
        if self._out_of_time:
            await close(page)
            raise PageClosedError

    @property
    def _out_of_time(self) -> bool:
        return time.monotonic() > self._deadline

    def _begin_patience(self) -> None:
        self._deadline = time.monotonic() + self._tools.settings.link_patience_s

    async def _connected(self) -> None:
        await self._forget_code()
        await self._journal.connected()
        if self._asked or not self._linked:
            await self._record("valid", "the page shows the account's chats")
        self._linked, self._asked, self._pause = True, False, FIRST_PAUSE_S
        self._begin_patience()
        if time.monotonic() - self._touched > TOUCH_S:
            self._touched = time.monotonic()
            await self._tools.logins.touch(self._tenant, self._session_id)

    async def _shows_qr(self, sight: Sight) -> None:
        """Show the code, before it is said that there is one."""
        if self._linked:
            await self._logged_out()
        self._seen_qr = True
        if self._code is None or self._code.payload != sight.qr:
            self._code = Code(sight.qr, datetime.now(UTC))
        await self._tools.codes.show(self._tenant, self._session_id, self._code)
        await self._journal.shows_qr()

    async def _logged_out(self) -> None:
        """There is a code where chats should be. Who asked for a link gets to see it. Raises EndedError for others."""
        self.ending = not self._asked
        await self._journal.shows_qr()
        await self._record("expired", "the page shows a code to scan")
        if not self._asked:
            raise EndedError
        await self.begin()

    async def _record(self, verdict: Verdict, detail: str) -> None:
        """Tell the registry. A link does not end because that is away."""
        evidence = Evidence(url=self._platform.base_url, marker="link", detail=detail)
        try:
            await self._tools.logins.record(self._tenant, self._session_id, Check(verdict, evidence), "browser")
        except PosadaError as error:
            get_logger().warning("link_verdict_not_recorded", session_id=self._session_id, code=error.code)

    async def _end_unless_linked(self, code: str, detail: str) -> None:
        if not self._linked:
            await self._end(code, detail)

    async def _end(self, code: str, detail: str) -> None:
        """Raises EndedError."""
        self.ending = True
        await self._journal.end(code, detail)
        raise EndedError

    async def _clean(self) -> None:
        """What cannot be cleaned does not keep the page from being opened."""
        command = CleanBrowser(tenant=self._tenant, actor=ACTOR, session_id=self._session_id)
        try:
            await self._tools.bus.ask(command, timeout=CLEAN_TIMEOUT_S)
        except PosadaError as error:
            get_logger().warning("link_not_cleaned", session_id=self._session_id, code=error.code)

    async def _newest_of_browser(self) -> Recorded | None:
        return await self._tools.store.latest(self._tenant, "browser", self._session_id)

    async def _closed_on_purpose(self) -> bool:
        """Whether somebody wanted the browser to end. A runner tells how it did; one that died itself never will."""
        deadline = time.monotonic() + TOLD_S
        while time.monotonic() < deadline:
            newest = await self._newest_of_browser()
            if newest != self._browser_at:
                return (
                    newest is not None and isinstance(newest.event, BrowserClosed) and newest.event.reason in ON_PURPOSE
                )
            await asyncio.sleep(0.1)
        return False

    async def _forget_code(self) -> None:
        if self._code is None:
            return
        self._code = None
        try:
            await self._tools.codes.forget(self._tenant, self._session_id)
        except PosadaError:  # it ends by itself within the minute
            return
