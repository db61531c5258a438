"""What a platform can do besides when a phone lets its sessions in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from posada_scraper.adapters.page import Page
from posada_scraper.platforms.base import Platform

Shows = Literal["loading", "qr", "stale", "connected"]


@dataclass(frozen=True)
class Sight:
    """What the page shows. `stale`: the codes ran out, and the site waits for a click."""

    shows: Shows
    qr: str = field(default="", repr=False)  #: what the code says: a login


@runtime_checkable
class LinkPlatform(Platform, Protocol):
    """A site that shows a QR and then knows the browser by keys it keeps."""

    async def open(self, page: Page) -> None:
        """Bring the site onto the page.

        Raises:
            SiteUnavailableError: it does not answer.
            ProxyUnreachableError: the session's proxy does not answer.
        """

    async def change(self, page: Page, seen: Sight | None, within_s: float) -> Sight:
        """What the page shows as soon as that is something else than `seen`, or what it shows after `within_s`.

        Raises:
            PageHungError: the page does not even run its own timers.
        """

    async def renew(self, page: Page) -> None:
        """Ask for new codes where the old ones ran out."""
