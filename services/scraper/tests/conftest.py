"""Real things to run against: a playground, a Chromium, a NATS server, the services' own processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright
from posada_contracts.house import RegistryHealth, RunnerHealth, ScraperHealth
from posada_contracts.job import JobEvent, JobView, RequestJob
from posada_contracts.session import CreateSession, SessionView
from posada_contracts.streams import of_aggregate
from posada_embedded.nats import NatsServer
from posada_playground.child import Playground, running
from posada_runtime.bus import Bus, connect, retried
from posada_runtime.eventstore import EventStore
from posada_runtime.processes import end_exactly, find_marked
from posada_runtime.settings import CommonSettings
from posada_scraper.domain import Job
from posada_scraper.views import view_of
from posada_testkit.faults import wait_until
from posada_testkit.house import browsers_of
from posada_testkit.servers import own_directory, running_nats, settings_for

DEBIAN = Path("/usr/lib/chromium/chromium-headless-shell")
BINARY = os.environ.get("POSADA_CHROMIUM") or (str(DEBIAN) if DEBIAN.exists() else None)
AS_ROOT = os.geteuid() == 0
LEAN = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if AS_ROOT else []),
]
ANA = "ana@example.test"

Start = Callable[..., Playground]
Context = Callable[[str], Any]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts playgrounds with settings; all end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    """One that is as fast as it can be, shared by the tests that leave nothing behind on it."""
    with running(page_delay_ms=0, calls_per_second=1000) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of our own."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=BINARY, args=LEAN, chromium_sandbox=not AS_ROOT)
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def context(browser: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Makes contexts that hold a login; they are closed with the test."""
    made: list[BrowserContext] = []

    async def make(playground: Playground, email: str = ANA, *, expired: bool = False) -> BrowserContext:
        state: Any = playground.control("POST", "/login", email=email, expired=expired)
        made.append(await browser.new_context(storage_state=state))
        return made[-1]

    yield make
    for each in made:
        await each.close()


TENANT = "acme"
ENDED = ("succeeded", "failed", "cancelled")
HEALTH = {
    "posada_session_registry": RegistryHealth,
    "posada_browser_runner": RunnerHealth,
    "posada_scraper": ScraperHealth,
}

ODD_PLATFORMS = """
from posada_contracts.session import Evidence
from posada_scraper.platforms.base import Check


class Odd:
    name, kinds, probes = "odd", ["check", "read", "boom"], ["http", "browser"]
    seen_by_page = "valid"

    def __init__(self, base_url):
        self.base_url = base_url or "http://127.0.0.1:9"

    def parse_target(self, kind, target):
        return target

    async def probe_http(self, client):
        return Check("unknown", Evidence(detail="nobody can tell over HTTP"))

    async def probe_page(self, page):
        return Check(self.seen_by_page, Evidence(marker="page", detail="the browser says so"))

    async def scrape(self, order, page, harvest):
        if order.kind == "boom":
            raise RuntimeError("cookie xs=top-secret was not taken")
        harvest.add("one", {"kind": "title", "title": await page.evaluate("'a page of ' + navigator.vendor")})


class Mute(Odd):
    name, seen_by_page = "mute", "unknown"


def broken(base_url):
    raise RuntimeError("this plug-in does not load")
"""


@dataclass
class House:
    """The services' own processes on one NATS server, and a look-alike to work on."""

    common: CommonSettings
    playground: Playground
    bus: Bus
    store: EventStore
    plugins: Path
    nats: NatsServer
    processes: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What all services write."""
        return self.common.data / "services.log"

    async def start(self, module: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start a service and return when it answers."""
        env = {
            **os.environ,
            "POSADA_NATS_URL": self.common.nats_url.get_secret_value(),
            "POSADA_DATA": str(self.common.data),
            "POSADA_GRACE_SECONDS": "1",
            "POSADA_REGISTRY_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:9/none",  # jobs need no read models
            "POSADA_RUNNER_NAME": "runner-1",
            "POSADA_RUNNER_ALLOW": json.dumps({"*": [self.playground.url.removeprefix("http://")]}),
            "POSADA_SCRAPER_BASE_URLS": json.dumps({"facebook": f"{self.playground.url}/social"}),
            "POSADA_SCRAPER_ACK_WAIT_S": "2",
            "POSADA_SCRAPER_RETRY_S": "0.1",
            "POSADA_SCRAPER_MAX_ATTEMPTS": "3",
            "PYTHONPATH": str(self.plugins),
            "PYTHONFAULTHANDLER": "1",
            **{f"POSADA_{name}": str(value) for name, value in settings.items()},
        }
        before = self.log.read_text().count('"serving"') if self.log.exists() else 0
        process = _spawned(module, env, self.log)
        self.processes.setdefault(module, []).append(process)
        await wait_until(lambda: self.log.read_text().count('"serving"') > before, f"{module} serves", within_s=30)
        return process

    def scrapers(self) -> list[subprocess.Popen[bytes]]:
        """Those that live."""
        return [each for each in self.processes["posada_scraper"] if each.poll() is None]

    async def session(self, account: str = "ana", *, expired: bool = False, **more: Any) -> SessionView:
        """A new session; of an account of the look-alike unless `account` is empty."""
        state = self.playground.control("POST", "/login", email=f"{account}@example.test", expired=expired)
        given = {"platform": "facebook", "storage_state": state if account else None, **more}
        return await self.bus.ask(CreateSession(tenant=TENANT, owner=secrets.token_hex(4), **given))

    async def request(self, session: SessionView, kind: str, target: str = "", **more: Any) -> JobView:
        """Ask for a job."""
        command = RequestJob(
            tenant=TENANT, job_id=secrets.token_hex(8), session_id=session.id, kind=kind, target=target, **more
        )
        return await self.bus.ask(command)

    async def job(self, job_id: str) -> JobView:
        """As it is now, from the log: whoever is frozen or dead is not asked."""
        loaded = await retried(lambda: self.store.load(Job, TENANT, job_id), 10)
        assert loaded.aggregate is not None
        return view_of(loaded.aggregate)

    async def until(self, job: JobView, true: Callable[[JobView], object], what: str, within_s: float = 60) -> JobView:
        """The job, when something is true of it."""

        async def look() -> JobView | None:
            now = await self.job(job.id)
            return now if true(now) else None

        seen = await wait_until(look, f"job {job.kind} {what}", within_s=within_s, poll_s=0.05)
        assert seen is not None
        return seen

    async def ended(self, job: JobView, within_s: float = 60) -> JobView:
        """The job when it has ended."""
        return await self.until(job, lambda now: now.state in ENDED, "ends", within_s)

    async def done(self, session: SessionView, kind: str, target: str = "") -> JobView:
        """A job from its request to its end."""
        return await self.ended(await self.request(session, kind, target))

    async def events(self, job: JobView) -> list[JobEvent]:
        """What the log says of a job."""
        found = [recorded.event async for recorded in self.store.read(of_aggregate(TENANT, "job", job.id))]
        return [event for event in found if isinstance(event, JobEvent)]

    async def said(self, job: JobView) -> list[str]:
        """The names of its events."""
        return [type(event).__name__ for event in await self.events(job)]

    def browser_processes(self, session: SessionView) -> list[int]:
        """The session's Chromium, oldest process first."""
        return [each.pid for each in browsers_of(self.common.data, self.common.house, session.id)]

    def end(self) -> None:
        """SIGTERM to every service that lives, scrapers first."""
        for module in reversed(HEALTH):
            living = [each for each in self.processes.get(module, []) if each.poll() is None]
            for process in living:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in living:
                self._see_off(module, process)

    def _see_off(self, module: str, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # faulthandler writes where it stands
            process.wait(timeout=10)
            raise AssertionError(f"{module} does not end:\n{self.log.read_text()[-4000:]}") from None

    async def __aenter__(self) -> Self:
        for module in HEALTH:
            await self.start(module)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end()
        await end_exactly(find_marked(self.common.house), 5)


def _spawned(module: str, env: dict[str, str], log_file: Path) -> subprocess.Popen[bytes]:
    with log_file.open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", module], env=env, stdout=log, stderr=log)


@asynccontextmanager
async def a_house(playground: Playground) -> AsyncIterator[House]:
    """Everything there is to do a job."""
    with own_directory("scraper") as directory:
        async with running_nats() as nats, connect(settings_for(nats, directory / "data"), "tests") as bus:
            common = settings_for(nats, directory / "data")
            common.data.mkdir()
            store = EventStore(bus)
            await store.open()
            async with House(common, playground, bus, store, odd_plugins(directory), nats) as house:
                yield house


def odd_plugins(directory: Path) -> Path:
    """A directory with platforms that a plug-in package brings, installed as far as Python cares."""
    place = directory / "plugins"
    meta = place / "odd_platforms-1.0.dist-info"
    meta.mkdir(parents=True)
    (place / "odd_platforms.py").write_text(ODD_PLATFORMS)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-platforms\nVersion: 1.0\n")
    entries = ["odd = odd_platforms:Odd", "mute = odd_platforms:Mute", "broken = odd_platforms:broken"]
    (meta / "entry_points.txt").write_text("\n".join(["[posada.platforms]", *entries, ""]))
    return place


@pytest.fixture(scope="module")
def slow_playground() -> Iterator[Playground]:
    """One on which a list of 340 friends takes some seconds, so that there is a middle of it."""
    with running(page_delay_ms=300, calls_per_second=1000) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(slow_playground: Playground) -> AsyncIterator[House]:
    """One house for the tests that leave it as they found it."""
    async with a_house(slow_playground) as running_house:
        yield running_house
