"""A site, and proxies before it: small, real, and nothing of the code they test in them."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from posada_browser_runner.adapters.egress import Egress

USER, PASSWORD = "ana", "s3creta:ñ"
GIVEN = f"{USER}:s3creta%3A%C3%B1"
Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class Server:
    """Something that listens on loopback, and what it was asked for."""

    port: int
    server: asyncio.Server
    asked: list[str] = field(default_factory=list)

    async def stop(self) -> None:
        self.server.close()
        for task in list(TASKS.get(self.port, ())):
            task.cancel()


TASKS: dict[int, set[asyncio.Task[Any]]] = {}


@asynccontextmanager
async def serving(
    serve: Callable[[Server, Reader, Writer], Coroutine[Any, Any, None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    async def accept(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        TASKS.setdefault(one.port, set()).add(task)
        try:
            await serve(one, reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            return
        finally:
            TASKS[one.port].discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    one = Server(server.sockets[0].getsockname()[1], server)
    yield one
    await one.stop()


async def head_of(reader: Reader) -> tuple[list[str], dict[str, str]]:
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text.strip().split("\r\n")
    return first.split(" "), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def join(reader: Reader, writer: Writer, other_reader: Reader, other_writer: Writer) -> None:
    async def pump(source: Reader, sink: Writer) -> None:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer), return_exceptions=True)


async def site_program(site: Server, reader: Reader, writer: Writer) -> None:
    """/, /chunked, /echo, /closing; a WebSocket that repeats what it hears; /stubborn ignores `Connection: close`."""
    while True:
        (method, path, _), headers = await head_of(reader)
        site.asked.append(f"{method} {path}")
        assert "proxy-authorization" not in headers
        if "upgrade" in headers:
            await websocket(reader, writer, headers)
        elif path == "/chunked":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhola\r\n0\r\n\r\n")
        elif path == "/closing":
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nadios")
            return
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            answer = body or f"{headers['host']} {headers.get('cookie', '')}".encode()
            lines = (
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n"
            )
            writer.write(lines % len(answer) + answer)
        if headers.get("connection") == "close" and path != "/stubborn":
            return


async def websocket(reader: Reader, writer: Writer, headers: dict[str, str]) -> None:
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept)
    _, length = await reader.readexactly(2)
    mask, text = await reader.readexactly(4), await reader.readexactly(length & 0x7F)
    text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
    writer.write(bytes([0x81, len(text)]) + text)
    await reader.read()


async def http_proxy_program(proxy: Server, reader: Reader, writer: Writer) -> None:
    """CONNECT and absolute URLs, for who knows the password. A reply in two parts, as slow proxies give it."""
    (method, target, _), headers = await head_of(reader)
    given = base64.b64decode(headers.get("proxy-authorization", "Basic ").split(" ")[1]).decode()
    if given != f"{USER}:{PASSWORD}":
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n")
        writer.write(b"Content-Length: 0\r\n\r\n")
        return
    proxy.asked.append(f"{method} {target}")
    address = target if method == "CONNECT" else target.split("/")[2]
    host, _, port = address.rpartition(":")
    if host.endswith(".invalid"):
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        return
    site = await asyncio.open_connection(host, int(port))
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"Via: test\r\n\r\n")
    else:
        rest = {name: value for name, value in headers.items() if not name.startswith("proxy-")}
        lines = "".join(f"{name}: {value}\r\n" for name, value in rest.items())
        site[1].write(f"{method} /{target.split('/', 3)[3]} HTTP/1.1\r\n{lines}\r\n".encode())
    await join(reader, writer, *site)


async def socks_proxy_program(proxy: Server, reader: Reader, writer: Writer) -> None:
    """SOCKS5 with user and password, names resolved here."""
    _, count = await reader.readexactly(2)
    if 2 not in await reader.readexactly(count):
        writer.write(b"\x05\xff")
        return
    writer.write(b"\x05\x02")
    _, length = await reader.readexactly(2)
    user = await reader.readexactly(length)
    password = await reader.readexactly((await reader.readexactly(1))[0])
    if (user.decode(), password.decode()) != (USER, PASSWORD):
        writer.write(b"\x01\x01")
        return
    writer.write(b"\x01\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    port = int.from_bytes(await reader.readexactly(2), "big")
    proxy.asked.append(f"SOCKS {host}:{port}")
    if host.endswith(".invalid"):
        writer.write(b"\x05\x04\x00\x01" + bytes(6))
        return
    site = await asyncio.open_connection(host, port)
    writer.write(b"\x05\x00\x00\x01" + bytes(6))
    await join(reader, writer, *site)


@dataclass
class Proxy:
    server: Server
    scheme: str

    def url(self, given: str = GIVEN) -> str:
        return f"{self.scheme}://{given}@127.0.0.1:{self.server.port}"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(secret + made.public_bytes(pem))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
async def site() -> AsyncIterator[Server]:
    async with serving(site_program) as one:
        yield one


@pytest.fixture
async def secure_site(tls: ssl.SSLContext) -> AsyncIterator[Server]:
    async with serving(site_program, tls) as one:
        yield one


@pytest.fixture(params=["http", "https", "socks5"])
async def proxy(
    request: pytest.FixtureRequest, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Proxy]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    program = socks_proxy_program if request.param == "socks5" else http_proxy_program
    async with serving(program, tls if request.param == "https" else None) as server:
        yield Proxy(server, request.param)


@pytest.fixture
async def silent() -> AsyncIterator[Server]:
    """Takes connections and never says a word."""

    async def program(_: Server, reader: Reader, __: Writer) -> None:
        while await reader.read(65536):
            pass

    async with serving(program) as one:
        yield one


@pytest.fixture
async def rude() -> AsyncIterator[Server]:
    """Speaks something else."""

    async def program(_: Server, reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(b"hola\n")

    async with serving(program) as one:
        yield one


@asynccontextmanager
async def open_egress(*arguments: Any) -> AsyncIterator[tuple[Egress, int]]:
    egress = Egress(*arguments)
    yield egress, await egress.start()
    await egress.stop()


@pytest.fixture
def egress() -> Callable[..., AbstractAsyncContextManager[tuple[Egress, int]]]:
    """`egress(upstream, allow)`: one that runs, and its port."""
    return open_egress


@pytest.fixture
def dead_port() -> int:
    """Where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
