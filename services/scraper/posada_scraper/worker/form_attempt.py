"""One attempt at a token: drive the form, ask for a code where one is needed, seal the token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from posada_contracts.errors import BrowserFailedError
from posada_contracts.job import JobError, Need
from posada_contracts.session import Evidence, GetSecrets, StoreToken, StoreTotp
from posada_runtime.bus import Bus, retried
from posada_runtime.vault import Vault

from posada_scraper.adapters.browser import Browsers, PrivateTab
from posada_scraper.adapters.page import BrowserGoneError
from posada_scraper.adapters.webdriver import Tab
from posada_scraper.domain import Job
from posada_scraper.forms.clock import Clock
from posada_scraper.forms.codes import totp
from posada_scraper.forms.executor import Executor, Place
from posada_scraper.forms.secrets import Inputs, JobSecrets
from posada_scraper.forms.signin import CodeNeeded, SignIn, Token
from posada_scraper.logins import ACTOR, Logins
from posada_scraper.platforms.base import Check, GiveUpError, LoginEndedError
from posada_scraper.platforms.forms import FormPlatform
from posada_scraper.results import Results
from posada_scraper.settings import Settings
from posada_scraper.site import without_values
from posada_scraper.worker.journal import Journal, OvertakenError

WHAT = "mfa_code"
INPUT_TIMEOUT = JobError(code="input_timeout", detail="nobody gave the code that the platform asks for")


@dataclass(frozen=True)
class FormTools:
    """What an attempt works with."""

    bus: Bus
    vault: Vault
    executor: Executor
    secrets: JobSecrets
    inputs: Inputs
    logins: Logins
    browsers: Browsers
    results: Results
    settings: Settings


class FormAttempt:
    """Does the job once. The codes it may use without asking: the one given along, then what the TOTP secret says."""

    def __init__(self, tools: FormTools, platform: FormPlatform, job: Job, journal: Journal, place: Place) -> None:
        self._tools, self._platform, self._job, self._journal = tools, platform, job, journal
        self._place = place
        self._clock = Clock(tools.settings.form_step_s, tools.settings.form_login_s)
        self._given: dict[str, str] = {}
        self._seed = ""  #: the TOTP secret

    async def run(self) -> None:
        """From the form to the sealed token.

        Raises:
            GiveUpError: no retry helps.
            OvertakenError: the job is no longer ours.
            PosadaError: a part of the house failed.
        """
        assert self._job.secret is not None  # no such job is taken in without
        self._given = await self._tools.secrets.open(self._job, self._job.secret)
        self._seed = self._given.get("totp_secret") or await self._kept_seed()
        patience = self._tools.settings.browser_patience_s
        try:
            async with self._tools.browsers.private_tab(self._job.tenant, self._job.session_id, patience) as tab:
                token, url = await self._sign_in(tab)
        except BrowserGoneError:
            raise BrowserFailedError from None
        await self._keep(token, url)

    async def _kept_seed(self) -> str:
        query = GetSecrets(tenant=self._job.tenant, session_id=self._job.session_id)
        sealed = (await self._tools.bus.ask(query, patience=self._tools.settings.registry_patience_s)).totp
        if sealed is None:
            return ""
        open_it = self._tools.vault.open
        return (await retried(lambda: open_it(self._job.tenant, self._job.session_id, sealed), 10)).decode()

    async def _sign_in(self, tab: PrivateTab) -> tuple[Token, str]:
        """Drive the form until there is a token; the driver is closed whatever happens."""
        form = self._platform.sign_in(self._clock, lambda s: Tab.take(tab.webdriver_url, tab.target, s))
        try:
            name, word = self._given["username"], self._given["password"]
            answer = await self._driving(form, partial(form.begin, name, word))
            while isinstance(answer, CodeNeeded):
                code = await self._code(answer)
                answer = await self._driving(form, partial(form.enter, code))
            return answer, form.url
        finally:
            await self._place.run(form.close, self._clock.stop)

    async def _driving(self, form: SignIn, work: Callable[[], Token | CodeNeeded]) -> Token | CodeNeeded:
        try:
            return await self._place.run(work, self._clock.stop)
        except GiveUpError as error:
            if error.verdict is None:
                raise
            evidence = Evidence(url=without_values(form.url), marker=error.code, detail=error.detail)
        raise LoginEndedError(Check("banned", evidence))

    async def _code(self, asked: CodeNeeded) -> str:
        """A code that has not been used yet."""
        if code := self._given.pop(WHAT, ""):
            return code
        if self._seed:
            seed, self._seed = self._seed, ""
            return totp(seed, time.time())
        async with self._place.aside():
            return await self._ask_somebody(asked)

    async def _ask_somebody(self, asked: CodeNeeded) -> str:
        seconds = self._tools.settings.form_input_s
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        with self._tools.inputs.expected(self._job.id) as given:
            await self._journal.ask(Need(what=WHAT, detail=asked.detail[asked.refused], until=until))
            try:
                sealed = await asyncio.wait_for(given, seconds)
            except TimeoutError:
                job = await self._journal.stop_waiting(INPUT_TIMEOUT)
                if job.ended:
                    self._place.ended(well=False)
                    raise OvertakenError(job) from None
                sealed = job.inputs[-1]  # given at the very last moment
        return (await self._tools.secrets.open(self._job, sealed))[WHAT]

    async def _keep(self, token: Token, url: str) -> None:
        tools, patience = self._tools, self._tools.settings.registry_patience_s
        on = {"tenant": self._job.tenant, "session_id": self._job.session_id, "actor": ACTOR}
        await tools.bus.ask(StoreToken(**on, token=token.value, expires_at=token.expires_at), patience=patience)
        if seed := self._given.get("totp_secret"):
            await tools.bus.ask(StoreTotp(**on, secret=seed), patience=patience)
        evidence = Evidence(url=without_values(url), marker="token", detail="the platform gave a token")
        await tools.logins.record(self._job.tenant, self._job.session_id, Check("valid", evidence), "browser")
        record = {"kind": "token", "place": token.place, "expires_at": token.expires_at}
        sealed = await tools.results.seal(self._job.tenant, self._job.session_id, self._job.id, [record])
        try:
            await self._journal.succeed(sealed, 1)
        except OvertakenError:
            await tools.results.discard(sealed)
            raise
