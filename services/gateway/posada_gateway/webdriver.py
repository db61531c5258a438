"""W3C WebDriver for a session's browser: each client's connection has one of its own to the runner's door.

The runner ends a WebDriver session when the connection that drove it has gone, so what is one connection here must be
one there, too. What DevTools clients may not do, WebDriver clients may not either: the rules are those of `sieve`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import msgspec
from posada_contracts.errors import BrowserFailedError, PosadaError
from starlette.responses import Response

from posada_gateway.spoken import understood

LONGEST_S = 320.0  #: a page may take 300 s to load, as WebDriver has it
LARGEST_ANSWER = 64 << 20
Peer = tuple[str, int]


class Lines:
    """The connections to runners, one for each client's connection."""

    def __init__(self) -> None:
        self._clients: dict[Peer, httpx.AsyncClient] = {}
        self._addresses: dict[tuple[Peer, str], str] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def forward(
        self,
        peer: Peer,
        session_id: str,
        request: tuple[str, str, bytes],
        opened: Callable[[], Awaitable[str]],
    ) -> Response:
        """Pass a request (method, path, body) on to the session's browser; `opened` tells where that is.

        Raises:
            RefusedError: clients outside may not do this.
            BrowserFailedError: the runner does not answer.
        """
        method = request[0]
        path, body = understood(*request)
        address = self._addresses.get((peer, session_id)) or await self._find(peer, session_id, opened)
        status, told = await self._ask(peer, method, f"{address}/{path}", body)
        if status == 404 and not told:  # this browser is no more: perhaps another one is there
            address = await self._find(peer, session_id, opened)
            status, told = await self._ask(peer, method, f"{address}/{path}", body)
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-cache"}
        return Response(told, status, headers)

    async def _find(self, peer: Peer, session_id: str, opened: Callable[[], Awaitable[str]]) -> str:
        address = self._addresses[peer, session_id] = await opened()
        return address

    async def _ask(self, peer: Peer, method: str, url: str, body: bytes) -> tuple[int, bytes]:
        client = self._clients.get(peer)
        if client is None:
            limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
            client = self._clients[peer] = httpx.AsyncClient(timeout=LONGEST_S, limits=limits, trust_env=False)
        try:
            async with client.stream(method, url, content=body or None) as answer:
                if int(answer.headers.get("Content-Length", 0)) > LARGEST_ANSWER:
                    raise BrowserFailedError("What the browser answers is too large: over 64 MiB.")
                return answer.status_code, await answer.aread()
        except httpx.HTTPError:
            raise BrowserFailedError("The browser's runner does not answer just now.") from None

    def lost(self, peer: Peer | None) -> None:
        """A client's connection has gone: so does ours."""
        if peer is None or (client := self._clients.pop(peer, None)) is None:
            return
        self._addresses = {key: address for key, address in self._addresses.items() if key[0] != peer}
        task = asyncio.create_task(client.aclose(), name="hang up on a runner")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def w3c(error: PosadaError) -> Response:
    """One of our errors as WebDriver clients understand them."""
    name = "session not created" if error.status in (404, 409, 410, 429, 502, 503) else "unknown error"
    value = {"error": name, "message": f"{error.detail} ({error.code})", "stacktrace": ""}
    retry = {"Retry-After": str(error.extra.get("retry_after", 1))} if error.status in (429, 503) else None
    return Response(msgspec.json.encode({"value": value}), error.status, retry, "application/json; charset=utf-8")
