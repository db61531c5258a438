"""Ways out of this machine: straight to the site, or through a session's own proxy.

What a `Rule` refuses is not connected to, be it the site or the proxy.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, cast
from urllib.parse import unquote, urlsplit

from posada_contracts.errors import InvalidInputError, PosadaError, ProxyUnreachableError

from posada_browser_runner.adapters.heads import BadHeadError, read_head, write_head
from posada_browser_runner.adapters.reach import AddressRefusedError, Rule, connect, literal, why
from posada_browser_runner.adapters.splice import Stream

Scheme = Literal["http", "https", "socks5"]
_PORTS = {"http": 80, "https": 443, "socks5": 1080}
_SOCKS5 = 5
_SOCKS_REPLIES = {
    1: "it failed",
    2: "its rules forbid it",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "it took too long",
}
_NOWHERE = ("posada.invalid", 443)  #: a name that certainly does not exist, RFC 6761


class BadProxyError(InvalidInputError):
    """The session's proxy cannot be used as it is given: its URL is wrong, or it refuses user and password."""


class TargetUnreachableError(PosadaError):
    """The site cannot be reached."""

    status, retry = 502, True


class Route(Protocol):
    """A way out."""

    #: Whether plain HTTP goes to a proxy as it is, with the whole URL in its first line.
    absolute: ClassVar[bool]

    async def tunnel(self, host: str, port: int) -> Stream:
        """A connection that leads to `host`:`port`."""

    async def plain(self, host: str, port: int) -> Stream:
        """A connection that takes an HTTP request for `host`:`port`."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What a plain request carries in addition."""


@dataclass(frozen=True)
class Upstream:
    """A proxy, as `scheme://user:password@host:port` says."""

    scheme: Scheme
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Raises `BadProxyError`, which never quotes what might be a password."""
        bad = BadProxyError("A proxy is given as http://, https:// or socks5://user:password@host:port.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise bad from None
        scheme = {"socks5h": "socks5"}.get(parts.scheme, parts.scheme)
        if scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise bad
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(cast("Scheme", scheme), parts.hostname, port or _PORTS[scheme], user, password)

    def __str__(self) -> str:
        """The URL with its password masked."""
        user = f"{self.username}:***@" if self.username else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}:{self.port}"


def route(upstream: str | None, rule: Rule | None = None) -> Route:
    """The way out through `upstream`, or the direct one. Raises `BadProxyError`."""
    if upstream is None:
        return Direct(rule)
    proxy = Upstream.parse(upstream)
    return ThroughSocks(proxy, rule) if proxy.scheme == "socks5" else ThroughHttp(proxy, rule)


async def check_upstream(url: str, timeout: float = 5.0) -> None:
    """See that the proxy answers and takes user and password. Nothing is sent through it.

    Raises `ProxyUnreachableError` or `BadProxyError`; neither tells the password.
    """
    way = route(url)
    try:
        async with asyncio.timeout(timeout):
            await (await way.tunnel(*_NOWHERE)).close()
    except TargetUnreachableError:
        return  # so it has let us in
    except TimeoutError:
        raise ProxyUnreachableError(f"{Upstream.parse(url)} has not answered within {timeout:g} s.") from None


@dataclass
class Direct:
    """No proxy."""

    rule: Rule | None
    absolute: ClassVar[bool] = False
    headers: tuple[tuple[str, str], ...] = ()

    async def tunnel(self, host: str, port: int) -> Stream:
        """Raises `AddressRefusedError` or `TargetUnreachableError`."""
        try:
            return await connect(host, port, self.rule)
        except OSError as error:
            raise TargetUnreachableError(f"{host}:{port} cannot be reached: {why(error)}") from error

    async def plain(self, host: str, port: int) -> Stream:
        """The same."""
        return await self.tunnel(host, port)


@dataclass
class _Proxied:
    proxy: Upstream
    rule: Rule | None

    def _check_target(self, host: str, port: int) -> None:
        if self.rule is not None and not self.rule(host, port, literal(host)):
            raise AddressRefusedError(f"{host}:{port} may not be reached from here.")

    async def _connect(self) -> Stream:
        tls = ssl.create_default_context() if self.proxy.scheme == "https" else None
        try:
            return await connect(self.proxy.host, self.proxy.port, self.rule, tls)
        except OSError as error:
            raise self._unreachable(why(error)) from error

    def _unreachable(self, why: str) -> ProxyUnreachableError:
        return ProxyUnreachableError(f"{self.proxy} cannot be used: {why}")

    def refused(self) -> BadProxyError:
        """What to raise when it does not take user and password."""
        return BadProxyError(f"{self.proxy} does not accept this user and password.")


@dataclass
class ThroughHttp(_Proxied):
    """A proxy that speaks HTTP, over TLS or not."""

    absolute: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """User and password."""
        if not self.proxy.username:
            return ()
        pair = base64.b64encode(f"{self.proxy.username}:{self.proxy.password}".encode()).decode()
        return (("Proxy-Authorization", f"Basic {pair}"),)

    async def plain(self, host: str, port: int) -> Stream:
        """Raises `AddressRefusedError` or `ProxyUnreachableError`."""
        self._check_target(host, port)
        return await self._connect()

    async def tunnel(self, host: str, port: int) -> Stream:
        """Raises as `plain`, and `BadProxyError`, `TargetUnreachableError` when the proxy says so."""
        stream = await self.plain(host, port)
        try:
            status = await self._ask(stream, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except BaseException:
            stream.writer.close()
            raise
        if status.startswith("2"):
            return stream
        stream.writer.close()
        if status == "407":
            raise self.refused()
        raise TargetUnreachableError(f"{self.proxy} answers {status} to a connection to {host}:{port}.")

    async def _ask(self, stream: Stream, target: str) -> str:
        stream.writer.write(write_head(("CONNECT", target, "HTTP/1.1"), [("Host", target), *self.headers]))
        try:
            return (await read_head(stream.reader)).first[1]
        except (OSError, EOFError, BadHeadError) as error:
            raise self._unreachable("it does not speak HTTP") from error


@dataclass
class ThroughSocks(_Proxied):
    """A SOCKS5 proxy, which also resolves the names."""

    absolute: ClassVar[bool] = False
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    async def tunnel(self, host: str, port: int) -> Stream:
        """Raises as `ThroughHttp.tunnel`."""
        self._check_target(host, port)
        stream = await self._connect()
        try:
            await self._enter(stream)
            await self._ask(stream, host, port)
        except (OSError, EOFError) as error:
            stream.writer.close()
            raise self._unreachable("it hung up") from error
        except BaseException:
            stream.writer.close()
            raise
        return stream

    async def plain(self, host: str, port: int) -> Stream:
        """The same."""
        return await self.tunnel(host, port)

    async def _enter(self, stream: Stream) -> None:
        known = bool(self.proxy.username)
        stream.writer.write(b"\x05\x02\x00\x02" if known else b"\x05\x01\x00")
        version, method = await stream.reader.readexactly(2)
        if version != _SOCKS5:
            raise self._unreachable("it does not speak SOCKS5")
        if method not in (0, 2) or (method == 2 and not known):
            raise self.refused()
        if method == 2:
            user, password = self.proxy.username.encode()[:255], self.proxy.password.encode()[:255]
            stream.writer.write(b"\x01%c%b%c%b" % (len(user), user, len(password), password))
            if (await stream.reader.readexactly(2))[1] != 0:
                raise self.refused()

    async def _ask(self, stream: Stream, host: str, port: int) -> None:
        stream.writer.write(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
        _, reply, _, kind = await stream.reader.readexactly(4)
        if reply != 0:
            why = _SOCKS_REPLIES.get(reply, f"answer {reply}")
            raise TargetUnreachableError(f"{self.proxy} says of {host}:{port}: {why}.")
        length = {1: 4, 4: 16}.get(kind) or (await stream.reader.readexactly(1))[0]
        await stream.reader.readexactly(length + 2)


def _socks_address(host: str) -> bytes:
    if address := literal(host):
        packed = ipaddress.ip_address(address).packed
        return (b"\x01" if len(packed) == 4 else b"\x04") + packed
    name = host.encode("idna")[:255]
    return b"\x03%c%b" % (len(name), name)
