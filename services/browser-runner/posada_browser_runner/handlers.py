"""Message -> hosting; the only list of what a runner hears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from posada_contracts.browser import (
    BrowserView,
    CleanBrowser,
    CleanBrowserAt,
    CloseBrowser,
    CloseBrowserAt,
    GetRunnerStats,
    OpenBrowser,
    OpenBrowserAt,
    RunnerStats,
)
from posada_contracts.errors import PosadaError
from posada_contracts.house import Health, Probed, RunnerHealth
from posada_contracts.messages import Command
from posada_contracts.session import RecordCleaned, Step
from posada_runtime.bus import Bus
from posada_runtime.leases import Leases
from posada_runtime.log import get_logger
from posada_runtime.service import Service

from posada_browser_runner.hosting import Hosting, lease_key
from posada_browser_runner.usage import usage_of

R = TypeVar("R")
FORWARD_TIMEOUT_S = 40.0


class Handlers:
    """What any runner may hear is passed on to the runner that holds the session."""

    def __init__(self, bus: Bus, leases: Leases, hosting: Hosting, runner: str, max_browsers: int) -> None:
        self._bus, self._leases, self._hosting = bus, leases, hosting
        self._runner, self._max_browsers = runner, max_browsers

    def hear_all(self, service: Service) -> None:
        """Attach every handler."""
        service.hear(OpenBrowser, self.open)
        service.hear(CloseBrowser, self.close)
        service.hear(CleanBrowser, self.clean)
        service.hear(OpenBrowserAt, self.open_here, runner=self._runner)
        service.hear(CloseBrowserAt, self.close_here, runner=self._runner)
        service.hear(CleanBrowserAt, self.clean_here, runner=self._runner)
        service.hear(GetRunnerStats, self.stats, everyone=True)
        service.hear(RunnerHealth, self.health)

    async def open(self, command: OpenBrowser) -> BrowserView:
        """Open or join, wherever the session is held."""
        return await self._where_held(command, OpenBrowserAt, self.open_here)

    async def close(self, command: CloseBrowser) -> bool:
        """Close, wherever the session is held."""
        return await self._where_held(command, CloseBrowserAt, self.close_here)

    async def clean(self, command: CleanBrowser) -> list[Step]:
        """Clean, wherever the session is held."""
        return await self._where_held(command, CleanBrowserAt, self.clean_here)

    async def open_here(self, command: OpenBrowser | OpenBrowserAt) -> BrowserView:
        """Open or join on this runner."""
        return await self._hosting.open(command.tenant, command.session_id)

    async def close_here(self, command: CloseBrowser | CloseBrowserAt) -> bool:
        """Close on this runner."""
        return await self._hosting.close(command.tenant, command.session_id, "asked")

    async def clean_here(self, command: CleanBrowser | CleanBrowserAt) -> list[Step]:
        """Clean on this runner, and have it recorded."""
        steps = await self._hosting.clean(command.tenant, command.session_id)
        record = RecordCleaned(
            tenant=command.tenant, session_id=command.session_id, steps=steps, actor=f"runner:{self._runner}"
        )
        try:
            await self._bus.ask(record, patience=5)
        except PosadaError as error:
            get_logger().warning("cleaning_not_recorded", session_id=command.session_id, why=error.code)
            return [*steps, Step(name="record", ok=False, detail=error.detail)]
        return steps

    async def stats(self, _: GetRunnerStats) -> RunnerStats:
        """What is hosted here, and what it takes."""
        return RunnerStats(runner=self._runner, max_browsers=self._max_browsers, browsers=await usage_of(self._hosting))

    async def health(self, _: RunnerHealth) -> Health:
        """A runner that answers has a browser to start: it does not begin without one."""
        return Health(
            service="browser-runner",
            checks={"browser-runner": Probed(status="ok", message=f"{len(self._hosting.hosted)} browsers open")},
        )

    async def _where_held(self, command: Any, passed_on: type[Any], here: Callable[[Any], Awaitable[R]]) -> R:
        if self._hosting.hosts(command.session_id):
            return await here(command)
        holder = await self._leases.holder(lease_key(command.session_id))
        if holder is None or holder.name == self._runner:
            return await here(command)
        there: Command[R] = passed_on(
            tenant=command.tenant,
            actor=command.actor,
            command_id=command.command_id,
            session_id=command.session_id,
            runner=holder.name,
        )
        return await self._bus.ask(there, timeout=FORWARD_TIMEOUT_S)
