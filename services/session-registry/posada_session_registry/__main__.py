"""Front door: settings -> wire -> serve."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from posada_runtime.bus import retried
from posada_runtime.database import Database
from posada_runtime.leases import Leases
from posada_runtime.projector import LiveProjector
from posada_runtime.service import Platform, Service, run
from posada_runtime.settings import CommonSettings
from posada_runtime.table import Projection
from posada_runtime.vault import Vault, master_key

from posada_session_registry.handlers import (
    AccessHandlers,
    HouseHandlers,
    Lives,
    SessionHandlers,
    TokenHandlers,
    hear_all,
)
from posada_session_registry.settings import Settings
from posada_session_registry.sweep import holder, sweep_forever
from posada_session_registry.views import JobsProjection, Queries, SessionsProjection

NAME = "session-registry"


async def wire(house: Platform, service: Service, stack: AsyncExitStack) -> None:
    """Put the registry together."""
    settings = Settings()
    database = Database(settings.postgres_dsn.get_secret_value())
    stack.callback(database.close)
    projections: list[Projection] = [SessionsProjection(), JobsProjection()]
    vault = await retried(lambda: Vault.open_up(house.bus, master_key(house.common)), 10)
    lives = Lives(house.store, vault)
    sessions, tokens = SessionHandlers(house.bus, lives, settings), TokenHandlers(lives)
    keys = AccessHandlers(house.store)
    await keys.first_admin_key(settings.admin_key_file or house.common.data / "admin.key")
    hear_all(service, sessions, tokens, keys, HouseHandlers(house.bus, house.store, database, projections))
    leases = await Leases.open(house.bus, holder())
    projector = LiveProjector(house.store, projections, database)
    await stack.enter_async_context(house.background(projector.run(), "projector"))
    sweep = sweep_forever(leases, Queries(database), sessions, settings)
    await stack.enter_async_context(house.background(sweep, "sweep"))


if __name__ == "__main__":
    asyncio.run(run(CommonSettings(), NAME, wire))
