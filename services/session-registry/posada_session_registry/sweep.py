"""The sweep: expires sessions that nobody has used for long. It runs in one place at a time."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from posada_contracts.errors import PosadaError
from posada_contracts.session import TouchSession
from posada_runtime.leases import Holder, Leases
from posada_runtime.log import get_logger

from posada_session_registry.handlers import SessionHandlers
from posada_session_registry.settings import Settings
from posada_session_registry.views import Queries

LEASE = "sweep"


def holder() -> Holder:
    """This process, as a holder of the lease: a name of its own, for of two equal names the later one takes over."""
    life = secrets.token_hex(8)
    return Holder(f"registry-{life}", life)


async def sweep_forever(leases: Leases, queries: Queries, sessions: SessionHandlers, settings: Settings) -> None:
    """Sweep every `sweep_seconds`, whenever this process gets the lease."""
    while True:
        await asyncio.sleep(settings.sweep_seconds)
        try:
            async with leases.held(LEASE) as lease:
                if lease is not None:
                    await sweep(queries, sessions, settings)
        except PosadaError as error:
            get_logger().info("sweep_skipped", why=error.code)


async def sweep(queries: Queries, sessions: SessionHandlers, settings: Settings) -> int:
    """Expire what the read model shows as idle; each session decides once more for itself. Returns how many."""
    idle = timedelta(days=settings.idle_days)
    found = await queries.idle_since(datetime.now(UTC) - idle)
    for tenant, id_ in found:
        await sessions.expire_if_idle(TouchSession(tenant=tenant, session_id=id_, actor="sweep"), idle)
    if found:
        get_logger().info("sweep_done", sessions=len(found))
    return len(found)
