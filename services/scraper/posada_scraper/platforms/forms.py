"""Platforms whose tokens are fetched through a login form: what they are, and those made by a data file alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from posada_contracts.errors import InvalidInputError
from posada_contracts.session import Probe

from posada_scraper.adapters.page import Page, visit
from posada_scraper.adapters.webdriver import Tab
from posada_scraper.forms.clock import Clock
from posada_scraper.forms.data import FormData, read
from posada_scraper.forms.signin import SignIn
from posada_scraper.platforms.base import Check, Harvest, Order, Platform, SiteClient
from posada_scraper.platforms.sitedata import judge, no_answer
from posada_scraper.site import NoAnswerError

FORM_KIND = "token"  # the kind of job
NEEDED = frozenset({"username", "password"})
TAKEN = NEEDED | {"mfa_code", "totp_secret"}


@runtime_checkable
class FormPlatform(Platform, Protocol):
    """A site that gives a token to who logs in through its form."""

    def sign_in(self, clock: Clock, take: Callable[[float], Tab]) -> SignIn:
        """A login in a tab that `take` connects to, within so many seconds."""


class FormSite:
    """See `FormPlatform`. All that it knows of the site stands in its data file."""

    def __init__(self, name: str, data: FormData, base_url: str | None = None) -> None:
        self._data = data
        self.name = name
        self.base_url = (base_url or data.base_url).rstrip("/")
        self.probes: list[Probe] = data.probes
        self.kinds = [FORM_KIND, *(["check"] if data.probes else [])]

    def parse_target(self, kind: str, target: str) -> str:
        """Nothing. Raises InvalidInputError."""
        if target.strip():
            raise InvalidInputError(f"a {kind} takes no target: it is about the session's own account")
        return ""

    async def probe_http(self, client: SiteClient) -> Check:
        """The home page, over HTTP."""
        try:
            return judge(self._data, self.base_url, await client.get(self.base_url + self._data.home))
        except NoAnswerError as error:
            return no_answer(error)

    async def probe_page(self, page: Page) -> Check:
        """The home page as the session's browser shows it."""
        try:
            seen = await visit(page, self.base_url + self._data.home, self._data.load_s)
        except NoAnswerError as error:
            return no_answer(error)
        return judge(self._data, self.base_url, seen)

    async def scrape(self, order: Order, page: Page, harvest: Harvest) -> None:
        """There is nothing to scrape: a check ends before, and a token is fetched elsewhere."""
        raise InvalidInputError(f"{self.name} has no {order.kind!r} job that is done on a page")

    def sign_in(self, clock: Clock, take: Callable[[float], Tab]) -> SignIn:
        """See `FormPlatform`."""
        return SignIn(self._data, self.base_url, clock, take)


def from_file(path: Path, base_url: str | None) -> FormSite:
    """The platform that a data file describes; the file's name is its own."""
    return FormSite(path.stem, read(path), base_url)
