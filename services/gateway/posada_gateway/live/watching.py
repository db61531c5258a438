"""One person at one browser: pictures down, hands up, until either side ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec
from posada_contracts.errors import BrowserFailedError, ForbiddenError
from posada_runtime.ending import end
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection

from posada_gateway.devtools import GOING_AWAY, NOT_ALLOWED
from posada_gateway.live import messages as said
from posada_gateway.live.cdp import Cdp
from posada_gateway.live.hands import Hands
from posada_gateway.live.screen import Screen
from posada_gateway.sieve import may_open

PICTURES_A_SECOND = 12
AHEAD = 2  #: pictures that a client which tells what it has seen may be sent before it says so
_encode = msgspec.json.Encoder().encode


class Watching:
    """A person, connected by `client`, at the browser behind `browser`."""

    def __init__(self, client: WebSocket, browser: ClientConnection, may_type: bool) -> None:
        self._client, self._may_type = client, may_type
        self._cdp = Cdp(browser)
        self._screen = Screen(self._cdp, may_type)
        self._hands = Hands(self._cdp, self._screen)
        self._begun = asyncio.Event()
        self._sending = asyncio.Lock()
        self._unseen: int | None = None  #: pictures; `None` while the client has never said what it has seen
        self._has_seen = asyncio.Event()

    async def run(self, ends: Mapping[int, Coroutine[Any, Any, object]]) -> None:
        """Until either side hangs up, or one of `ends` is over: its code is told to the client."""
        reading = asyncio.create_task(self._cdp.read(self._screen.heard))
        down, up = asyncio.create_task(self._down()), asyncio.create_task(self._up())
        others = {asyncio.create_task(waits): code for code, waits in ends.items()}
        try:
            done, _ = await asyncio.wait({reading, down, up, *others}, return_when=asyncio.FIRST_COMPLETED)
            code = next((others[task] for task in done if task in others), up.result() if up in done else GOING_AWAY)
        finally:
            await end(reading, down, up, *others)
            await self._screen.end()
        if self._client.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it went in this very moment
                await self._client.close(code)

    async def _down(self) -> None:
        """No faster than the client takes it: what it has no time for, it never gets."""
        told: said.View | None = None
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, BrowserFailedError):
            await self._screen.begin()
            self._begun.set()
            while True:
                await self._screen.changed.wait()
                self._screen.changed.clear()
                if (view := self._screen.view()) != told:
                    await self._tell(view)
                    told = view
                if (picture := self._screen.take()) is not None:
                    await self._send(picture)
                await asyncio.sleep(1 / PICTURES_A_SECOND)
                await self._until_seen()
                await self._screen.go_on()

    async def _send(self, picture: bytes) -> None:
        async with self._sending:
            await self._client.send_bytes(picture)
        if self._unseen is not None:
            self._unseen += 1

    async def _until_seen(self) -> None:
        while self._unseen is not None and self._unseen >= AHEAD:
            self._has_seen.clear()
            await self._has_seen.wait()

    async def _tell(self, message: said.View | said.Clipboard | said.Refused) -> None:
        async with self._sending:
            await self._client.send_text(_encode(message).decode())

    async def _up(self) -> int:
        """Returns the code to close with, should the client still be there."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._begun.wait()
            while (received := await self._client.receive())["type"] == "websocket.receive":
                try:
                    message = said.heard(received.get("text") or "")
                except ValueError:
                    return NOT_ALLOWED
                if (answer := await self._heard(message)) is not None:
                    await self._tell(answer)
        return GOING_AWAY

    async def _heard(self, message: said.Said) -> said.Clipboard | said.Refused | None:
        if isinstance(message, said.Seen):
            self._unseen = max((self._unseen or 0) - 1, 0)
            self._has_seen.set()
            return None
        if not self._may_type and not isinstance(message, said.LOOKING):
            return said.Refused(code=ForbiddenError.code, detail="This key's role may look, but do nothing.")
        if isinstance(message, said.Go) and not may_open(message.url):
            return said.Refused(
                code="bad_address", detail="Only http, https, data, blob and about:blank may be opened."
            )
        return await self._hands.do(message)
