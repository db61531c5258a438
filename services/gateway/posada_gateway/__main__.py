"""`python -m posada_gateway`: settings, wiring, serving."""

from __future__ import annotations

import asyncio
import sys

from posada_contracts.streams import IDEMPOTENCY
from posada_runtime.buckets import Bucket
from posada_runtime.service import Platform, platform
from posada_runtime.settings import CommonSettings

from posada_gateway.app import build
from posada_gateway.figures import Figures
from posada_gateway.health import Prober
from posada_gateway.house import House
from posada_gateway.idempotency import Answers
from posada_gateway.keyring import KeyRing
from posada_gateway.metrics import Metrics
from posada_gateway.platforms import Platforms
from posada_gateway.server import serve
from posada_gateway.settings import GatewaySettings, OpenDoorError
from posada_gateway.webdriver import Lines


async def wire(process: Platform, settings: GatewaySettings) -> House:
    """A gateway on a connected process."""
    bucket = await Bucket.open(process.bus, IDEMPOTENCY, ttl_s=settings.idempotency_hours * 3600)
    return House(
        settings=settings,
        bus=process.bus,
        store=process.store,
        ring=KeyRing(),
        answers=Answers(bucket),
        platforms=Platforms(process.bus),
        prober=Prober(process.bus),
        metrics=Metrics(),
        figures=Figures(),
        lines=Lines(),
        stopping=process.stopping,
    )


async def main(common: CommonSettings, settings: GatewaySettings) -> None:
    """Serve until told to stop."""
    async with platform(common, "gateway") as process:
        house = await wire(process, settings)
        async with (
            process.background(house.ring.follow(process.store), "keyring"),
            process.background(house.figures.count(process.store), "tokens"),
            process.background(house.figures.ask(process.bus), "figures"),
        ):
            await serve(build(house), settings, process.stopping, common.grace_seconds, house.lines.lost)


if __name__ == "__main__":
    chosen = GatewaySettings()
    try:
        chosen.check_door()
    except OpenDoorError as refused:
        print(refused, file=sys.stderr)
        sys.exit(2)
    asyncio.run(main(CommonSettings(), chosen))
