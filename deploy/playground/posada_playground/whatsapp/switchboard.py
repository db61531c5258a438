"""Which browsers are linked to which phone, which pages are open, and which codes they show at this moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from posada_playground.whatsapp.code import new_payload
from posada_playground.whatsapp.proof import PublicKey

Word = Literal["linked", "logged_out", "refresh", "logout", "gone"]


class CodeGoneError(Exception):
    """No page shows this code (any more)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that a phone has let in."""

    key: PublicKey
    phone: str
    user_agent: str
    linked_at: datetime


@dataclass(slots=True, eq=False)
class OpenPage:
    """A page with a socket. What it and its phone say arrives in one inbox, in order."""

    key: PublicKey
    user_agent: str
    inbox: asyncio.Queue[Word] = field(default_factory=asyncio.Queue)

    async def hear(self, within_s: float | None = None) -> Word | None:
        """The next word; None when none came in time."""
        try:
            async with asyncio.timeout(within_s):
                return await self.inbox.get()
        except TimeoutError:
            return None


@dataclass(slots=True)
class Switchboard:
    """All of it, from the start of the playground to its end."""

    qr_ms: int = 20_000  #: how long a code is shown
    qr_rotations: int = 5  #: so many codes, then the page waits for a click
    devices: dict[PublicKey, Device] = field(default_factory=dict)
    _pages: set[OpenPage] = field(default_factory=set)
    _shown: dict[str, OpenPage] = field(default_factory=dict)

    @contextmanager
    def open(self, key: PublicKey, user_agent: str) -> Iterator[OpenPage]:
        """A page is open for as long as the block runs."""
        page = OpenPage(key, user_agent)
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)

    @contextmanager
    def showing(self, page: OpenPage) -> Iterator[str]:
        """A new code that can be scanned for as long as the block runs."""
        payload = new_payload(page.key)
        self._shown[payload] = page
        try:
            yield payload
        finally:
            self._shown.pop(payload, None)

    def scan(self, payload: str, phone: str) -> Device:
        """What a phone's camera does; raises `CodeGoneError`."""
        page = self._shown.pop(payload, None)
        if page is None:
            raise CodeGoneError
        device = Device(page.key, phone, page.user_agent, datetime.now(UTC))
        self.devices[page.key] = device
        self._tell(page.key, "linked")
        return device

    def forget(self, key: PublicKey) -> None:
        """Logs one browser out."""
        if self.devices.pop(key, None) is not None:
            self._tell(key, "logged_out")

    def log_out(self, phone: str) -> int:
        """Logs out all browsers of a phone; how many there were."""
        mine = [device.key for device in self.devices.values() if device.phone == phone]
        for key in mine:
            self.forget(key)
        return len(mine)

    def open_pages(self, key: PublicKey) -> int:
        """How many pages of a browser are open."""
        return sum(page.key == key for page in self._pages)

    def _tell(self, key: PublicKey, word: Word) -> None:
        for page in self._pages:
            if page.key == key:
                page.inbox.put_nowait(word)
