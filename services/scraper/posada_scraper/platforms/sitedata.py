"""A platform's data file: where things are on its site, and how to know a good login from a bad one.

Sites change without notice. What has to be corrected then stands in `<platform>.toml` and not in code; a `doctor` job
says which selector finds nothing any more.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec
from posada_contracts.session import Evidence, Probe, Verdict

from posada_scraper.platforms.base import Check
from posada_scraper.site import NoAnswerError, Seen, without_values

Hits = Literal["some", "any", "none"]


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sign on a page. All of its patterns that are given must be found."""

    name: str
    verdict: Verdict
    says: str  #: one sentence for people
    path: str = ""  #: regular expression on the path below the base URL
    html: str = ""  #: regular expression on the page's HTML

    def __post_init__(self) -> None:
        """Raises ValueError when there is nothing to go by."""
        if not (self.path or self.html):
            raise ValueError(f"marker {self.name} has no pattern")

    def is_on(self, path: str, html: str) -> bool:
        """Whether the page bears it."""
        return bool(re.search(self.path, path)) and bool(re.search(self.html, html))


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something is on a page."""

    css: str
    hits: Hits = "some"  #: how many a healthy page has


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How gently the site is treated. Seconds."""

    min_delay_s: float  #: between two page loads of one job
    tries: int  #: of one page load, while the site fails
    first_pause_s: float  #: before the second try; doubles each time
    longest_pause_s: float
    load_s: float  #: how long a page may take
    stall_s: float  #: how long a list that loads while scrolling may stand still


class SiteData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    base_url: str
    hosts: list[str]  #: under which people know the site; links to any of them are understood
    probes: list[Probe]  #: which may tell whether a login is good, the cheapest first
    reserved: list[str]  #: first parts of paths that are no one's username
    paths: dict[str, str]
    pace: Pace
    markers: list[Marker]  #: the first one that is on the page decides
    selectors: dict[str, dict[str, Selector]]  #: by kind of page, then by name

    def css(self, page: str, name: str) -> str:
        """One selector."""
        return self.selectors[page][name].css


def load(name: str) -> SiteData:
    """The data file of the platform `name`, from this package."""
    return msgspec.toml.decode((files(__package__) / f"{name}.toml").read_bytes(), type=SiteData)


class Marked(Protocol):
    """What says which sign on a page means what."""

    @property
    def markers(self) -> list[Marker]:
        """The first one that is on the page decides."""


def judge(data: Marked, base_url: str, seen: Seen) -> Check:
    """What a page says about the login."""
    if seen.failed:
        name = "rate_limited" if seen.status == 429 else "server_error"
        return _check("unknown", seen, name, f"the platform answered {seen.status}")
    path = urlsplit(seen.url).path.removeprefix(urlsplit(base_url).path)
    for marker in data.markers:
        if marker.is_on(path, seen.html):
            return _check(marker.verdict, seen, marker.name, marker.says)
    return _check("unknown", seen, "", "this page bears no marker that is known")


def no_answer(error: NoAnswerError) -> Check:
    """A check that came to nothing."""
    evidence = Evidence(url=without_values(error.url), marker=error.marker, detail=error.detail)
    return Check("unknown", evidence)


def _check(verdict: Verdict, seen: Seen, marker: str, detail: str) -> Check:
    return Check(verdict, Evidence(url=without_values(seen.url), marker=marker, status=seen.status, detail=detail))
