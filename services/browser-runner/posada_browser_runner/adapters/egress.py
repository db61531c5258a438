"""A browser's only way out: a forward proxy on loopback, for this one browser.

It goes straight to the site or through the session's own proxy, and fails closed: when that proxy does not answer,
the browser gets a 502 that says so in `X-Posada-Egress`, and nothing has gone out without it.

CONNECT (https, and every WebSocket) is passed on unread. Plain HTTP is passed on one request to a connection, which
spares us to understand how long bodies are: the browser is told `Connection: close`, and opens another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from posada_contracts.errors import PosadaError, ProxyUnreachableError

from posada_browser_runner.adapters.heads import LIMIT, BadHeadError, Head, read_head, write_head
from posada_browser_runner.adapters.reach import AddressRefusedError, Rule
from posada_browser_runner.adapters.splice import Stream, splice
from posada_browser_runner.adapters.upstream import (
    BadProxyError,
    TargetUnreachableError,
    ThroughHttp,
    check_upstream,
    route,
)

__all__ = ["BadProxyError", "Egress", "Failure", "check_upstream"]

_CONNECT_S = 20.0
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"}
_REASONS = (
    (ProxyUnreachableError, "proxy_unreachable"),
    (BadProxyError, "proxy_refused"),
    (AddressRefusedError, "address_refused"),
    (TargetUnreachableError, "target_unreachable"),
)


@dataclass(frozen=True)
class Failure:
    """A connection that did not come about."""

    at: float  #: seconds since 1970
    target: str  #: host:port
    reason: str  #: proxy_unreachable, proxy_refused, address_refused or target_unreachable
    detail: str


class Egress:
    """The way out of one browser, through the proxy `upstream` or without one.

    Where `allow(host, port, address)` is false nothing goes: see `reach.Rule`. Raises `BadProxyError`.
    """

    def __init__(self, upstream: str | None, allow: Rule | None = None) -> None:
        self.lead(upstream, allow)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: deque[Failure] = deque(maxlen=20)  #: the last one is the newest

    @classmethod
    def to_nowhere(cls) -> Egress:
        """The way out of a browser that is nobody's yet: closed until `lead`."""
        return cls(None, lambda *_: False)

    def lead(self, upstream: str | None, allow: Rule | None) -> None:
        """From now on go through `upstream`, where `allow` lets it. Raises `BadProxyError`."""
        self._route, self._direct = route(upstream, allow), upstream is None

    async def start(self) -> int:
        """Listen on a free port of loopback, and return it."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut every connection and listen no more. Safe to repeat."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        browser = Stream(reader, writer)
        try:
            await self._serve(browser)
        except (OSError, EOFError, ValueError):  # ValueError: a bad head, or a host that is no name
            writer.write(_answer("400 Bad Request", "", "not a request to a proxy"))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(asyncio.CancelledError):
                await browser.close()

    async def _serve(self, browser: Stream) -> None:
        head = await read_head(browser.reader)
        host, port = _target(head)
        try:
            if head.first[0] == "CONNECT":
                await self._tunnel(browser, host, port)
            else:
                await self._plain(browser, head, host, port)
        except PosadaError as error:
            reason = next((name for kind, name in _REASONS if isinstance(error, kind)), error.code)
            self.failures.append(Failure(time.time(), f"{host}:{port}", reason, error.detail))
            status = "403 Forbidden" if reason == "address_refused" else "502 Bad Gateway"
            browser.writer.write(_answer(status, reason, error.detail))

    async def _tunnel(self, browser: Stream, host: str, port: int) -> None:
        site = await self._reached(self._route.tunnel(host, port), host, port)
        try:
            browser.writer.write(write_head(("HTTP/1.1", "200", "Connection established"), ()))
            await splice(browser, site)
        finally:
            site.writer.close()

    async def _plain(self, browser: Stream, head: Head, host: str, port: int) -> None:
        site = await self._reached(self._route.plain(host, port), host, port)
        try:
            site.writer.write(self._request(head))
            await splice(browser, site, lambda: self._pass_answer(site, browser, f"{host}:{port}"))
        finally:
            site.writer.close()

    async def _reached(self, attempt: Coroutine[Any, Any, Stream], host: str, port: int) -> Stream:
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await attempt
        except TimeoutError:
            error = TargetUnreachableError if self._direct else ProxyUnreachableError
            raise error(f"No answer in time on the way to {host}:{port}.") from None

    def _request(self, head: Head) -> bytes:
        method, target, _ = head.first
        url = urlsplit(target)
        if not self._route.absolute:
            target = urlunsplit(("", "", url.path or "/", url.query, ""))
        lines = head.but(
            {*_HOP_BY_HOP, "host"},
            ("Host", url.netloc.rpartition("@")[2]),
            ("Connection", "Upgrade" if head.get("upgrade") else "close"),
            *self._route.headers,
        )
        return write_head((method, target, "HTTP/1.1"), lines)

    async def _pass_answer(self, site: Stream, browser: Stream, target: str) -> None:
        """Pass the head of the final answer on, and what is only informational before it."""
        while True:
            try:
                head = await read_head(site.reader)
            except (OSError, EOFError, BadHeadError) as error:
                raise TargetUnreachableError(f"{target} does not answer in HTTP.") from error
            status = head.first[1]
            if isinstance(self._route, ThroughHttp) and status == "407":
                raise self._route.refused()
            informational = status.startswith("1")
            lines = head.lines if informational else head.but(_HOP_BY_HOP, ("Connection", "close"))
            browser.writer.write(write_head(head.first, lines))
            if not informational or status == "101":
                return


def _target(head: Head) -> tuple[str, int]:
    """Raises `BadHeadError`."""
    method, target, _ = head.first
    try:
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = url.port or (80 if url.scheme == "http" else None)
    except ValueError as error:
        raise BadHeadError(str(error)) from error
    if url.hostname is None or port is None:
        raise BadHeadError("not a request to a proxy")
    return url.hostname, port


def _answer(status: str, reason: str, detail: str) -> bytes:
    code, _, words = status.partition(" ")
    body = detail.encode()
    lines = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *([("X-Posada-Egress", reason)] if reason else []),
    ]
    return write_head(("HTTP/1.1", code, words), lines) + body
