"""A few words of DevTools over a connection that is there already."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from posada_contracts.errors import BrowserFailedError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

Heard = Callable[[str, dict[str, Any], str], Awaitable[None]]
_PATIENCE_S = 10.0


class _Message(msgspec.Struct, omit_defaults=True):
    id: int = 0
    method: str = ""
    params: dict[str, Any] = {}
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None
    sessionId: str = ""  # noqa: N815 - the protocol's name


_DECODER = msgspec.json.Decoder(_Message)


def _read(text: str | bytes) -> _Message:
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError:  # half a UTF-16 pair, in a title or a dialog of a page
        return _DECODER.decode(json.dumps(json.loads(text), ensure_ascii=False).encode(errors="replace"))


class Cdp:
    """Says commands, in order; events are heard in order. What hears them may `say`, but not `ask`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def read(self, heard: Heard) -> None:
        """Hear events until the browser hangs up."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self._socket:
                message = _read(text)
                if not message.id:
                    await heard(message.method, message.params, message.sessionId)
                elif (answer := self._waiting.pop(message.id, None)) is not None and not answer.done():
                    _settle(answer, message)

    async def say(self, method: str, params: dict[str, Any] | None = None, session: str = "") -> None:
        """Send a command and wait for no answer. What a browser that hangs up does not hear is lost."""
        with contextlib.suppress(ConnectionClosed):
            await self._send(next(self._ids), method, params, session)

    async def ask(self, method: str, params: dict[str, Any] | None = None, session: str = "") -> dict[str, Any]:
        """Send a command and wait for its result.

        Raises:
            BrowserFailedError: it is refused, or not answered in time; what was said is never repeated.
        """
        id_ = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._send(id_, method, params, session)
                return await answer
        except (TimeoutError, ConnectionClosed):
            raise BrowserFailedError("The browser does not answer over DevTools.") from None
        finally:
            self._waiting.pop(id_, None)

    async def _send(self, id_: int, method: str, params: dict[str, Any] | None, session: str) -> None:
        message = _Message(id_, method, params or {}, sessionId=session)
        await self._socket.send(msgspec.json.encode(message), text=True)


def _settle(answer: asyncio.Future[dict[str, Any]], message: _Message) -> None:
    if message.error is not None:
        answer.set_exception(BrowserFailedError("The browser refuses what it was asked over DevTools."))
    else:
        answer.set_result(message.result)
