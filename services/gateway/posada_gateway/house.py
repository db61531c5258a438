"""What every route may use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from posada_contracts.errors import UnavailableError
from posada_contracts.messages import Request
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore

from posada_gateway.figures import Figures
from posada_gateway.health import Prober
from posada_gateway.idempotency import Answers
from posada_gateway.keyring import KeyRing
from posada_gateway.metrics import Metrics
from posada_gateway.platforms import Platforms
from posada_gateway.settings import GatewaySettings
from posada_gateway.webdriver import Lines

R = TypeVar("R")
ASK_SECONDS = 10.0


@dataclass(frozen=True)
class House:
    """One gateway, wired."""

    settings: GatewaySettings
    bus: Bus
    store: EventStore
    ring: KeyRing
    answers: Answers
    platforms: Platforms
    prober: Prober
    metrics: Metrics
    figures: Figures
    lines: Lines
    stopping: asyncio.Event  #: set as soon as the process is told to stop: streams end then

    async def ask(self, request: Request[R], timeout: float = ASK_SECONDS) -> R:
        """Ask the one service that owns `request`.

        Raises:
            PosadaError: what it raised; UnavailableError, at once, while NATS is away.
        """
        if not self.bus.connected:
            raise UnavailableError("NATS is not there just now")
        return await self.bus.ask(request, timeout=timeout)

    @property
    def ready(self) -> bool:
        """Whether traffic may come."""
        knows_keys = self.ring.caught_up or self.settings.auth == "off"
        return self.bus.connected and knows_keys and not self.stopping.is_set()
