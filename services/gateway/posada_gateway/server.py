"""uvicorn, told to stop by the house instead of by signals of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from posada_gateway.settings import GatewaySettings

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # of what a client sends over a WebSocket: scripts and pages come in one


class Server(uvicorn.Server):
    """Says on stdout where it serves, as one line of JSON, once it does."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the house: its streams must end before connections are waited for."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host = self.config.host
            shown = f"[{host}]" if ":" in host else host
            print(json.dumps({"url": f"http://{shown}:{self.port}"}), flush=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.servers[0].sockets[0].getsockname()[1])


async def serve(app: ASGIApp, settings: GatewaySettings, stopping: asyncio.Event, grace_seconds: float) -> None:
    """Serve until `stopping`, then finish what has begun within the grace time."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        log_level="warning",  # below that a WebSocket's address is logged with its query, where a key may be
        access_log=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_timeout=60.0,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=max(1, round(grace_seconds)),
    )
    server = Server(config)

    async def stop() -> None:
        await stopping.wait()
        server.should_exit = True

    stopper = asyncio.create_task(stop())
    try:
        await server.serve()
    finally:
        stopper.cancel()
