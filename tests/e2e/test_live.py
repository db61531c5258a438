"""A person logs in by hand in the live view; the login is kept and checked without anybody asking."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import FloatRect, async_playwright
from posada_browser_runner.adapters.find import find_chromium
from posada_client import PosadaClient
from posada_client.models import Session
from posada_playground.settings import Settings
from posada_testkit.driving import bearer, events, until
from posada_testkit.house import House
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

_numbers = itertools.count()
PASSWORD = Settings().password


@pytest.fixture
def session(posada: PosadaClient) -> Session:
    """A fresh session without a login."""
    return posada.sessions.create(f"live-{next(_numbers)}", "facebook")


def a_key(house: House, role: str, tenant: str = "default") -> str:
    body = {"role": role, "tenant": tenant, "label": ""}
    return str(httpx.post(f"{house.url}/v1/keys", json=body, headers=bearer(house.key)).json()["key"])


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height, as the picture itself tells them."""
    assert jpeg[:3] == b"\xff\xd8\xff"
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")


class Eyes:
    """What a person sees and does, over the live view's WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.view: dict[str, Any] = {}
        self.picture = b""
        self.told: list[dict[str, Any]] = []

    async def look(self) -> None:
        message = await asyncio.wait_for(self._socket.recv(), 30)
        if isinstance(message, bytes):
            self.picture = message
        elif (told := json.loads(message))["type"] == "view":
            self.view = told
        else:
            self.told.append(told)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Look until it holds."""
        async with asyncio.timeout(30):
            while not holds():
                await self.look()

    async def say(self, type: str, **more: Any) -> None:
        await self._socket.send(json.dumps({"type": type, **more}))

    async def click(self, box: FloatRect) -> None:
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        await self.say("mouse", action="move", **at)
        await self.say("mouse", action="down", button="left", buttons=1, **at)
        await self.say("mouse", action="up", button="left", **at)

    async def press(self, key: str) -> None:
        for action in ("down", "up"):
            await self.say("key", action=action, key=key, code=key)

    async def type(self, text: str) -> None:
        """Key by key, as a keyboard does."""
        for letter in text:
            await self.say("key", action="down", key=letter)
            await self.say("text", text=letter)
            await self.say("key", action="up", key=letter)

    async def go(self, url: str) -> None:
        await self.say("go", url=url)
        await self.until(lambda: self.view.get("url", "").startswith(url) and not self.view["loading"])


def address(house: House, session: Session, key: str | None = None) -> str:
    query = f"?key={key}" if key is not None else ""
    return f"{house.url}/v1/sessions/{session.id}/live{query}".replace("http", "ws", 1)


@asynccontextmanager
async def looking(house: House, session: Session, key: str | None = None) -> AsyncIterator[Eyes]:
    headers = bearer(key or house.key)
    async with connect(address(house, session), additional_headers=headers, proxy=None, open_timeout=60) as socket:
        yield Eyes(socket)


async def boxes(url: str, width: int, height: int, *selectors: str) -> list[FloatRect]:
    """Where things are on a page, for eyes that cannot read pictures: from another browser of the same size."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium().path)
        page = await browser.new_page(viewport={"width": width, "height": height})
        await page.goto(url)
        found = [await page.locator(selector).bounding_box() for selector in selectors]
        await browser.close()
    return [box for box in found if box is not None]


async def log_in(house: House, eyes: Eyes) -> None:
    await eyes.until(lambda: eyes.picture)
    url = f"{house.run['playground_url']}/social/login"
    await eyes.go(url)
    email, button = await boxes(url, eyes.view["width"], eyes.view["height"], "#email", "[name=login]")
    await eyes.click(email)
    await eyes.type("ana@example.test")
    await eyes.press("Tab")
    await eyes.say("text", text=PASSWORD)
    await eyes.click(button)
    await eyes.until(lambda: "/login" not in eyes.view["url"])


async def test_a_person_logs_in_by_hand_and_the_session_becomes_active_by_itself(
    house: House, posada: PosadaClient, session: Session
) -> None:
    async with looking(house, session) as eyes:
        await log_in(house, eyes)
        await until(lambda: "session.credentials_stored.v1" in events(house, session), "the login was sealed")
        await until(lambda: posada.sessions.get(session.id).status == "active", "the login was checked", 60)


async def test_the_first_picture_comes_though_nothing_moves(house: House, session: Session) -> None:
    async with looking(house, session) as eyes:
        await eyes.until(lambda: eyes.picture)
        assert size_of(eyes.picture) == (eyes.view["width"], eyes.view["height"])
        assert eyes.view["may_type"]
        assert eyes.view["url"] == "about:blank"


async def test_a_viewer_looks_and_cannot_type(house: House, session: Session) -> None:
    viewer = a_key(house, "viewer")
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(house, session, viewer), proxy=None)
    assert refused.value.response.status_code == 409, "looking opens no browser"
    async with looking(house, session) as eyes, looking(house, session, viewer) as others:
        await eyes.go(f"{house.run['playground_url']}/social/login")
        await others.until(lambda: others.picture and others.view.get("url") == eyes.view["url"])
        assert not others.view["may_type"]
        for message in ({"type": "text", "text": "x"}, {"type": "go", "url": "about:blank"}, {"type": "copy"}):
            await others.say(**message)
            await others.until(lambda: others.told)
            assert others.told.pop()["code"] == "forbidden"
        assert "/social/login" in others.view["url"]


async def test_whoever_may_not_come_in_is_told_so_before_the_upgrade(house: House, session: Session) -> None:
    foreign = a_key(house, "operator", "neighbour")
    for key, status in ((None, 401), ("psd_0_0", 401), (foreign, 404)):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address(house, session, key), proxy=None)
        assert refused.value.response.status_code == status
    assert not house.browsers(session.id), "nobody's browser was started"
