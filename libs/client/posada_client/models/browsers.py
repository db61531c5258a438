"""A session's live browser, what it takes, and the files that it has downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Browser:
    """A session's browser and where to drive it. Doors that the server does not have are None."""

    state: str  #: queued, starting or open
    position: int | None = None  #: in the queue from 1, while it is queued
    cdp_url: str = ""  #: WebSocket, for Playwright's `connect_over_cdp` and Puppeteer's `connect`
    webdriver_url: str | None = None  #: for Selenium's `Remote`
    live_url: str | None = None  #: for people, in a web browser

    @property
    def is_open(self) -> bool:
        """Whether it can be driven."""
        return self.state == "open"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that a session's browser has downloaded."""

    id: str
    name: str = ""  #: as the site suggested it
    url: str = ""
    size: int = 0  #: bytes
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one open browser takes from its machine."""

    session_id: str
    memory_bytes: int = 0
    cpu_seconds: float = 0.0  #: since it was opened
    processes: int = 0
    clients: int = 0  #: connections that drive it just now
    idle_seconds: float = 0.0  #: since somebody was connected last


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One machine's browsers; those listed are the tenant's own."""

    runner: str
    max_browsers: int = 0
    browsers: list[Usage] = field(default_factory=list)
    queued: int = 0  #: sessions of all tenants that wait for a browser
    warm: int = 0  #: browsers that stand ready
