"""A gateway over a real NATS, and a handful of responders that answer as the other services would."""

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
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from posada_contracts import access, browser, errors, house, ids, job, session
from posada_contracts.messages import Command, Event
from posada_embedded.nats import NatsConfig, NatsServer
from posada_gateway.__main__ import wire
from posada_gateway.app import build
from posada_gateway.house import House
from posada_gateway.server import Server
from posada_gateway.settings import GatewaySettings
from posada_runtime.eventstore import EventStore, Tail
from posada_runtime.service import Platform, Service, platform
from posada_runtime.settings import CommonSettings
from pydantic import SecretStr

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
async def common(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CommonSettings]:
    """Settings that lead to a NATS of our own."""
    directory: Path = tmp_path_factory.mktemp("nats")
    async with NatsServer(NatsConfig(directory, sync_always=False)) as server:
        yield CommonSettings(nats_url=SecretStr(server.url), log_level="error", data=directory, grace_seconds=2)


@pytest.fixture(scope="session")
async def process(common: CommonSettings) -> AsyncIterator[Platform]:
    async with platform(common, "gateway") as process:
        yield process


async def until(holds: Callable[[], Any], seconds: float = 20, equals: Any = True) -> None:
    """Wait for a state that nothing tells of."""
    deadline = time.monotonic() + seconds
    while (await found if inspect.isawaitable(found := holds()) else found) != equals:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return until


class Log:
    """Appends events as their owners would."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._tails: dict[tuple[str, str, str], tuple[int, Tail]] = {}

    async def add(self, kind: type[Event], tenant: str, id: str, /, **fields: Any) -> int:
        """One more event of an aggregate; returns its position in the log."""
        place = (tenant, kind.SUBJECT.split(".")[2], id)
        version, tail = self._tails.get(place, (0, Tail()))
        event = kind(originator_id=id, originator_version=version + 1, timestamp=datetime.now(UTC), **fields)
        stored = await self._store.append(event, Command(tenant=tenant, actor="test"), tail)
        self._tails[place] = (version + 1, Tail(stored.sequence, stored.digest))
        return stored.sequence


@pytest.fixture
def log_of() -> Callable[[EventStore], Log]:
    return Log


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


@pytest.fixture
def gateway_process() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
async def log(process: Platform) -> Log:
    return Log(process.store)


@dataclass
class Registry:
    """Answers for session-registry, from memory; keys it really writes to the log."""

    log: Log
    sessions: dict[tuple[str, str], session.SessionView] = field(default_factory=dict)
    made_by: dict[str, str] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    pause: float = 0
    secret_told: str = ""

    async def create(self, command: session.CreateSession) -> session.SessionView:
        self.heard.append(command)
        await asyncio.sleep(self.pause)
        id_ = ids.session_id(command.tenant, command.owner, command.platform)
        present = self.sessions.get((command.tenant, id_))
        if present is not None and self.made_by[id_] != command.command_id:
            raise errors.SessionExistsError(session_id=id_)
        if present is None:
            present = a_session(command.tenant, command.owner, command.platform)
            self.sessions[command.tenant, id_], self.made_by[id_] = present, command.command_id
            fields = {"tenant": command.tenant, "owner": command.owner, "platform": command.platform}
            await self.log.add(session.SessionCreated, command.tenant, id_, **fields)
        return present

    async def on_session(self, request: Any) -> session.SessionView:
        self.heard.append(request)
        try:
            return self.sessions[request.tenant, request.session_id]
        except KeyError:
            raise errors.NotFoundError from None

    async def page(self, query: session.ListSessions) -> session.SessionPage:
        if query.cursor not in (None, "second"):
            raise errors.BadCursorError
        own = [view for (tenant, _), view in self.sessions.items() if tenant == query.tenant]
        return session.SessionPage(items=[view for view in own if query.owner in (None, view.owner)][: query.limit])

    async def counts(self, query: house.GetCounts) -> house.Counts:
        number = sum(tenant == query.tenant for tenant, _ in self.sessions)
        return house.Counts(sessions={"created": number}, jobs={"queued": 2}, projected=7, logged=9)

    async def issue(self, command: access.IssueKey) -> access.NewKey:
        id_, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
        hash_ = hashlib.sha256(secret.encode()).hexdigest()
        said: dict[str, Any] = {"tenant": command.tenant, "role": command.role, "label": command.label}
        await self.log.add(access.KeyIssued, command.tenant, id_, hash=hash_, **said)
        return access.NewKey(
            key=access.KeyView(id=id_, created_at=BEGAN, revoked=False, **said), secret=self.secret_told or secret
        )

    async def revoke(self, command: access.RevokeKey) -> access.KeyView:
        await self.log.add(access.KeyRevoked, command.tenant, command.key_id)
        return access.KeyView(
            id=command.key_id, tenant=command.tenant, role="viewer", label="", created_at=BEGAN, revoked=True
        )

    async def health(self, _: house.RegistryHealth) -> house.Health:
        return house.Health(service="session-registry", checks={"database": house.Probed(status="ok", message="pg")})

    async def replay(self, command: house.ReplayReadModels) -> house.ReplayReport:
        return house.ReplayReport(events=1, sequence=1, took_ms=1, swapped=command.swap, tables=[])


def a_session(tenant: str, owner: str, platform_: str) -> session.SessionView:
    """A session just made."""
    return session.SessionView(
        id=ids.session_id(tenant, owner, platform_),
        tenant=tenant,
        owner=owner,
        platform=platform_,
        status="created",
        browser="none",
        priority="normal",
        has_credentials=False,
        proxy_url=None,
        user_agent=None,
        labels={},
        created_at=BEGAN,
        last_activity_at=BEGAN,
        validated_at=None,
        version=1,
    )


@dataclass
class Scraper:
    """Answers for scraper and browser-runner, from memory; the start of a job it really writes to the log."""

    log: Log
    jobs: dict[tuple[str, str], job.JobView] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    open: list[browser.Usage] = field(default_factory=list)
    healthy: bool = True

    async def platforms(self, _: job.ListPlatforms) -> list[job.PlatformView]:
        return [job.PlatformView(name="facebook", kinds=["profile", "check"], base_url="http://127.0.0.1")]

    async def request(self, command: job.RequestJob) -> job.JobView:
        view = job.JobView(
            id=command.job_id,
            tenant=command.tenant,
            session_id=command.session_id,
            platform="facebook",
            kind=command.kind,
            target=command.target,
            params=command.params,
            state="queued",
            progress=job.Progress(),
            attempt=0,
            error=None,
            records=None,
            created_at=BEGAN,
            started_at=None,
            finished_at=None,
            version=1,
        )
        if (command.tenant, command.job_id) not in self.jobs:
            said = {"tenant": command.tenant, "session_id": command.session_id, "platform": "facebook"}
            await self.log.add(job.JobRequested, command.tenant, command.job_id, kind=command.kind, **said)
            self.jobs[command.tenant, command.job_id] = view
        return view

    async def end(self, tenant: str, job_id: str) -> int:
        """Let a job succeed."""
        view = replace(self.jobs[tenant, job_id], state="succeeded", finished_at=BEGAN, records=len(self.records))
        self.jobs[tenant, job_id] = view
        return await self.log.add(job.JobCancelled, tenant, job_id)

    async def get(self, query: job.GetJob | job.CancelJob) -> job.JobView:
        try:
            return self.jobs[query.tenant, query.job_id]
        except KeyError:
            raise errors.NotFoundError from None

    async def result(self, query: job.GetResult) -> job.ResultPage:
        some = self.records[query.offset : query.offset + min(query.limit, 2)]
        return job.ResultPage(records=some, total=len(self.records))

    async def stats(self, _: browser.GetRunnerStats) -> browser.RunnerStats:
        return browser.RunnerStats(runner="r1", max_browsers=10, browsers=self.open)

    async def close(self, command: browser.CloseBrowser) -> bool:
        return any(use.session_id == command.session_id for use in self.open)

    async def clean(self, _: browser.CleanBrowser) -> list[session.Step]:
        return [session.Step(name="kill", ok=True), session.Step(name="remove", ok=False, detail="in use")]

    async def health_of_scraper(self, _: house.ScraperHealth) -> house.Health:
        if not self.healthy:
            raise errors.UnavailableError("no worker at 10.0.0.7")
        return house.Health(service="scraper")

    async def health_of_runner(self, _: house.RunnerHealth) -> house.Health:
        return house.Health(service="browser-runner")


@pytest.fixture(scope="session")
async def registry(process: Platform, log: Log) -> AsyncIterator[Registry]:
    registry, service = Registry(log), Service(process)
    service.hear(session.CreateSession, registry.create)
    for request in (session.GetSession, session.ChangeSession, session.StoreCredentials, session.EraseSession):
        service.hear(request, registry.on_session)
    service.hear(session.ListSessions, registry.page)
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
    service.hear(browser.GetRunnerStats, scraper.stats, everyone=True)
    service.hear(browser.CloseBrowser, scraper.close)
    service.hear(browser.CleanBrowser, scraper.clean)
    service.hear(house.ScraperHealth, scraper.health_of_scraper)
    service.hear(house.RunnerHealth, scraper.health_of_runner)
    async with service.serving():
        yield scraper


@dataclass(frozen=True)
class Gateway:
    """One that serves."""

    house: House
    url: str


Start = Callable[..., Any]


@pytest.fixture(scope="session")
async def start(process: Platform) -> AsyncIterator[Start]:
    """Starts gateways in this process."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            chosen = GatewaySettings(port=0, **settings)
            house_ = replace(await wire(process, chosen), stopping=asyncio.Event())
            await stack.enter_async_context(process.background(house_.ring.follow(process.store), "keyring"))
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
