"""Whose profile a target or a link means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from posada_contracts.errors import InvalidInputError

from posada_scraper.platforms.sitedata import SiteData
from posada_scraper.site import same_site

USERNAME = re.compile(r"[A-Za-z0-9.]{3,50}")
NUMBER = re.compile(r"[0-9]{3,25}")
WHAT_WOULD_DO = "give a username (letters, digits and dots, 3 to 50), a numeric id, or the profile's URL"


@dataclass(frozen=True)
class Who:
    """A profile: exactly one of the two is set."""

    id: str | None = None
    username: str | None = None

    def __str__(self) -> str:
        return self.id or self.username or ""


def parse(data: SiteData, base_url: str, target: str) -> Who:
    """The profile that a person means.

    Raises:
        InvalidInputError: it cannot be one.
    """
    target = target.strip()
    if NUMBER.fullmatch(target):
        return Who(id=target)
    if USERNAME.fullmatch(target) and target.lower() not in data.reserved:
        return Who(username=target)
    found = of_link(data, base_url, target if "://" in target else f"https://{target}") if "/" in target else None
    if found is None:
        raise InvalidInputError(f"{target[:100]!r} is no profile: {WHAT_WOULD_DO}")
    return found


def of_link(data: SiteData, base_url: str, url: str) -> Who | None:
    """The profile that a URL leads to; `None` when it is no profile's."""
    path = _path_on_site(data, base_url, url)
    if path is None:
        return None
    first, _, rest = path.strip("/").partition("/")
    if first == "profile.php":
        (number, *_) = parse_qs(urlsplit(url).query).get("id", [""])
        return Who(id=number) if NUMBER.fullmatch(number) else None
    if first == "people":
        number = rest.strip("/").rpartition("/")[2]
        return Who(id=number) if NUMBER.fullmatch(number) else None
    if NUMBER.fullmatch(first):
        return Who(id=first)
    return Who(username=first) if USERNAME.fullmatch(first) and first.lower() not in data.reserved else None


def _path_on_site(data: SiteData, base_url: str, url: str) -> str | None:
    """The path below the base URL, or below one of the site's own hosts."""
    try:
        path = urlsplit(url).path
        base_path = urlsplit(base_url).path
        if same_site(base_url, url) and path.startswith(f"{base_path}/"):
            return path.removeprefix(base_path)
        own = any(same_site(f"{urlsplit(url).scheme}://{host}", url) for host in data.hosts)
    except ValueError:  # a port that is no number, a broken IPv6 address
        return None
    return path if own else None
