"""What clients see while NATS is away, and after it has come back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from posada_contracts.session import SessionUsed
from posada_embedded.nats import NatsServer
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings


@pytest.mark.fault
async def test_a_stream_outlives_the_death_of_nats_and_misses_nothing(
    own_nats: NatsServer,
    common_settings: CommonSettings,
    store: EventStore,
    gateway_process: Any,
    log_of: Any,
    wait_until: Any,
) -> None:
    log = log_of(store)
    first = await log.add(SessionUsed, "default", "one")
    async with (
        gateway_process(common_settings, POSADA_AUTH="off") as gateway,
        httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=20) as client,
        client.stream("GET", "/v1/events?after=0", headers={"Accept": "text/event-stream"}) as stream,
    ):

        async def status(path: str) -> int:
            return (await client.get(path, headers={"Accept": "application/json"})).status_code

        lines = stream.aiter_lines()
        assert await _next(lines) == first
        own_nats.kill()
        await wait_until(lambda: status("/readyz"), equals=503)
        assert [await status(path) for path in ("/livez", "/v1/events", "/health")] == [200, 503, 503]
        await own_nats.start()
        await wait_until(lambda: status("/readyz"), equals=200)
        second = await log.add(SessionUsed, "default", "one")
        assert await _next(lines) == second


async def _next(lines: Any) -> int:
    async for line in lines:
        if line.startswith("data: "):
            return int(json.loads(line[6:])["sequence"])
    raise EOFError
