"""Exact cleaning: ends and puts aside what is one session's on this machine, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from posada_contracts.errors import BrowserFailedError, ConflictError, PosadaError
from posada_contracts.session import RecordCleaned, Step
from posada_runtime.bus import Bus
from posada_runtime.leases import Leases
from posada_runtime.log import get_logger
from posada_runtime.processes import Marked, end_exactly, find_marked

from posada_browser_runner.hosted import Hosted, lease_key
from posada_browser_runner.hosting import Hosting
from posada_browser_runner.reception import Reception

END_GRACE_S = 5.0


class Cleaning:
    """Cleans sessions on one runner. A failed step stops no other; all of it may be repeated, on any session."""

    def __init__(self, bus: Bus, leases: Leases, hosting: Hosting, reception: Reception, runner: str) -> None:
        self._bus, self._leases, self._hosting, self._reception = bus, leases, hosting, reception
        self._runner = runner

    async def clean(self, tenant: str, session_id: str) -> list[Step]:
        """End what belongs to the session here, step by step, and have it recorded.

        Raises:
            NotFoundError: it is another tenant's.
        """
        hosting = self._hosting
        async with hosting.locked(session_id):
            steps, hosted = _Steps(), hosting.of_tenant(tenant, session_id)
            await steps.run("quiesce", lambda: self._quiesce(tenant, session_id, hosted))
            if hosted is not None:
                await steps.run("save_login", hosted.keeper.save)
                await steps.run("close_browser", lambda: hosting.end(hosted, reason="cleaned", keep_profile=True))
            start_id = hosted.started.start_id if hosted is not None else None
            await steps.run("kill_processes", lambda: self._kill(session_id, start_id))
            await steps.run("quarantine_profiles", lambda: asyncio.to_thread(hosting.starter.quarantine, session_id))
            await steps.run("ready", lambda: self._ready(session_id, start_id))
        get_logger().info("session_cleaned", session_id=session_id, ok=all(step.ok for step in steps.taken))
        await steps.run("record", lambda: self._record(tenant, session_id, steps.taken))
        return steps.taken

    async def _quiesce(self, tenant: str, session_id: str, hosted: Hosted | None) -> str:
        """Nobody is to change anything any more: clients are let go, a waiting ticket is withdrawn."""
        if await self._reception.withdraw(tenant, session_id):
            return "its place in the queue was given up"
        if hosted is None:
            return "nothing was open"
        return f"{self._hosting.let_go(hosted)} clients let go"

    async def _kill(self, session_id: str, start_id: str | None) -> str:
        ended = await end_exactly(await self._marked(session_id, start_id), END_GRACE_S)
        if still := [one for one in ended if not one.gone]:
            raise BrowserFailedError(f"{len(still)} processes could not be ended: {still[0].detail}")
        return f"{len(ended)} processes ended"

    async def _marked(self, session_id: str, start_id: str | None) -> list[Marked]:
        """Its processes: those started for it, and those of the browser that stood ready before it was given to it."""
        marked = await asyncio.to_thread(find_marked, self._hosting.starter.house)
        return [each for each in marked if each.mark.session_id == session_id or each.mark.start_id == start_id]

    async def _ready(self, session_id: str, start_id: str | None) -> str:
        """Whether nothing stands in the way of a new start."""
        if left := await self._marked(session_id, start_id):
            raise BrowserFailedError(f"{len(left)} of its processes are still there")
        if (holder := await self._leases.holder(lease_key(session_id))) is not None:
            raise ConflictError(f"the runner {holder.name} holds the session")
        return "nothing of it is left; a new browser starts on a fresh profile"

    async def _record(self, tenant: str, session_id: str, steps: list[Step]) -> str:
        command = RecordCleaned(tenant=tenant, session_id=session_id, steps=steps, actor=f"runner:{self._runner}")
        await self._bus.ask(command, patience=5)
        return "told to the registry"


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
