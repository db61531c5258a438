"""Looks after open browsers: probes process, transport and pages, tells of what is broken, and starts it again.

    the process is gone          -> told as lost by its watcher; started again, each time after a longer pause
    DevTools does not answer     -> an alert; ended and started again, in the same way
    a page does not answer       -> an alert; when it lasts, and nobody is connected, or it lasts long: cleaned, and
                                    started again. Told apart from a page that waits for an answer to its dialog.
    what will not start again    -> cleaned, and left alone

Nothing is taken for broken because it is silent: it was asked, and has not answered.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

import psutil
from posada_contracts.errors import BrowserFailedError, ConflictError, NotFoundError, PosadaError
from posada_runtime.ending import end
from posada_runtime.log import get_logger

from posada_browser_runner.adapters.tabs import Tabs
from posada_browser_runner.cleaning import Cleaning
from posada_browser_runner.hosted import Hosted
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.journal import Journal
from posada_browser_runner.reception import Reception
from posada_browser_runner.settings import Settings
from posada_browser_runner.usage import Meter

LONGEST_PAUSE_S = 30.0
RESTART_WAIT_S = 60.0
MB = 1 << 20


@dataclass
class _Falls:
    """How often a browser has died lately."""

    first: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    count: int = 0

    def pause_s(self) -> float:
        """Nothing after the first fall, then 1, 2, 4 … seconds."""
        return 0.0 if self.count < 2 else min(2.0 ** (self.count - 2), LONGEST_PAUSE_S)


class Care:
    """One runner's."""

    def __init__(
        self,
        hosting: Hosting,
        reception: Reception,
        cleaning: Cleaning,
        journal: Journal,
        meter: Meter,
        settings: Settings,
    ) -> None:
        self._hosting, self._reception, self._cleaning = hosting, reception, cleaning
        self._journal, self._meter, self._settings = journal, meter, settings
        self._falls: dict[str, _Falls] = {}
        self._restarts: dict[str, asyncio.Task[None]] = {}
        hosting.on_end.append(self._ended)

    def forget(self, session_id: str) -> None:
        """The session's browser is not to be started again: somebody closed it."""
        self._falls.pop(session_id, None)
        if (task := self._restarts.pop(session_id, None)) is not None:
            task.cancel()

    async def stop(self) -> None:
        """Start nothing again any more."""
        await end(*self._restarts.values())

    async def probe_forever(self) -> None:
        """Probe every browser, on a timer, side by side."""
        while True:
            await asyncio.sleep(self._settings.probe_seconds)
            await asyncio.gather(*(self._probe(one) for one in self._hosting.hosted))

    async def _probe(self, one: Hosted) -> None:
        tabs: Tabs = one.started.tabs
        try:
            await tabs.cdp.call("Browser.getVersion", timeout_s=self._settings.hang_seconds)
        except BrowserFailedError:
            if one.started.chromium.alive and not one.ending:  # a dead one is its watcher's
                await self._tell(one, "transport_hung", "the browser lives, and does not answer over DevTools")
                await self._end(one, "it did not answer over DevTools")
            return
        hung = tabs.hung(self._settings.hang_seconds)
        if not hung:
            one.hung_since = None
            one.told.discard("page_hung")
            return
        await self._tell(one, "page_hung", f"{len(hung)} pages do not answer: {hung[0]}")
        await self._clean_what_lasts(one)

    async def _clean_what_lasts(self, one: Hosted) -> None:
        now = time.monotonic()
        one.hung_since = one.hung_since or now
        lasts = now - one.hung_since
        if lasts >= self._settings.broken_seconds or (not self._hosting.clients(one) and lasts > 0):
            get_logger().warning("hung_browser_cleaned", session_id=one.session_id, after_s=round(lasts))
            await self._cleaning.clean(one.tenant, one.session_id)
            self._start_again(one)

    async def _end(self, one: Hosted, why: str) -> None:
        async with self._hosting.locked(one.session_id):
            if not one.ending:
                await self._hosting.end(one, lost=why, again=True)

    def _ended(self, hosted: Hosted, again: bool) -> None:
        if again:
            self._start_again(hosted)

    def _start_again(self, hosted: Hosted) -> None:
        if hosted.session_id not in self._restarts:
            task = asyncio.create_task(self._restart(hosted), name=f"restart {hosted.session_id}")
            self._restarts[hosted.session_id] = task
            task.add_done_callback(lambda _: self._restarts.pop(hosted.session_id, None))

    async def _restart(self, hosted: Hosted) -> None:
        """Open the session's browser again, and again, until it stands or has been broken for too long."""
        tenant, session_id = hosted.tenant, hosted.session_id
        while True:
            falls = self._fallen(session_id)
            if falls.last - falls.first > self._settings.broken_seconds:
                await self._give_up(hosted)
                return
            await asyncio.sleep(falls.pause_s())
            try:
                await self._reception.open(tenant, session_id, RESTART_WAIT_S)
                return
            except (NotFoundError, ConflictError):  # erased, or open at another runner
                return
            except PosadaError as error:
                get_logger().warning("browser_not_restarted", session_id=session_id, why=error.code)

    def _fallen(self, session_id: str) -> _Falls:
        now = time.monotonic()
        falls = self._falls.get(session_id)
        if falls is None or now - falls.last > self._settings.broken_seconds:
            falls = self._falls[session_id] = _Falls()
        falls.count, falls.last = falls.count + 1, now
        return falls

    async def _give_up(self, hosted: Hosted) -> None:
        detail = f"it died again and again for {self._settings.broken_seconds:g} s, and is left closed"
        await self._tell(hosted, "process_dead", detail)
        self._falls.pop(hosted.session_id, None)
        await self._cleaning.clean(hosted.tenant, hosted.session_id)

    async def guard_memory(self) -> None:
        """Close idle browsers that take too much, and the least valuable idle ones of a machine that is short."""
        limit = self._settings.memory_mb * MB
        if limit:
            await self._meter.measure()
            taken = {each.session_id: each.memory_bytes for each in self._meter.usage()}
            for one in self._hosting.hosted:
                if taken.get(one.session_id, 0) > limit:
                    await self._relieve(one, taken[one.session_id])
        if psutil.virtual_memory().available < self._settings.spare_mb * MB:
            get_logger().warning("machine_short_of_memory")
            await self._reception.make_room(self._settings.settle_seconds)

    async def _relieve(self, one: Hosted, taken: int) -> None:
        await self._tell(one, "memory", f"it takes {taken // MB} MB of at most {self._settings.memory_mb}")
        if self._hosting.idle_s(one) > self._settings.settle_seconds:
            await self._hosting.close(one.tenant, one.session_id, "idle")

    async def _tell(
        self, one: Hosted, what: Literal["page_hung", "transport_hung", "process_dead", "memory"], detail: str
    ) -> None:
        """Tell of it once."""
        if what not in one.told:
            one.told.add(what)
            get_logger().warning("browser_unwell", session_id=one.session_id, what=what)
            await self._journal.unwell(one.tenant, one.session_id, one.lease.generation, what, detail)
