"""uvicorn, told to stop by the house instead of by signals of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from posada_gateway.settings import GatewaySettings

KEEP_ALIVE_SECONDS = 600
"""A WebDriver client that only thinks for so long keeps its connection, and with it its WebDriver session."""

OnLost = Callable[[tuple[str, int] | None], None]
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


def noticing(lost: OnLost) -> type[H11Protocol]:
    """The HTTP protocol, which tells `lost` of every client's connection that has gone."""

    class Noticing(H11Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost(self.client)

    return Noticing


class Config(uvicorn.Config):
    """Keeps, as the request's `state.peer`, whose connection it is: behind a proxy `client` is what the proxy says."""

    def load(self) -> None:
        """As uvicorn's, and around all of it the note."""
        super().load()
        inner = self.loaded_app

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope.setdefault("state", {})["peer"] = scope["client"]
            await inner(scope, receive, send)

        self.loaded_app = noted


async def serve(
    app: ASGIApp, settings: GatewaySettings, stopping: asyncio.Event, grace_seconds: float, lost: OnLost
) -> None:
    """Serve until `stopping`, then finish what has begun within the grace time."""
    config = Config(
        app,
        host=settings.host,
        port=settings.port,
        http=noticing(lost),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
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
