"""A DevTools connection of our own: calls, events, and flat sessions on one WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from posada_contracts.errors import BrowserFailedError
from posada_runtime.ending import end
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

OnEvent = Callable[[str, dict[str, Any], str], None]
_quiet = logging.getLogger(__name__)
_quiet.setLevel(logging.WARNING)  # below that the library logs what is said, cookies and all


class CdpError(BrowserFailedError):
    """The browser refuses what it was asked over DevTools."""


class CdpClosedError(BrowserFailedError):
    """The browser does not speak DevTools any more."""


class CdpTimeoutError(BrowserFailedError):
    """The browser does not answer over DevTools."""


class _Message(msgspec.Struct, omit_defaults=True):
    id: int = 0
    method: str = ""
    params: dict[str, Any] = {}
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None
    sessionId: str = ""  # noqa: N815 - the protocol's name


class Cdp:
    """Speaks with the browser at `ws_url`. `on_event(method, params, session)` hears every event, in order."""

    def __init__(self, socket: ClientConnection, on_event: OnEvent) -> None:
        self._socket, self._on_event = socket, on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name="devtools")

    @classmethod
    async def connect(cls, ws_url: str, on_event: OnEvent, timeout_s: float = 10.0) -> Cdp:
        """Raises CdpClosedError: nobody answers there."""
        try:
            async with asyncio.timeout(timeout_s):
                socket = await connect(
                    ws_url, max_size=None, compression=None, ping_interval=None, proxy=None, logger=_quiet
                )
        except (OSError, TimeoutError, WebSocketException):
            raise CdpClosedError from None
        return cls(socket, on_event)

    @property
    def open(self) -> bool:
        """Whether the connection stands."""
        return not self._reading.done()

    def say(self, method: str, params: dict[str, Any] | None = None, session: str = "") -> asyncio.Future[Any]:
        """Send a command; the future has its result. What is said in one go is done in order."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_looked_at)
        if not self.open:
            answer.set_exception(CdpClosedError())
            return answer
        id_ = next(self._ids)
        self._waiting[id_] = answer
        sent = asyncio.ensure_future(
            self._socket.send(msgspec.json.encode(_Message(id_, method, params or {}, sessionId=session)), text=True)
        )
        sent.add_done_callback(_looked_at)
        return answer

    async def call(
        self, method: str, params: dict[str, Any] | None = None, session: str = "", timeout_s: float = 10.0
    ) -> dict[str, Any]:
        """Say it and wait for the result.

        Raises:
            CdpError, CdpClosedError, CdpTimeoutError: as they say; never with what was said in their text.
        """
        try:
            async with asyncio.timeout(timeout_s):
                result: dict[str, Any] = await self.say(method, params, session)
                return result
        except TimeoutError:
            raise CdpTimeoutError(f"no answer to {method} within {timeout_s:g} s") from None

    async def close(self) -> None:
        """Hang up. Safe to repeat."""
        await end(self._reading)
        with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._socket.close()

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                message = _message(text)
                if message.id:
                    self._answered(message)
                else:
                    self._on_event(message.method, message.params, message.sessionId)
        except ConnectionClosed:
            return
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(CdpClosedError())
            self._waiting.clear()

    def _answered(self, message: _Message) -> None:
        answer = self._waiting.pop(message.id, None)
        if answer is None or answer.done():
            return
        if message.error is not None:
            answer.set_exception(CdpError(str(message.error.get("message", ""))[:200]))
        else:
            answer.set_result(message.result)


_DECODER = msgspec.json.Decoder(_Message)


def _message(text: str | bytes) -> _Message:
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:  # half a UTF-16 pair, in a page's title or storage
        return _DECODER.decode(json.dumps(json.loads(text), ensure_ascii=False).encode(errors="replace"))


def _looked_at(done: asyncio.Future[Any]) -> None:
    """So that an answer nobody waits for any more makes no noise."""
    if not done.cancelled():
        done.exception()
