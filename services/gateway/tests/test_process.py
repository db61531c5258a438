"""The gateway as a process of its own."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from posada_gateway.settings import GatewaySettings, OpenDoorError
from posada_runtime.settings import CommonSettings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_without_keys_it_binds_to_loopback_only(host: str) -> None:
    with pytest.raises(OpenDoorError):
        GatewaySettings(host=host, auth="off").check_door()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_may_stand_open(host: str) -> None:
    GatewaySettings(host=host, auth="off").check_door()


async def test_it_refuses_to_start_as_an_open_door(common: CommonSettings, gateway_process: Any) -> None:
    async with gateway_process(common, POSADA_AUTH="off", POSADA_GATEWAY_HOST="0.0.0.0") as gateway:
        out, err = await asyncio.wait_for(gateway.process.communicate(), 30)
    assert gateway.process.returncode == 2
    assert out == b""
    assert b"loopback" in err
    assert b"Traceback" not in err


async def test_it_says_where_it_serves_and_stops_at_once_with_streams_open(
    common: CommonSettings, gateway_process: Any
) -> None:
    async with gateway_process(common, POSADA_AUTH="off") as gateway:
        process, url = gateway.process, await gateway.url()
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client,
            client.stream("GET", "/v1/events?after=0", headers={"Accept": "text/event-stream"}) as stream,
        ):
            lines = stream.aiter_lines()
            assert (await anext(lines)) == "retry: 2000"
            began = time.monotonic()
            process.terminate()
            async for _ in lines:  # ends in good order: a broken body would raise here
                pass
            assert await asyncio.wait_for(process.wait(), 10) == 0
            assert time.monotonic() - began < 3
        logged = (await process.stderr.read()).decode()
    (line,) = [json.loads(line) for line in logged.splitlines() if '"request"' in line]
    assert (line["route"], line["status"], line["actor"]) == ("/v1/events", 200, "local")
    assert len(line["trace_id"]) == 32
    assert "after" not in logged
