"""The way out, said byte by byte: where requests go, and where they do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from posada_browser_runner.adapters.egress import BadProxyError, Egress, check_upstream
from posada_browser_runner.adapters.upstream import Upstream
from posada_contracts.errors import ProxyUnreachableError

Way = Callable[..., AbstractAsyncContextManager[tuple[Egress, int]]]
SECRETS = ("s3creta", "wrong-one")


async def say(port: int, words: str) -> str:
    """What comes back until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words.encode())
        async with asyncio.timeout(10):
            return (await reader.read()).decode()
    finally:
        writer.close()


async def said_last(reader: asyncio.StreamReader) -> bytes:
    """What still comes before the end, be it a rough one."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def get(port: int, url: str, *lines: str) -> str:
    host = url.split("/")[2]
    return await say(port, "\r\n".join([f"GET {url} HTTP/1.1", f"Host: {host}", *lines, "", ""]))


@pytest.mark.parametrize("path", ["/", "/closing", "/chunked"])
async def test_plain_http_goes_straight_and_one_request_to_a_connection(egress: Way, site: Any, path: str) -> None:
    async with egress(None) as (_, port):
        answer = await get(port, f"http://localhost:{site.port}{path}?a=b#", "Proxy-Connection: keep-alive")
    assert site.asked == [f"GET {path}?a=b#"] or site.asked == [f"GET {path}?a=b"]
    assert "200 OK" in answer
    assert answer.count("Connection: close") == 1
    assert "keep-alive" not in answer


async def test_a_body_gets_there_whole(egress: Way, site: Any, proxy: Any) -> None:
    body = "x" * 1_000_000
    for upstream in (None, proxy.url()):
        async with egress(upstream) as (_, port):
            head = f"POST http://127.0.0.1:{site.port}/echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            assert (await say(port, head + body)).partition("\r\n\r\n")[2] == body


async def test_plain_http_goes_through_the_proxy(egress: Way, site: Any, proxy: Any) -> None:
    async with egress(proxy.url()) as (way, port):
        answer = await get(port, f"http://localhost:{site.port}/home")
    assert answer.startswith("HTTP/1.1 200 OK")
    method = "SOCKS " if proxy.scheme == "socks5" else "GET http://"
    assert [asked.startswith(f"{method}localhost:{site.port}") for asked in proxy.server.asked] == [True]
    assert site.asked == ["GET /home"]
    assert not way.failures


async def test_a_tunnel_goes_through_the_proxy(egress: Way, secure_site: Any, proxy: Any) -> None:
    async with egress(proxy.url()) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        target = f"127.0.0.1:{secure_site.port}"
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await writer.start_tls(context)
        writer.write(b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        writer.close()
    assert secure_site.asked == ["GET /secret"]
    assert [asked.split(" ")[1] for asked in proxy.server.asked] == [target]


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_proxy_that_is_gone_means_nothing_goes_out(
    egress: Way, site: Any, dead_port: int, scheme: str, method: str
) -> None:
    async with egress(f"{scheme}://ana:s3creta@127.0.0.1:{dead_port}") as (way, port):
        target = f"127.0.0.1:{site.port}" if method == "CONNECT" else f"http://127.0.0.1:{site.port}/"
        answer = await say(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 502 ")
    assert "X-Posada-Egress: proxy_unreachable" in answer
    assert site.asked == []
    assert way.failures[-1].reason == "proxy_unreachable"
    assert way.failures[-1].target == f"127.0.0.1:{site.port}"
    assert not any(secret in f"{answer}{way.failures}" for secret in SECRETS)


async def test_a_proxy_that_dies_meanwhile_means_nothing_goes_out(egress: Way, site: Any, proxy: Any) -> None:
    async with egress(proxy.url()) as (_, port):
        assert "200 OK" in await get(port, f"http://127.0.0.1:{site.port}/before")
        await proxy.server.stop()
        assert "proxy_unreachable" in await get(port, f"http://127.0.0.1:{site.port}/after")
    assert site.asked == ["GET /before"]


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
async def test_a_proxy_that_refuses_the_password_means_nothing_goes_out(
    egress: Way, site: Any, proxy: Any, method: str
) -> None:
    async with egress(proxy.url("ana:wrong-one")) as (way, port):
        target = f"127.0.0.1:{site.port}" if method == "CONNECT" else f"http://127.0.0.1:{site.port}/"
        answer = await say(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 502 ")
    assert "X-Posada-Egress: proxy_refused" in answer
    assert "Proxy-Authenticate" not in answer
    assert site.asked == []
    assert not any(secret in f"{answer}{way.failures}" for secret in SECRETS)


async def test_a_site_that_is_not_there_is_not_the_proxys_fault(egress: Way, dead_port: int) -> None:
    async with egress(None) as (way, port):
        assert "target_unreachable" in await get(port, f"http://127.0.0.1:{dead_port}/")
        assert "target_unreachable" in await get(port, "http://posada.invalid/")
    assert [each.reason for each in way.failures] == ["target_unreachable"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "red.localhost"])
async def test_an_address_that_is_refused_is_not_reached_by_any_name(egress: Way, site: Any, host: str) -> None:
    asked: list[tuple[str, int, str]] = []

    def nothing_on_loopback(*target: Any) -> bool:
        asked.append(target)
        return target[2] not in ("127.0.0.1", "::1")

    async with egress(None, nothing_on_loopback) as (_, port):
        answer = await get(port, f"http://{host}:{site.port}/")
        tunnel = await say(port, f"CONNECT {host}:{site.port} HTTP/1.1\r\n\r\n")
    for each in (answer, tunnel):
        assert each.startswith("HTTP/1.1 403 ")
        assert "X-Posada-Egress: address_refused" in each
    assert (host, site.port, "127.0.0.1") in asked
    assert site.asked == []


async def test_the_rule_is_asked_about_the_proxy_and_about_what_lies_behind(egress: Way, site: Any, proxy: Any) -> None:
    asked: list[tuple[str, int, str]] = []

    def watched(*target: Any) -> bool:
        asked.append(target)
        return True

    async with egress(proxy.url(), watched) as (_, port):
        await get(port, f"http://localhost:{site.port}/")
        await get(port, f"http://127.0.0.1:{site.port}/")
    itself = ("127.0.0.1", proxy.server.port, "127.0.0.1")
    assert asked == [("localhost", site.port, ""), itself, ("127.0.0.1", site.port, "127.0.0.1"), itself]
    for refused in ((itself), ("localhost", site.port, "")):
        async with egress(proxy.url(), lambda *target, refused=refused: target != refused) as (_, port):
            assert "address_refused" in await get(port, f"http://localhost:{site.port}/")
    assert len(site.asked) == 2


async def test_an_upgrade_over_plain_http_becomes_a_tunnel(egress: Way, site: Any) -> None:
    async with egress(None) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        writer.write(f"GET http://127.0.0.1:{site.port}/ws HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x84" + bytes(4) + b"hola")
        assert await reader.readexactly(6) == b"\x81\x04hola"
        writer.close()


@pytest.mark.parametrize(
    "words",
    [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT nowhere HTTP/1.1\r\n\r\n",
        "CONNECT a:b HTTP/1.1\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\n\r\n",
        "\x16\r\n\r\n",
        "x" * 300_000 + "\r\n\r\n",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_refused(egress: Way, words: str) -> None:
    async with egress(None) as (_, port):
        assert (await say(port, words)).startswith("HTTP/1.1 400 ")


async def test_a_stopped_egress_cuts_what_is_open(egress: Way, silent: Any) -> None:
    async with egress(None) as (way, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"CONNECT 127.0.0.1:{silent.port} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await way.stop()
        assert await said_last(reader) == b""
        with pytest.raises(OSError, match=r".+"):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def test_a_good_proxy_passes_the_check_and_nothing_goes_through_it(proxy: Any, site: Any) -> None:
    await check_upstream(proxy.url(), 5)
    assert [asked.split(" ")[1] for asked in proxy.server.asked] == ["posada.invalid:443"]


async def test_a_proxy_that_is_gone_fails_the_check(dead_port: int) -> None:
    for scheme in ("http", "https", "socks5"):
        with pytest.raises(ProxyUnreachableError, match=rf"{scheme}://ana:\*\*\*@127\.0\.0\.1:{dead_port} cannot"):
            await check_upstream(f"{scheme}://ana:s3creta@127.0.0.1:{dead_port}", 5)


async def test_a_proxy_that_never_answers_fails_the_check(silent: Any) -> None:
    for scheme in ("http", "https", "socks5"):
        with pytest.raises(ProxyUnreachableError, match=r"ana:\*\*\*@.* has not answered within 0\.2 s"):
            await check_upstream(f"{scheme}://ana:s3creta@127.0.0.1:{silent.port}", 0.2)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_what_is_no_proxy_fails_the_check(rude: Any, scheme: str) -> None:
    with pytest.raises(ProxyUnreachableError, match="cannot be used"):
        await check_upstream(f"{scheme}://127.0.0.1:{rude.port}", 5)


@pytest.mark.parametrize("given", ["ana:wrong-one", "ana"])
async def test_a_wrong_password_fails_the_check(proxy: Any, given: str) -> None:
    with pytest.raises(BadProxyError, match=r"ana:\*\*\*@.* does not accept"):
        await check_upstream(proxy.url(given), 5)


async def test_a_proxy_that_wants_a_password_and_gets_none_fails_the_check(proxy: Any) -> None:
    with pytest.raises(BadProxyError, match="does not accept"):
        await check_upstream(proxy.url("").replace("@", ""), 5)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:3128", "ftp://h:1", "http://", "http://h:x", "http://ana:s3creta@h:99999", "http://h/p?q"]
)
def test_a_url_that_names_no_proxy_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(BadProxyError, match="A proxy is given as") as caught:
        Egress(url)
    assert "s3creta" not in str(caught.value)


def test_a_proxys_password_does_not_show() -> None:
    proxy = Upstream.parse("socks5h://an%40a:s3creta@[::1]:1080/")
    assert str(proxy) == "socks5://an@a:***@[::1]:1080"
    assert "s3creta" not in repr(proxy)
    assert proxy.password == "s3creta"
