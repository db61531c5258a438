"""The browsers that this runner hosts: open, join, close, clean, lose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from posada_contracts.browser import BrowserView
from posada_contracts.errors import BrowserFailedError, ConflictError, NotFoundError, PosadaError, UnavailableError
from posada_contracts.session import GetSecrets, SessionSecrets, Step, StoreCredentials
from posada_runtime.bus import Bus
from posada_runtime.leases import Lease, Leases
from posada_runtime.log import get_logger
from posada_runtime.processes import end_exactly, find_marked
from posada_runtime.telemetry import span
from posada_runtime.vault import Vault

from posada_browser_runner.adapters.devtools_door import DevtoolsDoor
from posada_browser_runner.adapters.start import Started, Starter
from posada_browser_runner.allowed import Allowed
from posada_browser_runner.journal import Journal
from posada_browser_runner.settings import Settings

Reason = Literal["asked", "idle", "shutdown", "cleaned"]
END_GRACE_S = 5.0


@dataclass
class Hosted:
    """One open browser."""

    tenant: str
    session_id: str
    started: Started
    lease: Lease
    token: str  #: of the DevTools door
    login: bytes  #: as last saved, to see whether it changed
    used_at: float = field(default_factory=time.monotonic)
    watch: asyncio.Task[None] | None = None
    ending: bool = False


class Hosting:
    """Owns the live browsers of one runner. One session's commands run in order, different sessions' side by side."""

    def __init__(
        self, bus: Bus, vault: Vault, leases: Leases, journal: Journal, starter: Starter, settings: Settings
    ) -> None:
        self._bus, self._vault, self._leases, self._journal = bus, vault, leases, journal
        self._starter, self._settings = starter, settings
        self._door = DevtoolsDoor(settings.host, settings.port)
        self._hosted: dict[str, Hosted] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._starts = asyncio.Semaphore(settings.starts_at_once)
        self._starting = 0

    async def begin(self) -> None:
        """Open the DevTools door."""
        await self._door.start()

    @property
    def hosted(self) -> list[Hosted]:
        """What is open now."""
        return list(self._hosted.values())

    @property
    def house(self) -> str:
        """Whose processes are looked at."""
        return self._starter.house

    async def remove_leftovers(self) -> int:
        """Remove the directories that no browser uses, here or at its start."""
        alive = {one.started.start_id for one in self.hosted}
        return 0 if self._starting else self._starter.remove_leftovers(alive)

    def hosts(self, session_id: str) -> bool:
        """Whether the session's browser is here."""
        return session_id in self._hosted

    def clients(self, one: Hosted) -> int:
        """DevTools connections to a browser just now."""
        return self._door.connections(one.token)

    async def open(self, tenant: str, session_id: str) -> BrowserView:
        """Open the session's browser, or join the one that is open.

        Raises:
            ConflictError: another runner holds the session.
            ProxyUnreachableError, BrowserFailedError, UnavailableError: as they say.
        """
        async with self._locked(session_id):
            hosted = self._of_tenant(tenant, session_id)
            if hosted is not None and not hosted.started.chromium.alive:
                await self._end(hosted, lost="the browser was found dead")
                hosted = None
            if hosted is None:
                await self._make_room()
                async with self._starts:
                    hosted = await self._open(tenant, session_id)
            hosted.used_at = time.monotonic()
            return self._view(hosted)

    async def _open(self, tenant: str, session_id: str) -> Hosted:
        lease = await self._leases.acquire(lease_key(session_id))
        if lease is None:
            raise ConflictError("another runner holds this session")
        self._starting += 1
        try:
            with span("open browser", session=session_id):
                return await self._start(tenant, session_id, lease)
        except BaseException:
            await self._leases.release(lease)
            raise
        finally:
            self._starting -= 1

    async def _start(self, tenant: str, session_id: str, lease: Lease) -> Hosted:
        began = time.monotonic()
        given = await self._bus.ask(GetSecrets(tenant=tenant, session_id=session_id), patience=5)
        login = await self._login_of(tenant, session_id, given)
        proxy = await self._proxy_of(tenant, session_id, given)
        allowed = Allowed.of_tenant(self._settings.allow, tenant)
        started = await self._starter.start(session_id, json.loads(login), proxy, given.user_agent or None, allowed)
        try:
            await self._journal.opened(
                tenant,
                session_id,
                generation=lease.generation,
                start_id=started.start_id,
                took_ms=round((time.monotonic() - began) * 1000),
            )
        except BaseException:
            await self._starter.end(started)
            raise
        token = self._door.open(session_id, started.chromium.ws_url)
        hosted = Hosted(tenant, session_id, started, lease, token, login)
        hosted.watch = asyncio.create_task(self._watch(hosted), name=f"watch {session_id}")
        self._hosted[session_id] = hosted
        get_logger().info("browser_opened", session_id=session_id, pid=started.chromium.pid)
        return hosted

    async def _login_of(self, tenant: str, session_id: str, given: SessionSecrets) -> bytes:
        if given.credentials is None:
            return b"{}"
        return await self._vault.open(tenant, session_id, given.credentials)

    async def _proxy_of(self, tenant: str, session_id: str, given: SessionSecrets) -> str | None:
        if given.proxy is None:
            return None
        return (await self._vault.open(tenant, session_id, given.proxy.secret)).decode()

    async def _watch(self, hosted: Hosted) -> None:
        """Until the browser dies, or its lease is lost: then nothing of it may stay."""
        died = asyncio.create_task(hosted.started.chromium.wait())
        lost = asyncio.create_task(hosted.lease.lost.wait())
        try:
            await asyncio.wait({died, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            died.cancel()
            lost.cancel()
        async with self._locked(hosted.session_id):
            if not hosted.ending:
                detail = "the browser died" if not hosted.started.chromium.alive else "the lease was lost"
                await self._end(hosted, lost=detail)

    async def close(self, tenant: str, session_id: str, reason: Reason) -> bool:
        """Save the login and close. False: nothing was open here."""
        async with self._locked(session_id):
            hosted = self._of_tenant(tenant, session_id)
            if hosted is None:
                return False
            with contextlib.suppress(PosadaError):
                await self._save_login(hosted)
            await self._end(hosted, reason=reason)
            return True

    async def clean(self, tenant: str, session_id: str) -> list[Step]:
        """End exactly what belongs to the session on this machine, step by step; a failed step stops no other."""
        async with self._locked(session_id):
            steps = _Steps()
            hosted = self._of_tenant(tenant, session_id)
            if hosted is not None:
                await steps.run("save_login", lambda: self._save_login(hosted))
                await steps.run("close_browser", lambda: self._end(hosted, reason="cleaned"))
            await steps.run("kill_processes", lambda: self._kill_marked(session_id))
            await steps.run("quarantine_profiles", lambda: self._starter.quarantine(session_id))
            get_logger().info("session_cleaned", session_id=session_id, tenant=tenant)
            return steps.taken

    async def _kill_marked(self, session_id: str) -> str:
        marked = await asyncio.to_thread(find_marked, self.house)
        found = [process for process in marked if process.mark.session_id == session_id]
        ended = await end_exactly(found, END_GRACE_S)
        if still := [one for one in ended if not one.gone]:
            raise BrowserFailedError(f"{len(still)} processes could not be ended: {still[0].detail}")
        return f"{len(ended)} processes ended"

    async def _save_login(self, hosted: Hosted) -> str:
        """Seal the login when it is not the one saved last."""
        if not hosted.started.chromium.alive:
            raise BrowserFailedError("the browser is dead: the login saved before it stays")
        state = await self._starter.capture(hosted.started)
        login = msgspec.json.encode(state, order="sorted")
        if json.loads(hosted.login or b"{}") == state or (not state.get("cookies") and not state.get("origins")):
            return "unchanged"
        await self._bus.ask(
            StoreCredentials(
                tenant=hosted.tenant,
                session_id=hosted.session_id,
                storage_state=state,
                source="browser",
                generation=hosted.lease.generation,
                actor=f"runner:{self._settings.name}",
            ),
            patience=5,
        )
        hosted.login = login
        return "sealed"

    async def _end(self, hosted: Hosted, *, reason: Reason | None = None, lost: str = "") -> str:
        hosted.ending = True
        self._hosted.pop(hosted.session_id, None)
        self._door.close(hosted.token)
        await self._starter.end(hosted.started)
        if hosted.watch is not None and hosted.watch is not asyncio.current_task():
            hosted.watch.cancel()
        if reason is not None:
            await self._journal.closed(hosted.tenant, hosted.session_id, hosted.lease.generation, reason)
        else:
            await self._journal.lost(hosted.tenant, hosted.session_id, hosted.lease.generation, lost)
        await self._leases.release(hosted.lease)
        get_logger().info("browser_ended", session_id=hosted.session_id, why=reason or lost)
        return "closed"

    async def _make_room(self) -> None:
        """At the cap, save and close the browser that was idle longest; a busy one never.

        Raises:
            UnavailableError: all are busy.
        """
        if len(self._hosted) < self._settings.max_browsers:
            return
        idle = sorted((one for one in self.hosted if not self.clients(one)), key=lambda one: one.used_at)
        if not idle:
            raise UnavailableError(f"all {self._settings.max_browsers} browsers of this runner are busy")
        await self.close(idle[0].tenant, idle[0].session_id, "idle")

    async def close_idle(self) -> None:
        """Save and close what nobody was connected to for `idle_seconds`."""
        now = time.monotonic()
        for one in self.hosted:
            if self.clients(one):
                one.used_at = now
            elif now - one.used_at > self._settings.idle_seconds:
                await self.close(one.tenant, one.session_id, "idle")

    async def end(self) -> None:
        """Save every login, close every browser."""
        await asyncio.gather(*(self.close(one.tenant, one.session_id, "shutdown") for one in self.hosted))
        await self._door.stop()

    @contextlib.asynccontextmanager
    async def _locked(self, session_id: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            yield

    def _of_tenant(self, tenant: str, session_id: str) -> Hosted | None:
        """The session's browser, when it is open here. Another tenant's does not exist for the one who asks.

        Raises:
            NotFoundError: it is another tenant's.
        """
        hosted = self._hosted.get(session_id)
        if hosted is not None and hosted.tenant != tenant:
            raise NotFoundError
        return hosted

    def _view(self, hosted: Hosted) -> BrowserView:
        host = self._settings.advertise or self._settings.host
        return BrowserView(
            state="open",
            runner=self._settings.name,
            generation=hosted.lease.generation,
            cdp_url=f"ws://{host}:{self._door.port}/{hosted.token}",
        )


@dataclass
class _Steps:
    """Runs steps one after the other and keeps how each went."""

    taken: list[Step] = field(default_factory=list)

    async def run(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        try:
            self.taken.append(Step(name=name, detail=await step()))
        except Exception as error:  # a failed step does not stop the others: it is reported
            detail = error.detail if isinstance(error, PosadaError) else type(error).__name__
            self.taken.append(Step(name=name, ok=False, detail=detail))


def lease_key(session_id: str) -> str:
    """The lease's key in the bucket."""
    return f"session.{session_id}"
