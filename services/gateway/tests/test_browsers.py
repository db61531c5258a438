"""The door to a session's browser, with a stand-in for the runner's own door behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from posada_contracts import access
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus


@dataclass
class Runner:
    """Where a runner's door would be: notes what it hears, and sends what it is told to."""

    server: Server | None = None
    connections: set[ServerConnection] = field(default_factory=set)
    heard: list[str | bytes] = field(default_factory=list)
    sent: int = 0

    async def serve(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        try:
            async for message in connection:
                self.heard.append(message)
                await self._answer(connection, json.loads(message))
        finally:
            self.connections.discard(connection)

    async def _answer(self, connection: ServerConnection, said: dict[str, Any]) -> None:
        if said["method"] == "Flood":
            while True:
                await connection.send("x" * 1_000_000)
                self.sent += 1
        await connection.send(json.dumps({"id": said["id"], "result": {}}))


@pytest.fixture
async def runner(scraper: Any) -> AsyncIterator[Runner]:
    runner = Runner()
    async with serve(runner.serve, "127.0.0.1", 0) as runner.server:
        scraper.cdp_url = f"ws://127.0.0.1:{runner.server.sockets[0].getsockname()[1]}/a-token-of-the-runner"
        yield runner
        scraper.cdp_url = ""


@pytest.fixture
async def path(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> str:
    return f"/v1/sessions/{(await admin.post('/v1/sessions', json=new_session)).json()['id']}"


def to(client: httpx.AsyncClient, path: str) -> connect:
    """A DevTools connection with a client's key."""
    url = f"{client.base_url}".rstrip("/").replace("http", "ws", 1) + f"{path}/cdp"
    headers = {"Authorization": client.headers["authorization"]}
    return connect(url, additional_headers=headers, proxy=None, max_size=None, compression=None)


async def closing_code(door: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as gone:
        async with asyncio.timeout(5):
            await door.recv()
    assert gone.value.rcvd is not None
    return gone.value.rcvd.code


async def test_the_runner_hears_what_was_let_through_and_nothing_else(
    admin: httpx.AsyncClient, path: str, runner: Runner
) -> None:
    async with to(admin, path) as door:
        await door.send('{"id": 1, "method": "Browser.close"}')
        assert json.loads(await door.recv())["error"]["code"] == -32000
        await door.send('{"id": 2, "method": "Browser.getVersion"}')
        assert json.loads(await door.recv()) == {"id": 2, "result": {}}
    assert runner.heard == ['{"id":2,"method":"Browser.getVersion"}']


async def test_either_side_s_end_ends_the_other(
    admin: httpx.AsyncClient, path: str, runner: Runner, wait_until: Callable[..., Any]
) -> None:
    async with to(admin, path) as door:
        (connection,) = runner.connections
        await connection.close()
        assert await closing_code(door) == 1001
    async with to(admin, path) as door:
        door.transport.abort()
        await wait_until(lambda: not runner.connections, 2)


async def test_bytes_are_no_devtools_message(admin: httpx.AsyncClient, path: str, runner: Runner) -> None:
    async with to(admin, path) as door:
        await door.send(b'{"id": 1, "method": "Browser.close"}')
        assert await closing_code(door) == 1003
    assert not runner.heard


async def test_a_client_whose_key_is_revoked_is_let_go(tenant: Any, log: Any, path: str, runner: Runner) -> None:
    operator = await tenant.client("operator")
    key_id = operator.headers["authorization"].split("_")[1]
    async with to(operator, path) as door:
        await log.add(access.KeyRevoked, tenant.name, key_id)
        assert await closing_code(door) == 1008


async def test_the_browser_is_read_no_faster_than_the_client_reads(
    admin: httpx.AsyncClient, path: str, runner: Runner, wait_until: Callable[..., Any]
) -> None:
    async with to(admin, path) as door:
        door.transport.pause_reading()
        await door.send('{"id": 1, "method": "Flood"}')
        before = -1

        async def stands() -> bool:
            nonlocal before
            before, now = runner.sent, before
            await asyncio.sleep(0.3)
            return runner.sent == now == before > 0

        await wait_until(stands)
        assert runner.sent < 100
        door.transport.abort()
        await wait_until(lambda: not runner.connections, 2)


@pytest.mark.parametrize(("cdp_url", "status"), [("ws://127.0.0.1:1/a-token-of-the-runner", 502), ("", 503)])
async def test_a_browser_that_cannot_be_reached_is_told_before_the_upgrade_and_its_token_never(
    admin: httpx.AsyncClient, path: str, scraper: Any, cdp_url: str, status: int
) -> None:
    scraper.cdp_url = cdp_url
    try:
        with pytest.raises(InvalidStatus) as refused:
            await to(admin, path)
        found = await admin.get(f"{path}/cdp/json/version")
    finally:
        scraper.cdp_url = ""
    assert refused.value.response.status_code == found.status_code == status
    assert b"token" not in (refused.value.response.body or b"") + found.content


async def test_the_addresses_told_are_by_the_name_the_client_used(
    admin: httpx.AsyncClient, path: str, runner: Runner
) -> None:
    headers = {"Host": "posada.example:8443", "X-Forwarded-Proto": "https"}
    opened = await admin.post(f"{path}/browser", headers=headers)
    assert opened.json()["cdp_url"] == f"wss://posada.example:8443{path}/cdp"


async def test_a_key_in_the_address_is_for_devtools_alone(
    anyone: httpx.AsyncClient, tenant: Any, path: str, runner: Runner
) -> None:
    query = {"key": await tenant.key("operator")}
    assert (await anyone.post(f"{path}/browser", params=query)).status_code == 401
    assert (await anyone.get(path, params=query)).status_code == 401


async def test_no_span_holds_a_key_of_an_address(
    gateway: Any, tenant: Any, path: str, runner: Runner, wait_until: Callable[..., Any]
) -> None:
    exporter, provider = InMemorySpanExporter(), trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    key = await tenant.key("operator")
    url = f"{gateway.url}{path}/cdp".replace("http", "ws", 1)
    async with connect(f"{url}?key={key}", proxy=None) as door:
        await door.send('{"id": 1, "method": "Browser.getVersion"}')
        await door.recv()
    await wait_until(lambda: any(span.name == f"WS {path}/cdp" for span in exporter.get_finished_spans()))
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert key.rpartition("_")[2] not in told
    assert "a-token-of-the-runner" not in told
