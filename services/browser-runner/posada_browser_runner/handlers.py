"""Message -> reception, hosting, cleaning; the only list of what a runner hears."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from posada_contracts.browser import (
    Artifact,
    ArtifactPart,
    BrowserView,
    CleanBrowser,
    CleanBrowserAt,
    CloseBrowser,
    CloseBrowserAt,
    GetRunnerLoad,
    GetRunnerStats,
    ListArtifacts,
    OpenBrowser,
    OpenBrowserAt,
    ReadArtifact,
    RunnerLoad,
    RunnerStats,
)
from posada_contracts.errors import UnavailableError
from posada_contracts.house import HOUSE, Health, Probed, RunnerHealth
from posada_contracts.messages import Command
from posada_contracts.session import Step
from posada_runtime.bus import Bus
from posada_runtime.leases import Holder, Leases
from posada_runtime.service import Service

from posada_browser_runner.artifacts import Artifacts
from posada_browser_runner.care import Care
from posada_browser_runner.cleaning import Cleaning
from posada_browser_runner.hosted import lease_key
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.neighbours import ANSWER_S
from posada_browser_runner.reception import Reception
from posada_browser_runner.settings import Settings
from posada_browser_runner.usage import Meter

R = TypeVar("R")
FORWARD_S = 45.0
DEAD_AFTER_S = 2.0
"""A runner that does not answer for so long is dead. Should it live, its lease is lost and its word refused."""


class Handlers:
    """What any runner may hear is passed on to the runner that holds the session."""

    def __init__(
        self,
        bus: Bus,
        leases: Leases,
        hosting: Hosting,
        reception: Reception,
        cleaning: Cleaning,
        care: Care,
        artifacts: Artifacts,
        meter: Meter,
        settings: Settings,
    ) -> None:
        self._bus, self._leases, self._hosting, self._reception = bus, leases, hosting, reception
        self._cleaning, self._care, self._artifacts = cleaning, care, artifacts
        self._meter, self._settings = meter, settings

    def hear_all(self, service: Service) -> None:
        """Attach every handler."""
        service.hear(OpenBrowser, self.open)
        service.hear(CloseBrowser, self.close)
        service.hear(CleanBrowser, self.clean)
        service.hear(OpenBrowserAt, self.open_here, runner=self._settings.name)
        service.hear(CloseBrowserAt, self.close_here, runner=self._settings.name)
        service.hear(CleanBrowserAt, self.clean_here, runner=self._settings.name)
        service.hear(ListArtifacts, self.artifacts)
        service.hear(ReadArtifact, self.artifact)
        service.hear(GetRunnerLoad, self.load, everyone=True)
        service.hear(GetRunnerStats, self.stats, everyone=True)
        service.hear(RunnerHealth, self.health)

    async def open(self, command: OpenBrowser) -> BrowserView:
        """Open or join, wherever the session is held."""

        async def here(command: OpenBrowser) -> BrowserView:
            return await self._reception.open(command.tenant, command.session_id, command.wait_s)

        return await self._where_held(command, OpenBrowserAt, here, wait_s=command.wait_s)

    async def close(self, command: CloseBrowser) -> bool:
        """Close, wherever the session is held."""
        return await self._where_held(command, CloseBrowserAt, self.close_here)

    async def clean(self, command: CleanBrowser) -> list[Step]:
        """Clean, wherever the session is held."""
        return await self._where_held(command, CleanBrowserAt, self.clean_here)

    async def open_here(self, command: OpenBrowserAt) -> BrowserView:
        """Open or join on this runner: another one has sent the session here."""
        return await self._reception.open(command.tenant, command.session_id, command.wait_s, forwarded=True)

    async def close_here(self, command: CloseBrowser | CloseBrowserAt) -> bool:
        """Close on this runner."""
        self._care.forget(command.session_id)
        withdrawn = await self._reception.withdraw(command.tenant, command.session_id)
        return await self._hosting.close(command.tenant, command.session_id, "asked") or withdrawn

    async def clean_here(self, command: CleanBrowser | CleanBrowserAt) -> list[Step]:
        """Clean on this runner."""
        self._care.forget(command.session_id)
        return await self._cleaning.clean(command.tenant, command.session_id)

    async def artifacts(self, query: ListArtifacts) -> list[Artifact]:
        """What the session's browsers downloaded, on whichever runner."""
        return await self._artifacts.all_of(query.tenant, query.session_id)

    async def artifact(self, query: ReadArtifact) -> ArtifactPart:
        """Some bytes of it."""
        return await self._artifacts.read(query.tenant, query.session_id, query.artifact_id, query.offset, query.limit)

    async def load(self, _: GetRunnerLoad) -> RunnerLoad:
        """How much more there may be."""
        places = self._reception.places
        return RunnerLoad(runner=self._settings.name, free=places.free, queued=places.waiting)

    async def stats(self, _: GetRunnerStats) -> RunnerStats:
        """What is hosted here, and what it takes."""
        return RunnerStats(
            runner=self._settings.name,
            max_browsers=self._settings.max_browsers,
            browsers=self._meter.usage(),
            queued=self._reception.places.waiting,
            warm=self._hosting.starter.warm,
        )

    async def health(self, _: RunnerHealth) -> Health:
        """A runner that answers has a browser to start: it does not begin without one."""
        return Health(
            service="browser-runner",
            checks={"browser-runner": Probed(status="ok", message=f"{len(self._hosting.hosted)} browsers open")},
        )

    async def _where_held(
        self, command: Any, passed_on: type[Any], here: Callable[[Any], Awaitable[R]], **more: float
    ) -> R:
        if self._hosting.hosts(command.session_id):
            return await here(command)
        holder = await self._leases.holder(lease_key(command.session_id))
        if holder is None or holder.name == self._settings.name:
            return await here(command)
        there: Command[R] = passed_on(
            tenant=command.tenant,
            actor=command.actor,
            command_id=command.command_id,
            session_id=command.session_id,
            runner=holder.name,
            **more,
        )
        try:
            return await self._bus.ask(there, timeout=FORWARD_S + more.get("wait_s", 0.0))
        except UnavailableError:
            if not await self._dead(holder):
                raise
            await self._leases.evict(lease_key(command.session_id), holder)
            return await here(command)

    async def _dead(self, holder: Holder) -> bool:
        """Whether a runner does not answer, however often it is asked."""
        deadline = time.monotonic() + DEAD_AFTER_S
        while time.monotonic() < deadline:
            loads: list[RunnerLoad] = await self._bus.ask_all(GetRunnerLoad(tenant=HOUSE), wait=ANSWER_S)
            if any(load.runner == holder.name for load in loads):
                return False
        return True
