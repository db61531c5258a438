"""The link's life.

initializing ──qr──► qr ──scanned──► connected ──logged out, closed──► disconnected
   │  └──────────stored keys───────────►  │
   └──────► failed ◄─── qr                └──browser died──► initializing ──stored keys──► connected

Whoever watches the page writes; who has been replaced as its watcher is refused, silently, and sees that by
`is_watched_by`. A link that has ended takes nothing until somebody takes it over anew.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Self

from eventsourcing.domain import BaseAggregate
from posada_contracts import link as said
from posada_contracts.link import LinkEvent, LinkState

EPOCH = datetime.fromtimestamp(0, UTC)
LOGGED_OUT = "the phone has logged this session out, or its stored keys are gone: a new code has to be scanned"


class Link(BaseAggregate[str]):
    """The link of one session. Its id is the session's."""

    TOPIC = "link"
    Event = LinkEvent

    worker: str  #: the one watch that may write
    state: LinkState = field(default="initializing", init=False)
    linked: bool = field(default=False, init=False)  #: it was connected, and nothing has said otherwise since
    detail: str = field(default="", init=False)
    changed_at: datetime = field(default=EPOCH, init=False)

    @classmethod
    def begin(cls, id: str, worker: str, at: datetime) -> Self:
        """The session's first link."""
        return cls._create(said.LinkBegun, id=id, timestamp=at, worker=worker)

    @property
    def live(self) -> bool:
        """Whether it is to be watched."""
        return self.state in ("initializing", "qr", "connected")

    def is_watched_by(self, worker: str) -> bool:
        """Whether `worker` may write."""
        return self.live and self.worker == worker

    def take_over(self, worker: str, at: datetime) -> None:
        """A watch begins, in the place of whichever was there before."""
        if not (self.state == "initializing" and self.worker == worker):
            self.trigger_event(said.LinkInitializing, timestamp=at, worker=worker)

    def reopen(self, worker: str, at: datetime) -> None:
        """Its page has to be opened once more."""
        if self.is_watched_by(worker):
            self.take_over(worker, at)

    def show_qr(self, worker: str, at: datetime) -> None:
        """The page shows a code. Where a connected session should be, that means that it was logged out."""
        if self.is_watched_by(worker) and self.linked:
            self.trigger_event(said.LinkDisconnected, timestamp=at, detail=LOGGED_OUT)
        elif self.is_watched_by(worker) and self.state != "qr":
            self.trigger_event(said.LinkShowsQr, timestamp=at)

    def connect(self, worker: str, at: datetime) -> None:
        """The page is let in."""
        if self.is_watched_by(worker) and self.state != "connected":
            self.trigger_event(said.LinkConnected, timestamp=at)

    def end(self, code: str, detail: str, at: datetime) -> None:
        """It is over: disconnected when it was connected, else failed with `code`."""
        if self.live and self.linked:
            self.trigger_event(said.LinkDisconnected, timestamp=at, detail=detail)
        elif self.live:
            self.trigger_event(said.LinkFailed, timestamp=at, code=code, detail=detail)

    @singledispatchmethod
    def when(self, event: LinkEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a link knows nothing of {type(event).__name__}")

    @when.register
    def _begun(self, event: said.LinkBegun) -> None:
        self._to("initializing", event)

    @when.register
    def _initializing(self, event: said.LinkInitializing) -> None:
        self.worker = event.worker
        self._to("initializing", event)

    @when.register
    def _shows_qr(self, event: said.LinkShowsQr) -> None:
        self._to("qr", event)

    @when.register
    def _connected(self, event: said.LinkConnected) -> None:
        self.linked = True
        self._to("connected", event)

    @when.register
    def _disconnected(self, event: said.LinkDisconnected) -> None:
        self.linked = False
        self._to("disconnected", event, event.detail)

    @when.register
    def _failed(self, event: said.LinkFailed) -> None:
        self.linked = False
        self._to("failed", event, event.detail)

    def _to(self, state: LinkState, event: LinkEvent, detail: str = "") -> None:
        self.state, self.detail, self.changed_at = state, detail, event.timestamp
