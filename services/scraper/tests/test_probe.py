"""The check of a login over HTTP, on a look-alike and on servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from posada_contracts.errors import ProxyUnreachableError
from posada_playground.child import Playground
from posada_scraper.adapters.probe import USER_AGENT, Login, http_site
from posada_scraper.platforms.base import Check
from posada_scraper.platforms.facebook import Facebook
from posada_scraper.site import NoAnswerError, same_site, without_values

ANA = "ana@example.test"
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def login_of(playground: Playground, email: str = ANA, *, expired: bool = False, **more: Any) -> Login:
    state = playground.control("POST", "/login", email=email, expired=expired)
    return Login(state["cookies"], **more)


async def checked(url: str, login: Login) -> Check:
    platform = Facebook(url)
    async with http_site(platform.base_url, login, 5) as client:
        return await platform.probe_http(client)


@asynccontextmanager
async def listening(handle: Handle) -> AsyncIterator[int]:
    """A server on a free port of its own."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answering(head: str, heard: list[str]) -> Handle:
    """Answers everything with `head`, and keeps what came."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    return handle


@pytest.mark.parametrize(
    ("email", "expired", "verdict", "marker"),
    [
        (ANA, False, "valid", "own_account"),
        (ANA, True, "expired", "login_page"),
        ("carla@example.test", False, "banned", "checkpoint"),
    ],
)
async def test_good_expired_and_banned_logins_are_told_apart(
    playground: Playground, email: str, expired: bool, verdict: str, marker: str
) -> None:
    check = await checked(f"{playground.url}/social", login_of(playground, email, expired=expired))
    assert (check.verdict, check.evidence.marker, check.evidence.status) == (verdict, marker, 200)
    assert check.evidence.detail


async def test_evidence_holds_no_query_value(playground: Playground) -> None:
    check = await checked(f"{playground.url}/social", login_of(playground, expired=True))
    assert check.evidence.url == f"{playground.url}/social/login/?next="


async def test_a_site_that_answers_503_leaves_the_verdict_unknown(start: Callable[..., Playground]) -> None:
    playground = start()
    login = login_of(playground)
    playground.control("POST", "/down", seconds=60)
    check = await checked(f"{playground.url}/social", login)
    assert (check.verdict, check.evidence.marker, check.evidence.status) == ("unknown", "server_error", 503)


async def test_a_site_that_is_not_there_leaves_the_verdict_unknown() -> None:
    check = await checked(f"http://127.0.0.1:{free_port()}", Login([]))
    assert (check.verdict, check.evidence.marker, check.evidence.status) == ("unknown", "network_error", 0)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_does_not_answer_is_said_so_without_its_password(
    playground: Playground, scheme: str
) -> None:
    before = playground.control("GET", "/requests")["last"]
    proxy = f"{scheme}://user:hunter2@127.0.0.1:{free_port()}"
    with pytest.raises(ProxyUnreachableError) as raised:
        await checked(f"{playground.url}/social", login_of(playground, proxy_url=proxy))
    assert "hunter2" not in repr(raised.value)
    assert playground.control("GET", "/requests")["last"] == before, "nothing went out directly"


async def test_a_proxy_url_of_no_use_is_refused_without_its_password() -> None:
    with pytest.raises(ProxyUnreachableError) as raised:
        await checked("http://127.0.0.1:9", Login([], proxy_url="carrier-pigeon://user:hunter2@nest"))
    assert "hunter2" not in repr(raised.value)
    assert raised.value.__cause__ is None


async def test_the_check_goes_out_through_the_proxy(playground: Playground) -> None:
    passed: list[int] = []
    async with listening(socks5(passed)) as port:
        login = login_of(playground, proxy_url=f"socks5://127.0.0.1:{port}")
        assert (await checked(f"{playground.url}/social", login)).verdict == "valid"
    assert passed == [int(playground.url.rpartition(":")[2])]


async def test_the_session_s_user_agent_is_sent_and_an_honest_one_by_default() -> None:
    heard: list[str] = []
    async with listening(answering("200 OK", heard)) as port:
        await checked(f"http://127.0.0.1:{port}", Login([], user_agent="Mozilla/5.0 (X11)"))
        await checked(f"http://127.0.0.1:{port}", Login([]))
    assert "User-Agent: Mozilla/5.0 (X11)\r\n" in heard[0]
    assert f"User-Agent: {USER_AGENT}\r\n" in heard[1]


async def test_redirects_to_another_site_are_refused_and_take_no_cookie_along() -> None:
    heard: list[str] = []
    async with listening(answering("200 OK", heard)) as other:
        asked: list[str] = []
        async with listening(answering(f"302 Found\r\nLocation: http://127.0.0.1:{other}/x?token=1", asked)) as port:
            cookie = {"name": "xs", "value": "secret", "domain": "127.0.0.1", "path": "/"}
            check = await checked(f"http://127.0.0.1:{port}", Login([cookie]))
    assert "xs=secret" in asked[0]
    assert heard == []
    assert (check.verdict, check.evidence.marker) == ("unknown", "other_site")
    assert check.evidence.url == f"http://127.0.0.1:{other}/x?token="


async def test_a_site_that_redirects_for_ever_is_left_after_five() -> None:
    heard: list[str] = []
    async with listening(answering("302 Found\r\nLocation: /again", heard)) as port:
        check = await checked(f"http://127.0.0.1:{port}", Login([]))
    assert (check.verdict, check.evidence.marker, len(heard)) == ("unknown", "redirects", 6)


async def test_a_page_without_any_marker_leaves_the_verdict_unknown() -> None:
    async with listening(answering("200 OK", [])) as port:
        check = await checked(f"http://127.0.0.1:{port}", Login([]))
    assert (check.verdict, check.evidence.marker, check.evidence.status) == ("unknown", "", 200)


async def test_what_is_private_is_in_no_repr(playground: Playground) -> None:
    login = login_of(playground, proxy_url="http://user:hunter2@127.0.0.1:1")
    assert login.cookies[1]["value"] not in repr(login)
    assert "hunter2" not in repr(login)
    async with http_site(f"{playground.url}/social", login_of(playground), 5) as client:
        assert "Carabook" not in repr(await client.get(f"{playground.url}/social/me"))


async def test_an_answer_that_breaks_off_leaves_the_verdict_unknown() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<html>")
        writer.close()

    async with listening(handle) as port:
        check = await checked(f"http://127.0.0.1:{port}", Login([]))
    assert (check.verdict, check.evidence.marker) == ("unknown", "network_error")


@pytest.mark.parametrize(
    ("base", "url", "same"),
    [
        ("https://www.facebook.com", "https://m.facebook.com/x", True),
        ("https://www.facebook.com", "https://facebook.com/x", True),
        ("https://www.facebook.com", "http://www.facebook.com/x", False),
        ("https://www.facebook.com", "https://evilfacebook.com/", False),
        ("http://127.0.0.1:4100/social", "http://127.0.0.1:4100/login", True),
        ("http://127.0.0.1:4100/social", "http://127.0.0.1:4101/login", False),
        ("http://127.0.0.1:4100/social", "file:///etc/hostname", False),
    ],
)
def test_a_site_is_its_host_and_what_is_below_it(base: str, url: str, same: bool) -> None:
    assert same_site(base, url) is same


def test_urls_lose_what_may_be_private() -> None:
    assert without_values("https://a:b@x.test/p?next=%2Fx&t=1#frag") == "https://x.test/p?next=&t="


async def test_a_client_does_not_even_begin_elsewhere() -> None:
    async with http_site("http://127.0.0.1:4100", Login([]), 5) as client:
        with pytest.raises(NoAnswerError):
            await client.get("http://127.0.0.1:4101/")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def socks5(passed: list[int]) -> Handle:
    """A SOCKS5 proxy without a password, that keeps the ports it was asked for."""

    async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = (await reader.readexactly(2))[1]
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        size = 4 if kind == 1 else (await reader.readexactly(1))[0]
        place = await reader.readexactly(size + 2)
        host = socket.inet_ntoa(place[:4]) if kind == 1 else place[:-2].decode()
        passed.append(int.from_bytes(place[-2:]))
        there, back = await asyncio.open_connection(host, passed[-1])
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(splice(reader, back), splice(there, writer))

    return serve
