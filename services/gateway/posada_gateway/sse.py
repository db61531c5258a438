"""Server-sent events that end at once when the client goes or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from posada_runtime.ending import end
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from posada_gateway.accept import SSE

_RETRY = b"retry: 2000\n"
_HEARTBEAT = b": still here\n\n"
MESSAGE_SCHEMA = {
    "type": "object",
    "description": "One message of the stream; `data` is an event as JSON, `id` its position in the log",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_AHEAD = 64
"""Messages read ahead of a slow client; the log is read no faster than that."""


def beginning(id_: int) -> bytes:
    """What a stream begins with: where it stands, so that a client cut off before the first event resumes there."""
    return _RETRY + b"id: %d\n\n" % id_


def message(id_: int, event: str, data: bytes) -> bytes:
    """One event on the wire; `data` is JSON, which has no line breaks of its own."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (id_, event.encode(), data)


class EventStream(Response):
    """Sends `messages` as they come, and a comment when none has come for `heartbeat` seconds."""

    media_type = SSE

    def __init__(self, messages: AsyncGenerator[bytes], stopping: asyncio.Event, heartbeat: float) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._messages, self._stopping, self._heartbeat = messages, stopping, heartbeat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the messages end, the client is gone, or the server stops."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
        reading = asyncio.create_task(self._read(waiting))
        sending = asyncio.create_task(self._send(waiting, send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait([sending, *others], return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and (error := reading.exception()) is not None:
                raise error
        finally:
            await end(reading, sending, *others)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _read(self, waiting: asyncio.Queue[bytes | None]) -> None:
        try:
            async with aclosing(self._messages):
                async for chunk in self._messages:
                    await waiting.put(chunk)
        finally:
            await waiting.put(None)

    async def _send(self, waiting: asyncio.Queue[bytes | None], send: Send) -> None:
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    chunk = await waiting.get()
            except TimeoutError:
                chunk = _HEARTBEAT
            if chunk is None:
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
