"""W3C WebDriver for a session's browser: each client's connection has one of its own to the runner's door.

The runner ends a WebDriver session when the connection that drove it has gone, so what is one connection here must be
one there, too. What DevTools clients may not do, WebDriver clients may not either: the rules are those of `sieve`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from posada_contracts.errors import BrowserFailedError, PosadaError
from starlette.responses import Response

from posada_gateway.sieve import may_open, sift

LONGEST_S = 320.0  #: a page may take 300 s to load, as WebDriver has it
_EXECUTE = frozenset({"goog/cdp/execute", "chromium/send_command", "chromium/send_command_and_get_result"})
_FILES = frozenset({"file", "se/file"})
Peer = tuple[str, int]


class RefusedError(PosadaError):
    """WebDriver clients may not do this here."""

    code, status = "refused", 403


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
        method, path, body = request
        address = self._addresses.get((peer, session_id)) or await self._find(peer, session_id, opened)
        body = await self._judged(peer, address, path, body)
        answer = await self._ask(peer, method, f"{address}/{path}", body)
        if answer.status_code == 404 and not answer.content:  # this browser is no more: perhaps another one is there
            address = await self._find(peer, session_id, opened)
            answer = await self._ask(peer, method, f"{address}/{path}", body)
        headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-cache"}
        return Response(answer.content, answer.status_code, headers)

    async def _find(self, peer: Peer, session_id: str, opened: Callable[[], Awaitable[str]]) -> str:
        address = self._addresses[peer, session_id] = await opened()
        return address

    async def _ask(self, peer: Peer, method: str, url: str, body: bytes) -> httpx.Response:
        client = self._clients.get(peer)
        if client is None:
            limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
            client = self._clients[peer] = httpx.AsyncClient(timeout=LONGEST_S, limits=limits, trust_env=False)
        try:
            return await client.request(method, url, content=body or None)
        except httpx.HTTPError:
            raise BrowserFailedError("The browser's runner does not answer just now.") from None

    async def _judged(self, peer: Peer, address: str, path: str, body: bytes) -> bytes:
        """The body as it may go on. Raises RefusedError."""
        words = path.split("/", 2)
        what = words[2] if len(words) == 3 and words[0] == "session" else ""
        if what in _FILES:
            raise RefusedError("Files of your machine cannot be sent this way.")
        if what == "url" and body:
            if not may_open(str(_read(body).get("url", ""))):
                raise RefusedError("Only http, https, data, blob and about:blank may be opened.")
        elif any(what.endswith(each) for each in _EXECUTE):
            return _sifted(_read(body))
        elif what.startswith("element/") and what.endswith("/value"):
            await self._check_typed(peer, f"{address}/{path.removesuffix('/value')}", body)
        return body

    async def _check_typed(self, peer: Peer, element: str, body: bytes) -> None:
        """Typing a path into a file field would send a file of the runner's."""
        text = str(_read(body).get("text", ""))
        if not any(line.startswith("/") or line[1:2] == ":" for line in text.splitlines()):
            return
        answer = await self._ask(peer, "GET", f"{element}/property/type", b"")
        if answer.status_code == 200 and _read(answer.content).get("value") == "file":
            raise RefusedError("It would read the runner's files.")

    def lost(self, peer: Peer | None) -> None:
        """A client's connection has gone: so does ours."""
        if peer is None or (client := self._clients.pop(peer, None)) is None:
            return
        self._addresses = {key: address for key, address in self._addresses.items() if key[0] != peer}
        task = asyncio.create_task(client.aclose(), name="hang up on a runner")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise RefusedError("This is no JSON object.") from None


def _sifted(command: dict[str, Any]) -> bytes:
    """A DevTools command inside a WebDriver one, judged as any other."""
    said = {"id": 1, "method": command.get("cmd"), "params": command.get("params") or {}}
    verdict = sift(msgspec.json.encode(said).decode())
    if verdict.forward is None:
        raise RefusedError("This DevTools command is not to be had through this door.")
    passed = msgspec.json.decode(verdict.forward, type=dict[str, Any])
    return msgspec.json.encode({"cmd": passed["method"], "params": passed.get("params", {})})


def w3c(error: PosadaError) -> Response:
    """One of our errors as WebDriver clients understand them."""
    name = "session not created" if error.status in (404, 409, 410, 429, 502, 503) else "unknown error"
    value = {"error": name, "message": f"{error.detail} ({error.code})", "stacktrace": ""}
    retry = {"Retry-After": str(error.extra.get("retry_after", 1))} if error.status in (429, 503) else None
    return Response(msgspec.json.encode({"value": value}), error.status, retry, "application/json; charset=utf-8")
