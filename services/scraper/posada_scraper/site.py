"""What a look at a site brings back, over HTTP or in a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Seen:
    """One page as it came. `html` may hold what is private: it goes nowhere."""

    url: str
    status: int
    html: str = field(repr=False)
    retry_after_s: float = 0.0  #: how long the site asks to be left alone

    @property
    def failed(self) -> bool:
        """Whether the site says that it cannot, or will not, answer just now."""
        return self.status == 429 or self.status >= 500


class NoAnswerError(Exception):
    """The site gave no page to judge: a network error, a time-out, or a redirect to elsewhere."""

    def __init__(self, url: str, marker: str, detail: str) -> None:
        self.url, self.marker, self.detail = url, marker, detail
        super().__init__(detail)


def same_site(base_url: str, url: str) -> bool:
    """Whether `url` is on the host of `base_url` or below it; `www.` counts for nothing, the port does."""
    base, other = urlsplit(base_url), urlsplit(url)
    site = (base.hostname or "").removeprefix("www.")
    host = other.hostname or ""
    if other.scheme not in PORTS or (base.scheme == "https" and other.scheme != "https"):
        return False
    return (host == site or host.endswith(f".{site}")) and _port(base_url) == _port(url)


def without_values(url: str) -> str:
    """`url` with its query's values and fragment left out: they may be tokens."""
    parts = urlsplit(url)
    names = urlencode([(name, "") for name, _ in parse_qsl(parts.query, keep_blank_values=True)])
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, names, ""))


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or PORTS.get(parts.scheme)
