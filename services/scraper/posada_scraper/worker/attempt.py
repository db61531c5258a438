"""One attempt at one job: check the login early, open the browser, scrape, seal."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from posada_contracts.errors import BrowserFailedError
from posada_contracts.session import Probe
from posada_runtime.log import get_logger

from posada_scraper.adapters.browser import Browsers
from posada_scraper.adapters.page import BrowserGoneError, Page
from posada_scraper.domain import Job
from posada_scraper.logins import Logins
from posada_scraper.platforms.base import Check, Harvest, LoginEndedError, Order
from posada_scraper.results import Results
from posada_scraper.settings import Settings
from posada_scraper.worker.journal import Journal, OvertakenError, Reports


@dataclass(frozen=True)
class Tools:
    """What an attempt works with."""

    logins: Logins
    browsers: Browsers
    results: Results
    settings: Settings


class Attempt:
    """Does the job once."""

    def __init__(self, tools: Tools, job: Job, journal: Journal) -> None:
        self._tools, self._job, self._journal = tools, job, journal
        self._platform = tools.logins.platform(job.platform)
        self._reports = Reports(journal, tools.settings.progress_s)
        self._harvest = Harvest(self._reports)
        self._valid = False

    async def run(self) -> None:
        """From the check to the sealed result.

        Raises:
            GiveUpError: no retry helps.
            OvertakenError: the job is no longer ours.
            PosadaError: a part of the house failed.
        """
        await self._touch()
        if "http" in self._platform.probes:
            await self._settle(await self._tools.logins.probe(self._job.tenant, self._job.session_id), "http")
        if not self._valid or self._job.kind != "check":
            await self._in_browser()
        await self._reports.flush()
        await self._keep_result()
        await self._touch()

    async def _settle(self, check: Check, probe: Probe) -> None:
        """Go on with a good login, stop with a bad one; after `unknown` over HTTP the browser has a look."""
        if check.verdict in ("expired", "banned") or (check.verdict == "unknown" and probe == "browser"):
            raise LoginEndedError(check, probe)
        if check.verdict == "valid":
            await self._tools.logins.record(self._job.tenant, self._job.session_id, check, probe)
            self._valid = True
            if self._job.kind == "check":
                self._harvest.add(
                    "check", {"kind": "check", "verdict": "valid", "probe": probe, **asdict(check.evidence)}
                )
                await self._harvest.tell("checked")

    async def _in_browser(self) -> None:
        """Scrape, in another browser when one dies; what is there already is kept.

        Raises:
            BrowserFailedError: they keep dying.
        """
        settings = self._tools.settings
        patience = settings.browser_patience_s
        for opened in range(settings.browser_deaths + 1):
            try:
                async with self._tools.browsers.page(self._job.tenant, self._job.session_id, patience) as page:
                    await self._on_page(page)
                    return
            except BrowserGoneError:
                get_logger().warning("browser_gone", job=self._job.id, times=opened + 1)
            patience = settings.reopen_patience_s
        raise BrowserFailedError

    async def _on_page(self, page: Page) -> None:
        if not self._valid:
            await self._settle(await self._platform.probe_page(page), "browser")
        if self._job.kind != "check":
            order = Order(self._job.kind, self._job.target, self._job.params)
            await self._platform.scrape(order, page, self._harvest)

    async def _keep_result(self) -> None:
        records, results = self._harvest.records, self._tools.results
        sealed = await results.seal(self._job.tenant, self._job.session_id, self._job.id, records)
        try:
            await self._journal.succeed(sealed, len(records))
        except OvertakenError:
            await results.discard(sealed)
            raise

    async def _touch(self) -> None:
        await self._tools.logins.touch(self._job.tenant, self._job.session_id)
