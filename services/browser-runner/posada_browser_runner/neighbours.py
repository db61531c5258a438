"""The other runners, and how much they can take. One that does not answer has no place."""

from __future__ import annotations

import asyncio

from posada_contracts.browser import GetRunnerLoad, RunnerLoad
from posada_contracts.errors import PosadaError
from posada_contracts.house import HOUSE
from posada_runtime.bus import Bus

ROUND_S = 1.0
ANSWER_S = 0.3


class Neighbours:
    """Asks every second, and counts what is sent to each in between."""

    def __init__(self, bus: Bus, me: str) -> None:
        self._bus, self._me = bus, me
        self._free: dict[str, int] = {}

    async def watch(self) -> None:
        """Ask for ever."""
        while True:
            try:
                loads: list[RunnerLoad] = await self._bus.ask_all(GetRunnerLoad(tenant=HOUSE), wait=ANSWER_S)
                self._free = {load.runner: load.free - load.queued for load in loads if load.runner != self._me}
            except PosadaError:
                self._free = {}
            await asyncio.sleep(ROUND_S)

    def with_more_than(self, free: int) -> str | None:
        """The one with the most free places, when these are more than `free`; it is counted as sent there."""
        best = max(self._free, key=lambda each: self._free[each], default=None)
        if best is None or self._free[best] <= free:
            return None
        self._free[best] -= 1
        return best
