"""Server-sent events that end at once when the client goes or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from posada_gateway.accept import SSE

_FIRST = b"retry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"


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
        pump = asyncio.create_task(self._pump(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait([pump, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, *others):
                task.cancel()
            outcome, *_ = await asyncio.gather(pump, *others, return_exceptions=True)
            await self._messages.aclose()
        if isinstance(outcome, Exception):
            raise outcome
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": _FIRST, "more_body": True})
        coming = asyncio.ensure_future(anext(self._messages, None))
        try:
            while True:
                done, _ = await asyncio.wait([coming], timeout=self._heartbeat)
                chunk = coming.result() if done else _HEARTBEAT
                if chunk is None:
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if done:
                    coming = asyncio.ensure_future(anext(self._messages, None))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
