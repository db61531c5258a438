"""Clients outside drive a session's browser through the gateway, with nothing but a key."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Error, async_playwright
from posada_client import PosadaClient
from posada_client.models import Session
from posada_testkit.house import House
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

_numbers = itertools.count()

# A client that says when it is in, and then does nothing until it is killed.
_CLIENT = """
import asyncio, sys
from websockets.asyncio.client import connect
async def main():
    async with connect(sys.argv[1], proxy=None) as door:
        await door.send('{"id":1,"method":"Browser.getVersion"}')
        await door.recv()
        print("in", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def session(house: House, posada: PosadaClient) -> Session:
    """A fresh session with ana's login."""
    return posada.sessions.create(f"door-{next(_numbers)}", "facebook", storage_state=house.login("ana"))


def address(house: House, session: Session, key: str | None = None) -> str:
    query = f"?key={key}" if key is not None else ""
    return f"{house.url}/v1/sessions/{session.id}/cdp{query}".replace("http", "ws", 1)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def door(house: House, session: Session) -> Any:
    return connect(address(house, session), additional_headers=bearer(house.key), proxy=None, max_size=None)


def a_key(house: House, role: str, tenant: str) -> str:
    body = {"role": role, "tenant": tenant, "label": ""}
    return str(httpx.post(f"{house.url}/v1/keys", json=body, headers=bearer(house.key)).json()["key"])


def rest(house: House, method: str, session: Session, key: str | None) -> httpx.Response:
    """A call to the session's browser."""
    url = f"{house.url}/v1/sessions/{session.id}/browser"
    return httpx.request(method, url, headers=bearer(key) if key else {}, timeout=60)


async def ask(door: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    await door.send(json.dumps({"id": 1, "method": method, "params": params}))
    while (answer := json.loads(await door.recv())).get("id") != 1:
        continue
    return dict(answer)


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait for a state and tell how long that took."""
    began = time.monotonic()
    while not await asyncio.to_thread(holds):
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def clients(house: House, session: Session) -> int:
    """DevTools connections to the session's browser."""
    runners = httpx.get(f"{house.url}/v1/stats", headers=bearer(house.key)).json()["runners"]
    return sum(use["clients"] for runner in runners for use in runner["browsers"] if use["session_id"] == session.id)


def in_any_log(house: House, secret: str) -> bool:
    logs = [*house.data.glob("*.log"), *(house.data / "logs").glob("*")]
    assert logs
    return any(secret.encode() in log.read_bytes() for log in logs)


@asynccontextmanager
async def connected(url: str, **headers: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(url, headers=headers, timeout=60_000)
        yield browser
        await browser.close()


async def sees_the_login(house: House, browser: Browser) -> bool:
    page = await browser.contexts[0].new_page()
    try:
        await page.goto(f"{house.run['playground_url']}/social/me")
        return "login" not in page.url and "ana" in await page.content()
    finally:
        await page.close()


async def test_an_unmodified_playwright_sees_the_page_that_needs_the_login(
    house: House, posada: PosadaClient, session: Session
) -> None:
    opened = await asyncio.to_thread(rest, house, "POST", session, house.key)
    assert opened.json() == {
        "state": "open",
        "position": None,
        "cdp_url": address(house, session),
        "webdriver_url": f"{house.url}/v1/sessions/{session.id}/webdriver",
        "live_url": f"{house.url}/v1/sessions/{session.id}/live",
    }
    async with connected(opened.json()["cdp_url"], **bearer(house.key)) as browser:
        assert await sees_the_login(house, browser)
    assert posada.sessions.get(session.id).browser == "open", "it stays when the client goes"
    assert "ws://" not in opened.text.replace(address(house, session), ""), "the runner's own address stays inside"


async def test_a_key_in_the_address_will_do_and_is_in_no_log(house: House, session: Session) -> None:
    async with connected(address(house, session, house.key)) as browser:
        assert await sees_the_login(house, browser)
    over_http = address(house, session, house.key).replace("ws", "http", 1)
    async with connected(over_http) as browser:
        assert browser.contexts
    assert not in_any_log(house, house.key.rpartition("_")[2])


@pytest.mark.parametrize("slash", ["", "/"])
def test_devtools_clients_are_told_where_to_connect(house: House, session: Session, slash: str) -> None:
    url = f"{house.url}/v1/sessions/{session.id}/cdp/json/version{slash}"
    told = httpx.get(url, headers=bearer(house.key), timeout=60).json()
    assert told["webSocketDebuggerUrl"] == address(house, session)
    assert "Chrome/" in told["Browser"]
    told = httpx.get(url, params={"key": house.key}, timeout=60).json()
    assert told["webSocketDebuggerUrl"] == address(house, session, house.key)


async def test_whoever_may_not_come_in_is_told_so_before_the_upgrade(house: House, session: Session) -> None:
    foreign, viewer = a_key(house, "operator", "neighbour"), a_key(house, "viewer", "default")
    for key, status, code in (
        (None, 401, "unauthorized"),
        ("psd_0_0", 401, "unauthorized"),
        (viewer, 403, "forbidden"),
        (foreign, 404, "not_found"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address(house, session, key), proxy=None)
        answer = refused.value.response
        assert (answer.status_code, json.loads(answer.body or b"")["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        for method in ("POST", "DELETE"):
            assert rest(house, method, session, key).status_code == status
    assert not house.browsers(session.id), "nobody's browser was started"


async def test_a_client_can_neither_end_the_browser_nor_read_files(
    house: House, posada: PosadaClient, session: Session
) -> None:
    async with connected(address(house, session), **bearer(house.key)) as browser:
        whole = await browser.new_browser_cdp_session()
        pid = house.browsers(session.id)[0].pid
        with pytest.raises(Error, match="Refused"):
            await whole.send("Browser.close")
        with pytest.raises(Error, match="Refused"):
            await whole.send("Target.createTarget", {"url": "file:///etc/hostname"})
        page = await browser.contexts[0].new_page()
        for url in ("file:///etc/hostname", "view-source:file:///etc/hostname", "chrome://version"):
            with pytest.raises(Error, match="Refused"):
                await page.goto(url)
        await page.goto(f"{house.run['playground_url']}/social/login")
        await page.evaluate("location.href = 'file:///etc/hostname'")
        assert await page.evaluate("location.protocol") == "http:"
        await page.close()
    assert house.browsers(session.id)[0].pid == pid
    assert posada.sessions.get(session.id).browser == "open"


async def test_a_client_that_was_killed_frees_its_place_and_leaves_the_browser(
    house: House, posada: PosadaClient, session: Session
) -> None:
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _CLIENT, address(house, session, house.key)), stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), 60) == b"in\n"
    assert clients(house, session) == 1
    os.kill(client.pid, signal.SIGKILL)
    await client.wait()
    assert await until(lambda: clients(house, session) == 0, 5) < 2
    assert posada.sessions.get(session.id).browser == "open"
    async with door(house, session) as again:
        assert "result" in await ask(again, "Browser.getVersion")


async def test_closing_saves_the_login_and_lets_the_clients_go(
    house: House, posada: PosadaClient, session: Session
) -> None:
    cookie = {"name": "seen", "value": "1", "domain": "127.0.0.1", "path": "/", "expires": time.time() + 3600}
    async with door(house, session) as client:
        assert "result" in await ask(client, "Storage.setCookies", cookies=[cookie])
        closed = await asyncio.to_thread(rest, house, "DELETE", session, house.key)
        assert closed.json() == {"closed": True}
        with pytest.raises(ConnectionClosed) as gone:
            await asyncio.wait_for(ask(client, "Browser.getVersion"), 5)
    assert gone.value.rcvd is not None
    assert gone.value.rcvd.code == 1001
    assert not house.browsers(session.id)
    types = [event.type for event in posada.sessions.events(session.id)]
    assert "session.credentials_stored.v1" in types[types.index("browser.opened.v1") :]
    assert types[-1] == "browser.closed.v1"
    assert rest(house, "DELETE", session, house.key).json() == {"closed": False}


async def test_what_passes_is_as_large_as_it_may_be(house: House, session: Session) -> None:
    async with door(house, session) as client:
        told = await ask(client, "Target.createTarget", url="about:blank")
        told = await ask(client, "Target.attachToTarget", targetId=told["result"]["targetId"], flatten=True)
        expression = f"'{'x' * 20_000_000}'.repeat(2)"
        said = {"id": 1, "method": "Runtime.evaluate", "sessionId": told["result"]["sessionId"]}
        await client.send(json.dumps({**said, "params": {"expression": expression, "returnByValue": True}}))
        while (answer := json.loads(await client.recv())).get("id") != 1:
            continue
        assert len(answer["result"]["result"]["value"]) == 40_000_000
