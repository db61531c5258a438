"""A gateway over a real NATS, and a handful of responders that answer as the other services would."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from posada_contracts import access, browser, house, job, session
from posada_embedded.nats import NatsConfig, NatsServer
from posada_gateway.__main__ import wire
from posada_gateway.app import build
from posada_gateway.server import Server
from posada_gateway.settings import GatewaySettings
from posada_runtime import log as logging
from posada_runtime import telemetry
from posada_runtime.bus import connect
from posada_runtime.eventstore import EventStore
from posada_runtime.service import Platform, Service
from posada_runtime.settings import CommonSettings
from pydantic import SecretStr

from .gateways import Gateway, Tenant, running, until
from .responders import Log, Registry, Scraper


@pytest.fixture(scope="session")
async def common(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CommonSettings]:
    """Settings that lead to a NATS of our own."""
    directory: Path = tmp_path_factory.mktemp("nats")
    async with NatsServer(NatsConfig(directory, sync_always=False)) as server:
        yield CommonSettings(nats_url=SecretStr(server.url), log_level="error", data=directory, grace_seconds=2)


@pytest.fixture(scope="session")
async def process(common: CommonSettings) -> AsyncIterator[Platform]:
    """What `platform` gives, without taking the signals away from pytest."""
    telemetry.configure(common, "gateway")
    logging.configure(common, "gateway")
    async with connect(common, "gateway") as bus:
        store = EventStore(bus)
        await store.open()
        yield Platform(common, "gateway", bus, store, log=logging.get_logger())


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def log_of() -> Callable[[EventStore], Log]:
    return Log


@pytest.fixture
def gateway_process() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
async def log(process: Platform) -> Log:
    return Log(process.store)


@pytest.fixture(scope="session")
async def registry(process: Platform, log: Log) -> AsyncIterator[Registry]:
    registry, service = Registry(log), Service(process)
    service.hear(session.CreateSession, registry.create)
    for request in (session.GetSession, session.ChangeSession, session.StoreCredentials, session.EraseSession):
        service.hear(request, registry.on_session)
    service.hear(session.ListSessions, registry.page)
    service.hear(session.GetToken, registry.token)
    service.hear(session.ReadToken, registry.read_token)
    service.hear(access.IssueKey, registry.issue)
    service.hear(access.RevokeKey, registry.revoke)
    service.hear(house.GetCounts, registry.counts)
    service.hear(house.RegistryHealth, registry.health)
    service.hear(house.ReplayReadModels, registry.replay)
    async with service.serving():
        yield registry


@pytest.fixture(scope="session")
async def scraper(process: Platform, log: Log) -> AsyncIterator[Scraper]:
    scraper, service = Scraper(log), Service(process)
    service.hear(job.ListPlatforms, scraper.platforms)
    service.hear(job.RequestJob, scraper.request)
    service.hear(job.GetJob, scraper.get)
    service.hear(job.CancelJob, scraper.get)
    service.hear(job.GetResult, scraper.result)
    service.hear(job.GiveInput, scraper.give)
    service.hear(job.GetScraperStats, scraper.executor, everyone=True)
    service.hear(browser.GetRunnerStats, scraper.stats, everyone=True)
    service.hear(browser.OpenBrowser, scraper.open_browser)
    service.hear(browser.CloseBrowser, scraper.close)
    service.hear(browser.CleanBrowser, scraper.clean)
    service.hear(house.ScraperHealth, scraper.health_of_scraper)
    service.hear(house.RunnerHealth, scraper.health_of_runner)
    async with service.serving():
        yield scraper


Start = Callable[..., Any]


@pytest.fixture(scope="session")
async def start(process: Platform) -> AsyncIterator[Start]:
    """Starts gateways in this process."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            chosen = GatewaySettings(port=0, **settings)
            house_ = replace(await wire(process, chosen), stopping=asyncio.Event())
            await stack.enter_async_context(process.background(house_.ring.follow(process.store), "keyring"))
            await stack.enter_async_context(process.background(house_.figures.count(process.store), "tokens"))
            await stack.enter_async_context(process.background(house_.figures.ask(process.bus), "figures"))
            server = Server(
                uvicorn.Config(
                    build(house_),
                    host="127.0.0.1",
                    port=0,
                    log_config=None,
                    lifespan="off",
                    timeout_graceful_shutdown=10,
                )
            )
            serving = asyncio.create_task(server.serve())

            async def stop() -> None:
                house_.stopping.set()
                server.should_exit = True
                await serving

            stack.push_async_callback(stop)
            await until(lambda: bool(server.started))
            assert await house_.ring.wait_until(lambda ring: ring.caught_up, 20)
            return Gateway(house_, f"http://127.0.0.1:{server.port}")

        yield start


@pytest.fixture(scope="session")
async def gateway(start: Start, registry: Registry, scraper: Scraper) -> Gateway:
    """The gateway that most tests share: each has a tenant of its own there."""
    found: Gateway = await start(max_body_bytes=64 * 1024, heartbeat_seconds=0.2)
    return found


@pytest.fixture
async def tenant(gateway: Gateway, log: Log) -> AsyncIterator[Tenant]:
    tenant = Tenant(gateway, log, f"t{secrets.token_hex(6)}")
    yield tenant
    await tenant.close()


@pytest.fixture
async def tenants(gateway: Gateway, log: Log) -> AsyncIterator[Callable[[str], Tenant]]:
    """Further tenants, by name."""
    made: list[Tenant] = []

    def named(name: str) -> Tenant:
        made.append(Tenant(gateway, log, name))
        return made[-1]

    yield named
    for tenant in made:
        await tenant.close()


@pytest.fixture
async def admin(tenant: Tenant) -> httpx.AsyncClient:
    """An admin of the test's tenant."""
    return await tenant.client("admin")


@pytest.fixture
async def anyone(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def new_session() -> dict[str, Any]:
    return {"owner": f"ana-{secrets.token_hex(4)}", "platform": "facebook"}
