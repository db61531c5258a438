"""The whole house on one machine: embedded servers, the five services, the playground."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

import httpx
import psutil
from posada_embedded.nats import NatsConfig, NatsServer
from posada_embedded.ports import free_port
from posada_embedded.postgres import PostgresConfig, PostgresServer
from posada_runtime.log import get_logger
from posada_runtime.processes import Mark, end_exactly, orphans
from posada_runtime.settings import CommonSettings

from posada_onebox.children import Child, ServerChild, ServiceChild, keep_running
from posada_onebox.settings import PREFERRED_GATEWAY_PORT, Settings

LEFTOVER_GRACE_S = 10.0


class NotReadyError(Exception):
    """The house did not come up in time; the logs say why."""


class House:
    """Starts everything in order, keeps it running, and stops it in order."""

    def __init__(self, common: CommonSettings, settings: Settings) -> None:
        self._common, self._settings = common, settings
        self.data = common.data.resolve()
        self.logs = self.data / "logs"
        self.first_start = not (self.data / "nats").exists()
        self._mark = Mark.for_this_process(common.house, "onebox").encode()
        nats_config = NatsConfig(
            data_dir=self.data / "nats",
            port=settings.nats_port,
            mqtt_port=settings.mqtt_port,
            password=_kept_secret(self.data / "nats.password"),
            sync_always=settings.nats_sync_always,
            log_file=self.logs / "nats.log",
            mark=self._mark,
        )
        postgres_config = PostgresConfig(
            data_dir=self.data / "postgres",
            port=settings.postgres_port,
            log_file=self.logs / "postgres.log",
            mark=self._mark,
        )
        self._nats, self._postgres = NatsServer(nats_config), PostgresServer(postgres_config)
        self._gateway_port = _gateway_port(settings.gateway_port)
        self._playground_port = settings.playground_port or free_port("127.0.0.1")
        self._control_key = secrets.token_urlsafe(24)
        self._children: list[Child] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._ready = False

    @property
    def gateway_url(self) -> str:
        """Where people and programs come in."""
        return f"http://127.0.0.1:{self._gateway_port}"

    @property
    def playground_url(self) -> str:
        """Where the look-alike sites are; empty when they are off."""
        return f"http://127.0.0.1:{self._playground_port}" if self._settings.playground else ""

    async def start(self) -> None:
        """Bring everything up, and return when the gateway takes traffic.

        Raises:
            NotReadyError: it did not within `ready_seconds`.
        """
        await self._end_leftovers()
        servers = [ServerChild("nats", self._nats), ServerChild("postgres", self._postgres)]
        self._children = [*servers]
        await asyncio.gather(*(server.start() for server in servers))
        services = self._services()
        self._children += services
        await asyncio.gather(*(service.start() for service in services))
        await self._write_run_file()
        self._keepers = [
            asyncio.create_task(keep_running(child, self._write_run_file), name=child.name) for child in self._children
        ]
        await self._until_ready()
        self._ready = True
        await self._write_run_file()

    async def stop(self) -> None:
        """Stop in the order in which one needs the other: doors first, servers last."""
        for keeper in self._keepers:
            keeper.cancel()
        grace = self._common.grace_seconds + 2
        services = [child for child in self._children if isinstance(child, ServiceChild)]
        late = {"session-registry", "playground"}
        await asyncio.gather(*(child.stop(grace) for child in services if child.name not in late))
        await asyncio.gather(*(child.stop(grace) for child in services if child.name in late))
        await asyncio.gather(*(child.stop(grace) for child in self._children if isinstance(child, ServerChild)))
        with contextlib.suppress(FileNotFoundError):
            (self.data / "run.json").unlink()

    async def _end_leftovers(self) -> None:
        """End what an earlier supervisor left running when it was killed, and then what that left in turn."""
        while left := orphans(self._common.house):
            get_logger().warning("ending_leftovers", processes=len(left))
            ended = await end_exactly(left, LEFTOVER_GRACE_S)
            if any(not one.gone for one in ended):
                raise NotReadyError("processes of an earlier start cannot be ended: " + ", ".join(map(str, ended)))

    def _services(self) -> list[ServiceChild]:
        common = {
            "POSADA_NATS_URL": self._nats.url,
            "POSADA_DATA": str(self.data),
            "POSADA_MARK": self._mark,
        }
        places = {"facebook": "social", "whatsapp": "whatsapp", "hub": "hub"}
        sites = {name: f"{self.playground_url}/{place}" for name, place in places.items()}
        plan: list[tuple[str, str, dict[str, str]]] = [
            ("session-registry", "posada_session_registry", {"POSADA_REGISTRY_POSTGRES_DSN": self._postgres.dsn}),
            ("gateway", "posada_gateway", {"POSADA_GATEWAY_PORT": str(self._gateway_port)}),
        ]
        for name in _names("browser-runner", self._settings.runners):
            allow = {"*": [f"127.0.0.1:{self._playground_port}"]} if self._settings.playground else {}
            plan.append(
                (name, "posada_browser_runner", {"POSADA_RUNNER_NAME": name, "POSADA_RUNNER_ALLOW": json.dumps(allow)})
            )
        for name in _names("scraper", self._settings.scrapers):
            given = json.dumps(sites if self._settings.playground else {})
            plan.append((name, "posada_scraper", {"POSADA_SCRAPER_BASE_URLS": given}))
        children = [ServiceChild(name, module, {**common, **env}, self.logs) for name, module, env in plan]
        if self._settings.playground:
            children.append(ServiceChild("playground", "posada_playground", self._playground_env(), self.logs))
        return children

    def _playground_env(self) -> dict[str, str]:
        return {
            "POSADA_MARK": self._mark,
            "POSADA_PLAYGROUND_PORT": str(self._playground_port),
            "POSADA_PLAYGROUND_CONTROL_KEY": self._control_key,
            "POSADA_PLAYGROUND_PAGE_DELAY_MS": str(self._settings.page_delay_ms),
        }

    async def _until_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._settings.ready_seconds
        urls = [f"{self.gateway_url}/readyz", f"{self.gateway_url}/health"]
        urls += [f"{self.playground_url}/livez"] if self._settings.playground else []
        async with httpx.AsyncClient(timeout=3) as client:
            while not await _all_answer(client, urls):
                if asyncio.get_running_loop().time() > deadline:
                    raise NotReadyError(f"not ready within {self._settings.ready_seconds:g} s; see {self.logs}")
                await asyncio.sleep(0.1)

    async def _write_run_file(self) -> None:
        """What scripts read. Holds passwords, so it is for this user alone."""
        run: dict[str, Any] = {
            "ready": self._ready,
            "first_start": self.first_start,
            "started_at": psutil.Process().create_time(),
            "gateway_url": self.gateway_url,
            "nats_url": self._nats.url,
            "mqtt_port": self._nats.mqtt_port,
            "postgres_dsn": self._postgres.dsn,
            "playground_url": self.playground_url,
            "playground_key": self._control_key,
            "admin_key_file": str(self.data / "admin.key"),
            "pids": {"onebox": os.getpid(), **{child.name: child.pid for child in self._children}},
        }
        draft = self.data / "run.json.new"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(run, file, indent=2)
        draft.replace(self.data / "run.json")


def _names(base: str, count: int) -> list[str]:
    return [base] if count == 1 else [f"{base}-{number}" for number in range(1, count + 1)]


def _gateway_port(wanted: int | None) -> int:
    if wanted:
        return wanted
    if wanted is None:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", PREFERRED_GATEWAY_PORT)):
            return PREFERRED_GATEWAY_PORT
    return free_port("127.0.0.1")


def _kept_secret(path: Path) -> str:
    """The secret in a file; a new one is written there first, mode 0600, when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


async def _all_answer(client: httpx.AsyncClient, urls: list[str]) -> bool:
    for url in urls:
        try:
            if (await client.get(url)).status_code != httpx.codes.OK:
                return False
        except httpx.HTTPError:
            return False
    return True
