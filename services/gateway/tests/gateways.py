"""Gateways that serve, in this process or in one of their own, and who calls them."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from posada_contracts import access
from posada_gateway.house import House
from posada_runtime.settings import CommonSettings

from .responders import Log


async def until(holds: Callable[[], Any], seconds: float = 20, equals: Any = True) -> None:
    """Wait for a state that nothing tells of."""
    deadline = time.monotonic() + seconds
    while (await found if inspect.isawaitable(found := holds()) else found) != equals:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Running:
    """A gateway as a process of its own."""

    process: asyncio.subprocess.Process

    async def url(self) -> str:
        """Where it serves, as it says itself."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        return str(json.loads(line)["url"])


@asynccontextmanager
async def running(common: CommonSettings, **env: str) -> AsyncIterator[Running]:
    own = {"POSADA_NATS_URL": common.nats_url.get_secret_value(), "POSADA_GATEWAY_PORT": "0", **env}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "posada_gateway"),
        env={**os.environ, **own},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True)
class Gateway:
    """One that serves."""

    house: House
    url: str


class Tenant:
    """A tenant of its own, with keys."""

    def __init__(self, gateway: Gateway, log: Log, name: str) -> None:
        self.gateway, self.log, self.name = gateway, log, name
        self._clients: list[httpx.AsyncClient] = []

    async def key(self, role: str) -> str:
        """A key of a role, known to the gateway."""
        id_, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
        hash_ = hashlib.sha256(secret.encode()).hexdigest()
        await self.log.add(access.KeyIssued, self.name, id_, tenant=self.name, role=role, label="", hash=hash_)
        assert await self.gateway.house.ring.wait_until(lambda ring: ring.get(id_) is not None, 10)
        return f"psd_{id_}_{secret}"

    async def client(self, role: str = "admin") -> httpx.AsyncClient:
        """A client with a key of a role."""
        headers = {"Authorization": f"Bearer {await self.key(role)}"}
        client = httpx.AsyncClient(base_url=self.gateway.url, headers=headers, trust_env=False, timeout=20)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()
