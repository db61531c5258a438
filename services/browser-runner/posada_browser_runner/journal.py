"""What the runner puts into the event log about its browsers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from posada_contracts.browser import BrowserEvent, BrowserOpened, BrowserReopened, CloseBrowser
from posada_contracts.errors import PosadaError
from posada_contracts.streams import of_kind
from posada_contracts.vault import Sealed
from posada_runtime.eventstore import EventStore
from posada_runtime.log import get_logger

from posada_browser_runner.domain import Browser, Trouble


class Journal:
    """Writes for one runner, and finds what an earlier life of it left open in the log."""

    def __init__(self, store: EventStore, runner: str) -> None:
        self._store, self._runner = store, runner

    async def opened(self, tenant: str, session_id: str, *, generation: int, start_id: str, took_ms: int) -> None:
        """A browser is there.

        Raises:
            StaleLeaseError: another runner has taken the session over.
        """
        now = datetime.now(UTC)

        def decide(browser: Browser | None) -> Browser:
            facts = {"runner": self._runner, "start_id": start_id}
            if browser is None:
                return Browser.first(session_id, generation=generation, took_ms=took_ms, at=now, **facts)
            browser.reopen(generation=generation, took_ms=took_ms, at=now, **facts)
            return browser

        await self._store.execute(Browser, self._command(tenant, session_id), session_id, decide)

    async def closed(
        self, tenant: str, session_id: str, generation: int, reason: Literal["asked", "idle", "shutdown", "cleaned"]
    ) -> None:
        """A browser was ended on purpose."""
        await self._tell(tenant, session_id, lambda b: b.close(generation, reason, datetime.now(UTC)))

    async def lost(self, tenant: str, session_id: str, generation: int, detail: str) -> None:
        """A browser died."""
        await self._tell(tenant, session_id, lambda b: b.lose(generation, detail, datetime.now(UTC)))

    async def unwell(self, tenant: str, session_id: str, generation: int, what: Trouble, detail: str) -> None:
        """An alert."""
        await self._tell(tenant, session_id, lambda b: b.fall_ill(generation, what, detail, datetime.now(UTC)))

    async def restored(self, tenant: str, session_id: str, generation: int, detail: str) -> None:
        """An older login is used."""
        await self._tell(tenant, session_id, lambda b: b.restore(generation, detail, datetime.now(UTC)))

    async def downloaded(self, tenant: str, session_id: str, *, name: str, url: str, size: int, secret: Sealed) -> None:
        """A file was sealed. Raises UnavailableError."""
        await self._change(tenant, session_id, lambda b: b.download(name, url, size, secret, datetime.now(UTC)))

    async def _tell(self, tenant: str, session_id: str, change: Callable[[Browser], None]) -> None:
        try:
            await self._change(tenant, session_id, change)
        except PosadaError as error:  # stale: somebody newer speaks for the session; away: the next start tells it
            get_logger().warning("browser_event_not_recorded", session_id=session_id, why=error.code)

    async def _change(self, tenant: str, session_id: str, change: Callable[[Browser], None]) -> None:
        def decide(browser: Browser | None) -> Browser:
            assert browser is not None  # it was opened before it could end
            change(browser)
            return browser

        await self._store.execute(Browser, self._command(tenant, session_id), session_id, decide)

    async def close_the_past(self) -> None:
        """Tell of every browser that an earlier life of this runner had open: it is lost."""
        newest: dict[str, tuple[str, BrowserEvent]] = {}
        async for recorded in self._store.read(of_kind("browser")):
            if isinstance(recorded.event, BrowserEvent):
                newest[recorded.event.originator_id] = (recorded.tenant, recorded.event)
        for session_id, (tenant, event) in newest.items():
            if isinstance(event, BrowserOpened | BrowserReopened) and event.runner == self._runner:
                await self.lost(tenant, session_id, event.generation, "the runner was started anew")

    def _command(self, tenant: str, session_id: str) -> CloseBrowser:
        """Only its tenant, actor and fresh id count: a runner's entries answer no request."""
        return CloseBrowser(tenant=tenant, session_id=session_id, actor=f"runner:{self._runner}")
