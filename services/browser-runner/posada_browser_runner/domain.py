"""What a runner may say about a session's browser. The generation of its lease fences the stale ones."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from functools import singledispatchmethod
from typing import Literal, Self

from eventsourcing.domain import BaseAggregate
from posada_contracts.browser import (
    BrowserClosed,
    BrowserEvent,
    BrowserLost,
    BrowserOpened,
    BrowserReopened,
    BrowserUnwell,
    FileDownloaded,
    LoginRestored,
)
from posada_contracts.errors import StaleLeaseError
from posada_contracts.vault import Sealed

Trouble = Literal["page_hung", "transport_hung", "process_dead", "memory"]


class Browser(BaseAggregate[str]):
    """The succession of browsers of one session. Its id is the session's."""

    TOPIC = "browser"
    Event = BrowserEvent

    runner: str
    generation: int
    start_id: str
    is_open: bool = field(default=True, init=False)

    @classmethod
    def first(cls, id: str, *, runner: str, generation: int, start_id: str, took_ms: int, at: datetime) -> Self:
        """The session's first browser has opened."""
        return cls._create(
            BrowserOpened,
            id=id,
            timestamp=at,
            runner=runner,
            generation=generation,
            start_id=start_id,
            took_ms=took_ms,
        )

    def reopen(self, *, runner: str, generation: int, start_id: str, took_ms: int, at: datetime) -> None:
        """Another browser has opened for the session.

        Raises:
            StaleLeaseError: a runner with a newer lease has spoken already.
        """
        self._fence(generation)
        self.trigger_event(
            BrowserReopened, timestamp=at, runner=runner, generation=generation, start_id=start_id, took_ms=took_ms
        )

    def close(self, generation: int, reason: Literal["asked", "idle", "shutdown", "cleaned"], at: datetime) -> None:
        """The browser was ended on purpose. One that is not open makes no event."""
        self._fence(generation)
        if self.is_open:
            self.trigger_event(BrowserClosed, timestamp=at, runner=self.runner, generation=generation, reason=reason)

    def lose(self, generation: int, detail: str, at: datetime) -> None:
        """The browser or its runner died."""
        self._fence(generation)
        if self.is_open:
            self.trigger_event(BrowserLost, timestamp=at, runner=self.runner, generation=generation, detail=detail)

    def fall_ill(self, generation: int, what: Trouble, detail: str, at: datetime) -> None:
        """A probe found it broken."""
        self._fence(generation)
        self.trigger_event(
            BrowserUnwell, timestamp=at, runner=self.runner, generation=generation, what=what, detail=detail
        )

    def restore(self, generation: int, detail: str, at: datetime) -> None:
        """It came up with an older login than the newest."""
        self._fence(generation)
        self.trigger_event(LoginRestored, timestamp=at, runner=self.runner, generation=generation, detail=detail)

    def download(self, name: str, url: str, size: int, secret: Sealed, at: datetime) -> None:
        """A page gave a file."""
        self.trigger_event(
            FileDownloaded, timestamp=at, runner=self.runner, name=name, url=url, size=size, secret=secret
        )

    def _fence(self, generation: int) -> None:
        if generation < self.generation:
            raise StaleLeaseError

    @singledispatchmethod
    def when(self, event: BrowserEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a browser knows nothing of {type(event).__name__}")

    @when.register
    def _opened(self, event: BrowserOpened) -> None:
        self.is_open = True

    @when.register
    def _reopened(self, event: BrowserReopened) -> None:
        self.runner, self.generation, self.start_id = event.runner, event.generation, event.start_id
        self.is_open = True

    @when.register(BrowserUnwell | LoginRestored | FileDownloaded)
    def _told(self, event: BrowserEvent) -> None:
        """Nothing that is decided later depends on these."""

    @when.register(BrowserClosed | BrowserLost)
    def _ended(self, event: BrowserEvent) -> None:
        self.is_open = False
