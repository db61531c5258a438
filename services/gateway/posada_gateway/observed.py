"""What is told of each request: one line in the log, one count, and the last word when something broke."""

from __future__ import annotations

import time
import traceback

from posada_runtime.log import get_logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posada_gateway.metrics import Metrics

_FRAMES = 6


class Observed:
    """ASGI middleware. It logs no query, no header and no text of an exception: all may hold secrets."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics, self._log = app, metrics, get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and watch it; a WebSocket is told of when it has ended."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if not status and (status := _status(message)):
                self._metrics.answered(_route(scope), _method(scope), status, time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # it has been answered with a 500 where that was still possible
            self._log.error("request_failed", error=type(error).__name__, at=_where(error))
        finally:
            self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        caller = scope.get("state", {}).get("caller")
        self._log.info(
            "request",
            method=_method(scope),
            path=scope["path"][:200],
            route=_route(scope),
            status=status,
            ms=round(seconds * 1000, 1),
            actor=caller.actor if caller else None,
        )


def _method(scope: Scope) -> str:
    return str(scope.get("method", "WS"))


def _status(message: Message) -> int:
    """What a message answers with; 0 when it is not the answer."""
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        return int(message["status"])
    return {"websocket.accept": 101, "websocket.close": 403}.get(message["type"], 0)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _where(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
