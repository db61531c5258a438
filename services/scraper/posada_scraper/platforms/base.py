"""What a platform is to the scraper, and what can go wrong on one.

GiveUpError                 no retry helps: the job ends
├── LoginEndedError         the login is over, or the account locked; carries the check that showed it
├── NoCredentialsError
├── TargetNotFoundError
├── SiteUnavailableError    the site kept failing
└── PageChangedError        the page is not built as the platform's data file says
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from posada_contracts.session import Evidence, Probe, Verdict

from posada_scraper.adapters.page import Page
from posada_scraper.site import Seen

Record = dict[str, Any]
Report = Callable[[int, int | None, str], Awaitable[None]]
"""Told how many records there are, how many there will be where that is known, and a note for people.

What it is told goes into the event log in the clear: nothing of what the records say belongs into the note."""


class GiveUpError(Exception):
    """The job cannot be done."""

    code: ClassVar[str] = "internal"

    def __init__(
        self, detail: str = "", *, verdict: Verdict | None = None, evidence: Evidence | None = None, code: str = ""
    ) -> None:
        self.detail = detail or (self.__doc__ or "").strip()
        self.verdict, self.evidence = verdict, evidence
        self.failure = code or self.code  #: stable; what the failed job carries
        super().__init__(self.detail)


class LoginEndedError(GiveUpError):
    """The platform does not take the login."""

    CODES: ClassVar[dict[Verdict, str]] = {
        "expired": "login_expired",
        "banned": "account_banned",
        "unknown": "verdict_unknown",
    }

    def __init__(self, check: Check, probe: Probe = "browser") -> None:
        code = self.CODES[check.verdict]
        super().__init__(check.evidence.detail, verdict=check.verdict, evidence=check.evidence, code=code)
        self.check, self.probe = check, probe


class NoCredentialsError(GiveUpError):
    """This session has no stored login: PUT its credentials first."""

    code = "no_credentials"


class TargetNotFoundError(GiveUpError):
    """The platform has no such profile, or does not show it to this account."""

    code = "target_not_found"


class SiteUnavailableError(GiveUpError):
    """The platform kept failing; the job may be asked for again later."""

    code = "site_unavailable"


class PageChangedError(GiveUpError):
    """The page is not built as expected: a `doctor` job shows what has changed."""

    code = "page_changed"


@dataclass(frozen=True)
class Check:
    """What a look at the platform says about the login."""

    verdict: Verdict
    evidence: Evidence


@dataclass(frozen=True)
class Order:
    """What a job asks of a platform."""

    kind: str
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)


class Harvest:
    """The records of a job, each one once. It outlives a browser that dies: who comes again adds what is missing."""

    def __init__(self, report: Report) -> None:
        self.records: list[Record] = []
        self.total: int | None = None  #: as the platform announces it
        self._known: set[str] = set()
        self._report = report

    def add(self, key: str, record: Record) -> None:
        """Keep a record, unless one with this key is here already."""
        if key not in self._known:
            self._known.add(key)
            self.records.append(record)

    async def tell(self, note: str = "") -> None:
        """Say how far it is. Raises what the job's end makes it raise."""
        await self._report(len(self.records), self.total, note)


class SiteClient(Protocol):
    """A plain HTTP client with the session's login, user agent and proxy, for one platform."""

    async def get(self, url: str) -> Seen:
        """The page at `url`, after redirects within the site.

        Raises:
            NoAnswerError: nothing came back that could be judged.
            ProxyUnreachableError: the session's proxy does not answer.
        """


class Platform(Protocol):
    """One site. Made by a factory that takes a base URL, or `None` for the site's own; see `discovery`."""

    @property
    def name(self) -> str:
        """As in a session's `platform`."""

    @property
    def kinds(self) -> list[str]:
        """The kinds of job it can do; `check` needs nothing but the two probes."""

    @property
    def probes(self) -> list[Probe]:
        """Which probes it allows to tell whether a login is good, the cheapest first."""

    @property
    def base_url(self) -> str:
        """Where it is, without a slash at the end."""

    def parse_target(self, kind: str, target: str) -> str:
        """The target in its one form.

        Raises:
            InvalidInputError: it can never be one, with what would be.
        """

    async def probe_http(self, client: SiteClient) -> Check:
        """Check the login with a request or two. Raises ProxyUnreachableError."""

    async def probe_page(self, page: Page) -> Check:
        """Check the login in the session's browser."""

    async def scrape(self, order: Order, page: Page, harvest: Harvest) -> None:
        """Do the job on an open page of a browser that is logged in.

        Raises:
            GiveUpError: it cannot be done.
        """
