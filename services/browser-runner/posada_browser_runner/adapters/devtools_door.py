"""The door to a runner's browsers: one address, an unguessable token for each.

    ws://host:port/<token>                   the whole browser, for `connect_over_cdp` and Puppeteer's `connect`
    http://host:port/<token>/json/version    the same, for clients that ask for the address first
    http://host:port/<token>/webdriver/…     a W3C WebDriver server for this browser, for Selenium's `Remote`

After the handshake nothing is read: messages of any size pass as they are. A client of this door can do with its
browser whatever DevTools can, so the token is as good as the login in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from posada_browser_runner.adapters.heads import LIMIT, BadHeadError, Head, read_head, write_head
from posada_browser_runner.adapters.splice import Stream, splice
from posada_browser_runner.adapters.webdriver import Connection, WebDriver

_HANDSHAKE_S = 10.0
_VERSION = "json/version"
_WEBDRIVER = "webdriver"
_LARGEST_BODY = 64 << 20
#: Chromium refuses any Origin, and compressing what goes over loopback wastes processor time.
_NOT_PASSED_ON = {"host", "origin", "sec-websocket-extensions"}
OnChange = Callable[[str, int], None]


@dataclass
class _Entry:
    session_id: str
    ws_url: str
    live: set[asyncio.Task[None]] = field(default_factory=set)  #: DevTools connections
    driving: set[asyncio.Task[None]] = field(default_factory=set)  #: WebDriver clients' connections


class DevtoolsDoor:
    """Listens on `host`:`port` (0: a free one) and lets in who knows a token.

    `on_change(session_id, connections)` is called whenever a client of a browser has come or gone.
    """

    def __init__(
        self, host: str, port: int = 0, on_change: OnChange | None = None, webdriver: WebDriver | None = None
    ) -> None:
        self._host, self._wanted_port, self._on_change, self._webdriver = host, port, on_change, webdriver
        self._entries: dict[bytes, _Entry] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        self._server = await asyncio.start_server(self._accept, self._host, self._wanted_port, limit=LIMIT)

    async def stop(self) -> None:
        """Drop every connection and listen no more."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._webdriver is not None:
            await self._webdriver.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the door has not been started")
        return int(self._server.sockets[0].getsockname()[1])

    def open(self, session_id: str, ws_url: str) -> str:
        """A new token that leads to the browser at `ws_url`."""
        token = secrets.token_urlsafe(32)
        self._entries[_key(token)] = _Entry(session_id, ws_url)
        return token

    def close(self, token: str) -> None:
        """The token leads nowhere from now on, and who came in by it is dropped. An unknown one is fine."""
        entry = self._entries.pop(_key(token), None)
        for task in (*entry.live, *entry.driving) if entry else ():
            task.cancel()
        if self._webdriver is not None:
            self._webdriver.close(_key(token))

    def connections(self, token: str) -> int:
        """Clients connected by this token just now: DevTools connections, and WebDriver sessions."""
        entry = self._entries.get(_key(token))
        drives = self._webdriver.sessions(_key(token)) if self._webdriver is not None else 0
        return (len(entry.live) if entry else 0) + drives

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        client = Stream(reader, writer)
        try:
            await self._serve(client, task)
        except (OSError, EOFError, BadHeadError):
            writer.write(_answer("400 Bad Request"))
        except asyncio.CancelledError:
            writer.transport.abort()  # the token was closed: nothing more goes out
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(asyncio.CancelledError):
                await client.close()

    async def _serve(self, client: Stream, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(_HANDSHAKE_S):
            head = await read_head(client.reader)
        token, _, rest = urlsplit(head.first[1]).path.removeprefix("/").partition("/")
        entry = self._entries.get(_key(token))
        if entry is None or (head.first[0] != "GET" and not rest.startswith(_WEBDRIVER)):
            client.writer.write(_answer("404 Not Found"))
            return
        try:
            await self._lead(client, head, entry, rest.rstrip("/"), f"ws://{head.get('host')}/{token}", task)
        except (OSError, EOFError, ValueError):  # ValueError: what answers there is no Chromium
            client.writer.write(_answer("502 Bad Gateway"))

    async def _lead(
        self, client: Stream, head: Head, entry: _Entry, path: str, outside_url: str, task: asyncio.Task[None]
    ) -> None:
        if path == _VERSION:
            client.writer.write(await _version(entry.ws_url, outside_url))
        elif self._webdriver is not None and path.partition("/")[0] == _WEBDRIVER:
            await self._drive(self._webdriver, client, head, entry, task)
        elif not path and head.get("upgrade").lower() == "websocket":
            await self._pass_through(client, head, entry, task)
        else:
            client.writer.write(_answer("404 Not Found"))

    async def _pass_through(self, client: Stream, head: Head, entry: _Entry, task: asyncio.Task[None]) -> None:
        browser = await _dial(entry.ws_url)
        entry.live.add(task)
        self._tell(entry)
        try:
            url = urlsplit(entry.ws_url)
            lines = head.but(_NOT_PASSED_ON, ("Host", url.netloc))
            browser.writer.write(write_head(("GET", url.path, "HTTP/1.1"), lines))
            await splice(client, browser)
        finally:
            entry.live.discard(task)
            self._tell(entry)
            browser.writer.close()

    async def _drive(
        self, webdriver: WebDriver, client: Stream, head: Head | None, entry: _Entry, task: asyncio.Task[None]
    ) -> None:
        """Answer WebDriver requests until the client hangs up, or the browser has gone: chromedriver would wait."""
        connection = Connection()
        entry.driving.add(task)
        try:
            while head is not None:
                token, _, rest = urlsplit(head.first[1]).path.removeprefix("/").partition("/")
                if self._entries.get(_key(token)) is not entry:
                    break
                body = await client.reader.readexactly(_length(head))
                path = rest.removeprefix(_WEBDRIVER)
                before = webdriver.sessions(_key(token))
                status, told = await webdriver.answer(_key(token), entry.ws_url, connection, head.first[0], path, body)
                if webdriver.sessions(_key(token)) != before:
                    self._tell(entry)
                client.writer.write(_answer(f"{status} {HTTPStatus(status).phrase}", told, keep=True))
                await client.writer.drain()
                head = await _next_head(client)
        finally:
            entry.driving.discard(task)
            webdriver.gone(connection)

    def _tell(self, entry: _Entry) -> None:
        if self._on_change is not None:
            self._on_change(entry.session_id, len(entry.live))


def _key(token: str) -> bytes:
    """What tokens are looked up by: how long that takes then tells nothing about a token."""
    return hashlib.sha256(token.encode()).digest()


async def _dial(ws_url: str) -> Stream:
    url = urlsplit(ws_url)
    return Stream(*await asyncio.open_connection(url.hostname, url.port))


async def _version(ws_url: str, outside_url: str) -> bytes:
    """The browser's own answer, with the door's address in it."""
    browser = await _dial(ws_url)
    try:
        lines = [("Host", urlsplit(ws_url).netloc), ("Connection", "close")]
        browser.writer.write(write_head(("GET", f"/{_VERSION}", "HTTP/1.1"), lines))
        head = await read_head(browser.reader)
        found = json.loads(await browser.reader.readexactly(int(head.get("content-length"))))
    finally:
        await browser.close()
    return _answer("200 OK", json.dumps({**found, "webSocketDebuggerUrl": outside_url}).encode())


async def _next_head(client: Stream) -> Head | None:
    """`None` when the client has hung up."""
    try:
        return await read_head(client.reader)
    except (EOFError, OSError):
        return None


def _length(head: Head) -> int:
    """Raises `BadHeadError`."""
    told = head.get("content-length") or "0"
    if not told.isdecimal() or int(told) > _LARGEST_BODY or head.get("transfer-encoding"):
        raise BadHeadError("the body's length is not to be had, or too much")
    return int(told)


def _answer(status: str, body: bytes = b"", *, keep: bool = False) -> bytes:
    code, _, reason = status.partition(" ")
    lines = [
        ("Content-Type", "application/json; charset=UTF-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-cache"),
        *([] if keep else [("Connection", "close")]),
    ]
    return write_head(("HTTP/1.1", code, reason), lines) + body
