"""Every dependency probed for real: NATS by a round trip, each service by its own view of what it needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from posada_contracts.errors import PosadaError
from posada_contracts.house import HOUSE, Health, RegistryHealth, RunnerHealth, ScraperHealth
from posada_contracts.messages import Query
from posada_runtime.bus import Bus

from posada_gateway.views import HouseHealth, ServiceHealth

PROBE_SECONDS = 2.0
REMEMBERED_SECONDS = 1.0
_PROBES: dict[str, Query[Health]] = {
    "session-registry": RegistryHealth(tenant=HOUSE),
    "browser-runner": RunnerHealth(tenant=HOUSE),
    "scraper": ScraperHealth(tenant=HOUSE),
}
_Found = Iterator[tuple[str, ServiceHealth]]


class Prober:
    """Probes all at once; whoever asks again within a second gets the same answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lock = asyncio.Lock()
        self._last: tuple[float, HouseHealth] = (float("-inf"), HouseHealth(status="error"))

    async def probe(self) -> HouseHealth:
        """How the house is."""
        async with self._lock:
            if time.monotonic() - self._last[0] > REMEMBERED_SECONDS:
                self._last = (time.monotonic(), await self._probe())
            return self._last[1]

    async def _probe(self) -> HouseHealth:
        asking = asyncio.gather(*(self._service(name, query) for name, query in _PROBES.items()))
        services = {"nats": await self._nats()}
        found = await asking
        for name, check in (each for checks in found for each in checks):
            if name not in services or services[name].status == "ok":
                services[name] = check
        unknown = ServiceHealth(status="error", message="session-registry does not tell")
        services.setdefault("database", unknown)
        worst = any(check.status != "ok" for check in services.values())
        return HouseHealth(status="error" if worst else "ok", services=services)

    async def _nats(self) -> ServiceHealth:
        if not self._bus.connected:
            return ServiceHealth(status="error", message="not connected")
        try:
            seconds = await self._bus.ping(PROBE_SECONDS)
        except PosadaError as error:
            return ServiceHealth(status="error", message=error.detail)
        return ServiceHealth(status="ok", message=f"round trip {seconds * 1000:.1f} ms")

    async def _service(self, name: str, query: Query[Health]) -> list[tuple[str, ServiceHealth]]:
        try:
            if not self._bus.connected:
                return [(name, ServiceHealth(status="error", message="not to be reached"))]
            health = await self._bus.ask(query, timeout=PROBE_SECONDS)
        except PosadaError as error:
            return [(name, ServiceHealth(status="error", message=error.detail))]
        return [(name, ServiceHealth(status="ok", message="answers")), *_own_checks(health)]


def _own_checks(health: Health) -> _Found:
    for name, probed in health.checks.items():
        status = "ok" if probed.status == "ok" else "error"
        yield name, ServiceHealth(status=status, message=probed.message)  # type: ignore[arg-type]


def without_messages(health: HouseHealth) -> HouseHealth:
    """For whoever shows no key: what is up and what is down, and nothing of why."""
    services = {
        name: ServiceHealth(status=check.status, message=check.status) for name, check in health.services.items()
    }
    return HouseHealth(status=health.status, services=services)
