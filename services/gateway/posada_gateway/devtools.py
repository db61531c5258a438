"""The way to a session's browser: the runner's door, dialled, and frames pumped both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from posada_contracts.errors import BrowserFailedError
from posada_runtime.ending import end
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from posada_gateway.sieve import sift

GOING_AWAY, NOT_TEXT, NOT_ALLOWED, RESTARTING = 1001, 1003, 1008, 1012
LARGEST_MESSAGE = 256 << 20
"""Bytes that a browser may say at once. A page can make it say anything, and it is held in memory."""

_DIAL_SECONDS = 10.0
_GOODBYE_SECONDS = 1.0
_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.WARNING)  # below that the library logs the address, which holds the runner's token


@asynccontextmanager
async def dialled(cdp_url: str) -> AsyncIterator[ClientConnection]:
    """A connection to the browser behind the runner's door.

    Raises:
        BrowserFailedError: nobody opens; the address is not told, for it is a key.
    """
    try:
        async with asyncio.timeout(_DIAL_SECONDS):
            browser = await connect(
                cdp_url,
                max_size=LARGEST_MESSAGE,
                compression=None,
                ping_interval=None,
                proxy=None,
                close_timeout=_GOODBYE_SECONDS,
                logger=_quiet,
            )
    except (OSError, TimeoutError, WebSocketException):
        raise BrowserFailedError("The browser's runner does not let anybody in just now.") from None
    try:
        yield browser
    finally:
        await browser.close()


async def version(cdp_url: str) -> dict[str, str]:
    """What the browser says of itself, named as `/json/version` of any Chromium names it.

    Raises:
        BrowserFailedError: it does not answer.
    """
    async with dialled(cdp_url) as browser:
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await browser.send('{"id":1,"method":"Browser.getVersion"}')
                told: dict[str, Any] = msgspec.json.decode(await browser.recv())["result"]
        except (TimeoutError, ConnectionClosed, KeyError):
            raise BrowserFailedError from None
    return {
        "Browser": told["product"],
        "Protocol-Version": told["protocolVersion"],
        "User-Agent": told["userAgent"],
        "V8-Version": told["jsVersion"],
    }


async def pump(client: WebSocket, browser: ClientConnection, ends: Mapping[int, Coroutine[Any, Any, object]]) -> None:
    """Pass messages both ways until either side ends; then the other is let go, too.

    So it is when one of `ends` is over: the client is told by the code that leads to it.
    """
    up = asyncio.create_task(_up(client, browser))
    down = asyncio.create_task(_down(client, browser))
    others = {asyncio.create_task(waits): code for code, waits in ends.items()}
    try:
        done, _ = await asyncio.wait({up, down, *others}, return_when=asyncio.FIRST_COMPLETED)
        code = next((others[task] for task in done if task in others), up.result() if up.done() else GOING_AWAY)
    finally:
        await end(up, down, *others)
    if client.client_state is WebSocketState.CONNECTED:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it went in this very moment
            await client.close(code)


async def _up(client: WebSocket, browser: ClientConnection) -> int:
    """From the client to the browser, sifted. Returns the code to close with, should the client still be there."""
    with contextlib.suppress(ConnectionClosed, WebSocketDisconnect):
        while (message := await client.receive())["type"] == "websocket.receive":
            if (text := message.get("text")) is None:
                return NOT_TEXT
            verdict = sift(text)
            if verdict.forward is not None:
                await browser.send(verdict.forward, text=True)
            elif verdict.reply is not None:
                await client.send_text(verdict.reply.decode())
    return GOING_AWAY


async def _down(client: WebSocket, browser: ClientConnection) -> None:
    """From the browser to the client, no faster than the client takes it."""
    with contextlib.suppress(ConnectionClosed, WebSocketDisconnect):
        while True:
            await client.send_text(await browser.recv(decode=True))
