"""Every request to a site passes here: it is counted, and refused during an outage."""

import math
from collections import Counter, deque
from dataclasses import dataclass

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posada_playground.faults import Faults

SITES = {
    "/social": "Carabook, red social",
    "/whatsapp": "Chasqui Web",
    "/hub": "Portal Hub",
    "/lab": "Laboratorio",
}

DOWN_PAGE = """<!doctype html><html lang="es"><head><meta charset="utf-8"><title>Error</title></head>
<body><h1>Lo sentimos, algo ha salido mal.</h1><p>Estamos trabajando para solucionarlo.</p></body></html>"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answered request."""

    number: int
    method: str
    path: str
    query: str
    status: int

    def __str__(self) -> str:
        target = f"{self.path}?{self.query}" if self.query else self.path
        return f"{self.method} {target} {self.status}"


class RequestLog:
    """The latest answered requests, numbered from 1."""

    def __init__(self, keep: int = 20_000) -> None:
        self._seen: deque[Seen] = deque(maxlen=keep)
        self.last = 0

    def note(self, scope: Scope, status: int) -> None:
        self.last += 1
        query = scope["query_string"].decode("latin-1")
        self._seen.append(Seen(self.last, scope["method"], scope["path"], query, status))

    def since(self, number: int) -> tuple[Counter[str], Counter[str]]:
        """Counts by path, and by "METHOD path?query status", of what came after the numbered one."""
        later = [seen for seen in self._seen if seen.number > number]
        return Counter(seen.path for seen in later), Counter(str(seen) for seen in later)


class Traffic:
    """The ASGI middleware. Scripts and photos are not counted: a real site has them on a CDN."""

    def __init__(self, app: ASGIApp, faults: Faults, log: RequestLog) -> None:
        self._app = app
        self._faults = faults
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not scope["path"].startswith(tuple(SITES)):
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._log.note(scope, message["status"])
            await send(message)

        left = self._faults.seconds_down()
        if left and scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        app = _down(left) if left else self._app
        await app(scope, receive, noting)


def _down(left: float) -> ASGIApp:
    return HTMLResponse(DOWN_PAGE, status_code=503, headers={"Retry-After": str(math.ceil(left))})
