"""Opens browsers for whoever asks: at once, after a wait in the queue, or at another runner that has room."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from posada_contracts.browser import BrowserView, OpenBrowserAt
from posada_contracts.errors import ConflictError, PosadaError, QueueFullError, UnavailableError
from posada_contracts.session import SessionSecrets
from posada_runtime.bus import Bus
from posada_runtime.leases import Lease, Leases

from posada_browser_runner.hosted import Hosted, lease_key
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.neighbours import Neighbours
from posada_browser_runner.pool import Places, Rules, Ticket
from posada_browser_runner.settings import Settings

LOOK_S = 1.0
FORWARD_S = 45.0
_NOT_THERE = (UnavailableError, ConflictError, QueueFullError)
"""The runner that had room a second ago is gone, or somebody was faster."""


@dataclass(eq=False)
class _Opening:
    ticket: Ticket
    task: asyncio.Task[BrowserView]


class Reception:
    """One runner's."""

    def __init__(self, bus: Bus, leases: Leases, hosting: Hosting, neighbours: Neighbours, settings: Settings) -> None:
        self._bus, self._leases, self._hosting = bus, leases, hosting
        self._neighbours, self._settings = neighbours, settings
        self.places = Places(
            Rules(settings.max_browsers, settings.longest_queue, settings.per_owner, settings.ageing_seconds)
        )
        self._openings: dict[tuple[str, str], _Opening] = {}
        self._stirred = asyncio.Event()
        hosting.on_end.append(self._left)

    def stir(self) -> None:
        """Something has changed that may give somebody a place."""
        self._stirred.set()

    def _left(self, hosted: Hosted, _: bool) -> None:
        self.places.leave(hosted.session_id)
        self.stir()

    async def open(self, tenant: str, session_id: str, wait_s: float, *, forwarded: bool = False) -> BrowserView:
        """Open the session's browser, or join the one that is open, or tell after `wait_s` how far that is.

        Args:
            forwarded: another runner sent the session here; it is not sent on.

        Raises:
            QueueFullError: too many wait already.
            PosadaError: see `Hosting.start`.
        """
        key = (tenant, session_id)
        if key not in self._openings:
            hosted = self._hosting.of_tenant(tenant, session_id)
            if hosted is not None and hosted.started.chromium.alive:
                self._hosting.used(session_id)
                return self._hosting.view(hosted)
            secrets = await self._hosting.secrets(tenant, session_id)
            if not forwarded and (elsewhere := await self._elsewhere(tenant, session_id, wait_s)) is not None:
                return elsewhere
            if key not in self._openings:
                self._begin(tenant, session_id, secrets)
        opening = self._openings[key]
        self.places.asked(opening.ticket)
        await asyncio.wait({opening.task}, timeout=max(0.0, wait_s))
        self.places.asked(opening.ticket)
        return opening.task.result() if opening.task.done() else self._not_yet(opening)

    def _begin(self, tenant: str, session_id: str, secrets: SessionSecrets) -> None:
        ticket = self.places.enter(session_id, (tenant, secrets.owner), vip=secrets.priority == "vip")
        if self.places.free and self.places.next() is ticket:
            self.places.grant(ticket)
        task = asyncio.create_task(self._serve(tenant, session_id, ticket, secrets), name=f"open {session_id}")
        self._openings[tenant, session_id] = _Opening(ticket, task)
        task.add_done_callback(lambda done: self._served((tenant, session_id), done))
        self.stir()

    def _served(self, key: tuple[str, str], task: asyncio.Task[BrowserView]) -> None:
        del self._openings[key]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits any more

    async def _serve(self, tenant: str, session_id: str, ticket: Ticket, secrets: SessionSecrets) -> BrowserView:
        try:
            while True:
                runner, lease = await self._turn(session_id, ticket)
                if not runner:
                    return self._hosting.view(await self._hosting.start(tenant, session_id, secrets, lease))
                with contextlib.suppress(*_NOT_THERE):
                    return await self._send(runner, tenant, session_id, self._settings.ageing_seconds)
                self.places.again(ticket)
        except BaseException:
            self.places.withdraw(ticket, "it was not to be")
            if not self._hosting.hosts(session_id):
                self.places.leave(session_id)
                self.stir()
            raise

    async def _turn(self, session_id: str, ticket: Ticket) -> tuple[str, Lease | None]:
        """Wait for a place. A session that waits is held by this runner: whoever asks for it is sent here."""
        if ticket.turn.done():
            return ticket.turn.result(), None
        lease = await self._leases.acquire(lease_key(session_id))
        if lease is None:
            raise ConflictError("another runner holds this session")
        try:
            runner = await ticket.turn
        except BaseException:
            await self._leases.release(lease)
            raise
        if not runner and not lease.lost.is_set():
            return runner, lease
        await self._leases.release(lease)
        return runner, None

    async def _elsewhere(self, tenant: str, session_id: str, wait_s: float) -> BrowserView | None:
        """Opened at the runner that has most room, when that is not this one."""
        runner = self._neighbours.with_more_than(self.places.free - self.places.waiting)
        if runner is None:
            return None
        try:
            return await self._send(runner, tenant, session_id, wait_s)
        except _NOT_THERE:
            return None  # here, then

    async def _send(self, runner: str, tenant: str, session_id: str, wait_s: float) -> BrowserView:
        command = OpenBrowserAt(
            tenant=tenant, session_id=session_id, runner=runner, wait_s=wait_s, actor=f"runner:{self._settings.name}"
        )
        return await self._bus.ask(command, timeout=wait_s + FORWARD_S)

    def _not_yet(self, opening: _Opening) -> BrowserView:
        position = self.places.position(opening.ticket)
        return BrowserView(
            state="starting" if position is None else "queued",
            runner=self._settings.name,
            generation=0,
            cdp_url="",
            position=position,
        )

    async def withdraw(self, tenant: str, session_id: str) -> bool:
        """The session is not to be opened any more. False: it was not waiting."""
        opening = self._openings.get((tenant, session_id))
        if opening is None or opening.ticket.turn.done():
            return False
        self.places.withdraw(opening.ticket, "the browser was closed before its turn had come")
        await asyncio.wait({opening.task})
        return True

    async def tend(self) -> None:
        """Give places to those that wait, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if self.places.waiting else None):
                    await self._stirred.wait()
            self._stirred.clear()
            with contextlib.suppress(PosadaError):
                await self._seat()

    async def _seat(self) -> None:
        while (ticket := self.places.next()) is not None:
            if self.places.free:
                self.places.grant(ticket)
            elif (runner := self._neighbours.with_more_than(0)) is not None:
                self.places.grant(ticket, runner)
            elif not await self.make_room(self._settings.settle_seconds):
                break
        for ticket in self.places.held_up_by_their_own():
            await self.make_room(self._settings.settle_seconds, *ticket.owner)

    async def make_room(self, idle_s: float, tenant: str = "", owner: str = "") -> bool:
        """Save and close the least valuable browser that nobody was connected to for `idle_s`; a busy one never.

        VIPs' are the most valuable, then those used last. False: there is none.
        """
        idle = [
            one
            for one in self._hosting.hosted
            if self._hosting.idle_s(one) > idle_s and (not owner or (one.tenant, one.owner) == (tenant, owner))
        ]
        if not idle:
            return False
        least = min(idle, key=lambda one: (one.vip, one.used_at))
        return await self._hosting.close(least.tenant, least.session_id, "idle")

    async def close_idle(self) -> None:
        """Save and close what nobody was connected to for `idle_seconds`, or what has lived for `life_seconds`."""
        now, settings = asyncio.get_running_loop().time(), self._settings
        for one in self._hosting.hosted:
            too_old = settings.life_seconds and now - one.opened_at > settings.life_seconds
            if too_old or self._hosting.idle_s(one) > settings.idle_seconds:
                await self._hosting.close(one.tenant, one.session_id, "idle")
