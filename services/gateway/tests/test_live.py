"""The live view over a real Chromium: what a person sees, and what a person's hands do."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.find import ChromiumNotFoundError, find_chromium
from posada_contracts import access
from posada_runtime.processes import Mark
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

CTRL, SHIFT = 2, 8
FORM = """<title>-</title>
<style>* { margin: 0; font-size: 30px } input { width: 600px; height: 40px; display: block }</style>
<form onsubmit="document.title = 'sent ' + a.value; return false">
  <input id=a><input id=p type=password><button hidden></button>
</form>
<script>
  a.oninput = () => { document.title = 'a:' + a.value };
  p.oninput = () => { document.title = 'p:' + p.value };
</script>"""


def page(html: str) -> str:
    return "data:text/html;charset=utf-8," + quote(html)


@asynccontextmanager
async def a_chromium(folder: Path) -> AsyncIterator[ChromiumProcess]:
    try:
        binary = find_chromium()
    except ChromiumNotFoundError as error:
        pytest.skip(str(error))
    profile, tmp = folder / "profile", folder / "tmp"
    profile.mkdir()
    tmp.mkdir()
    mark = Mark.for_this_process(str(folder), "test", "live", "start-1")
    chromium = await ChromiumProcess.launch(binary, profile, tmp, mark)
    try:
        yield chromium
    finally:
        await chromium.end()


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChromiumProcess]:
    async with a_chromium(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.fixture
async def chromium(shared: ChromiumProcess, scraper: Any) -> AsyncIterator[ChromiumProcess]:
    """The browser of every session; each test leaves one empty tab."""
    scraper.cdp_url = shared.ws_url
    yield shared
    scraper.cdp_url = ""


@pytest.fixture
async def path(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> str:
    return f"/v1/sessions/{(await admin.post('/v1/sessions', json=new_session)).json()['id']}/live"


class Person:
    """Looks and acts, over the live view's WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.view: dict[str, Any] = {}
        self.pictures: list[bytes] = []
        self.told: list[dict[str, Any]] = []

    async def look(self) -> None:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            assert self.view, "what belongs to a picture comes before it"
            self.pictures.append(message)
        elif (told := json.loads(message))["type"] == "view":
            self.view = told
        else:
            self.told.append(told)

    async def until(self, holds: Callable[[], Any], seconds: float = 30) -> Any:
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    await self.look()
        except TimeoutError:
            raise AssertionError(f"never seen; last: {self.view} {self.told}") from None
        return holds()

    async def silence(self, seconds: float) -> None:
        """Look until nothing has come for so long, which a `TimeoutError` tells."""
        while True:
            await asyncio.wait_for(self.look(), seconds)

    async def title(self, title: str) -> None:
        await self.until(lambda: self.view.get("title") == title)

    async def say(self, type: str, **more: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **more}))

    async def go(self, html: str) -> None:
        await self.say("go", url=page(html))
        await self.until(lambda: self.view.get("url") == page(html)[:4000] and not self.view["loading"])

    async def click(self, x: float, y: float, clicks: int = 1) -> None:
        await self.say("mouse", action="move", x=x, y=y)
        for number in range(1, clicks + 1):
            await self.say("mouse", action="down", x=x, y=y, button="left", buttons=1, clicks=number)
            await self.say("mouse", action="up", x=x, y=y, button="left", clicks=number)

    async def press(self, key: str, modifiers: int = 0, letter: str = "") -> None:
        await self.say("key", action="down", key=key, modifiers=modifiers)
        if letter:
            await self.say("text", text=letter)
        await self.say("key", action="up", key=key, modifiers=modifiers)

    async def type(self, text: str) -> None:
        for letter in text:
            await self.press(letter, letter=letter)

    async def answered(self) -> dict[str, Any]:
        await self.until(lambda: self.told)
        return self.told.pop(0)

    async def code(self) -> int:
        """What the connection is ended with."""
        with pytest.raises(ConnectionClosed) as gone:
            await self.until(lambda: False)
        assert gone.value.rcvd is not None
        return gone.value.rcvd.code


@asynccontextmanager
async def looking(client: httpx.AsyncClient, path: str) -> AsyncIterator[Person]:
    url = f"{client.base_url}".rstrip("/").replace("http", "ws", 1) + path
    headers = {"Authorization": client.headers["authorization"]}
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        yield Person(socket)


@pytest.fixture
async def person(admin: httpx.AsyncClient, path: str, chromium: ChromiumProcess) -> AsyncIterator[Person]:
    """Somebody who may type, at an empty tab."""
    async with looking(admin, path) as person:
        await person.until(lambda: person.pictures)
        yield person
        for tab in person.view["tabs"][1:]:
            await person.say("close_tab", tab=tab["id"])
        await person.until(lambda: len(person.view["tabs"]) == 1)
        await person.say("go", url="about:blank")
        await person.until(lambda: person.view["url"] == "about:blank" and not person.view["loading"])


async def test_a_page_on_which_nothing_moves_is_seen_at_once(person: Person) -> None:
    picture = person.pictures[0]
    assert picture[:3] == b"\xff\xd8\xff"
    assert picture[-2:] == b"\xff\xd9"
    assert person.view["may_type"]
    assert 300 < person.view["width"] <= 1280
    assert [tab["id"] for tab in person.view["tabs"]] == [person.view["tab"]]


async def test_what_is_typed_composed_and_pasted_arrives(person: Person) -> None:
    await person.go(FORM)
    await person.click(100, 20)
    await person.type("Hola, ñandú!")
    await person.title("a:Hola, ñandú!")
    await person.say("text", text=" 漢字 😀")
    await person.title("a:Hola, ñandú! 漢字 😀")
    await person.press("Backspace")
    await person.press("ArrowLeft")
    await person.say("text", text="x")
    await person.title("a:Hola, ñandú! 漢字x")
    await person.press("a", modifiers=CTRL)
    await person.say("text", text="pegado")
    await person.title("a:pegado")
    await person.press("Enter")
    await person.title("sent pegado")
    await person.press("Tab")
    await person.type("s3")
    await person.title("p:s3")


async def test_a_page_that_refuses_a_key_does_not_get_its_letter(person: Person) -> None:
    await person.go(
        FORM + "<script>a.onkeydown = (event) => { if (event.key === 'b') event.preventDefault() }</script>"
    )
    await person.click(100, 20)
    await person.type("abc")
    await person.title("a:ac")


async def test_what_is_selected_can_be_copied_but_no_password(person: Person) -> None:
    await person.go(FORM)
    await person.click(100, 20)
    await person.say("text", text="uno dos")
    await person.title("a:uno dos")
    await person.click(20, 20, clicks=2)
    await person.say("copy")
    copied = await person.answered()
    assert (copied["type"], copied["text"].strip()) == ("clipboard", "uno")
    await person.click(100, 60)
    await person.say("text", text="s3cr3t")
    await person.press("a", modifiers=CTRL)
    await person.title("p:s3cr3t")
    await person.say("copy")
    assert "s3cr3t" not in str(await person.answered())


async def test_the_wheel_scrolls_and_a_drag_is_a_drag(person: Person) -> None:
    await person.go(
        "<body style='height: 9000px'><script>onscroll = () => { document.title = 's' + (scrollY > 200) };"
        "onmousemove = (event) => { if (event.buttons) document.title = `d${event.clientX},${event.clientY}` }</script>"
    )
    await person.say("wheel", x=100, y=100, dy=400)
    await person.title("strue")
    await person.say("mouse", action="down", x=10, y=10, button="left", buttons=1)
    await person.say("mouse", action="move", x=70, y=80, button="left", buttons=1)
    await person.title("d70,80")


async def test_a_popup_is_followed_and_left_when_it_closes(person: Person) -> None:
    await person.go("<title>opener</title><body onclick=\"window.open('about:blank').document.title = 'popup'\">")
    first = person.view["tab"]
    await person.click(50, 50)
    await person.until(lambda: person.view["tab"] != first and len(person.view["tabs"]) == 2)
    popup, shown = person.view["tab"], len(person.pictures)
    await person.until(lambda: len(person.pictures) > shown)
    await person.say("switch_tab", tab=first)
    await person.until(lambda: person.view["tab"] == first)
    await person.say("switch_tab", tab=popup)
    await person.until(lambda: person.view["tab"] == popup)
    await person.say("close_tab", tab=popup)
    await person.until(lambda: person.view["tab"] == first and len(person.view["tabs"]) == 1)
    await person.say("close_tab", tab=first)
    await person.until(lambda: person.view["tab"] not in ("", first) and person.view["url"] == "about:blank")


async def test_what_a_page_asks_can_be_answered_in_whatever_tab_it_asks(person: Person) -> None:
    await person.go("<script>onclick = () => { document.title = prompt('¿Quién?', 'nadie') }</script>")
    asking = person.view["tab"]
    await person.click(50, 50)
    await person.until(lambda: person.view["dialog"])
    assert person.view["dialog"] == {"kind": "prompt", "text": "¿Quién?", "default": "nadie"}
    await person.say("answer_dialog", accept=True, text="yo")
    await person.title("yo")
    assert person.view["dialog"] is None
    await person.go("<script>setTimeout(() => { document.title = confirm('¿Sí?') }, 1500)</script>")
    await person.say("open_tab")
    await person.until(lambda: person.view["tab"] != asking)
    await person.until(lambda: person.view["tab"] == asking and person.view["dialog"])
    await person.say("answer_dialog", accept=False)
    await person.title("false")


async def test_back_forward_and_reload(person: Person) -> None:
    await person.go("<title>one</title>")
    await person.go(
        "<title>two</title><script>document.title += performance.getEntriesByType('navigation')[0].type</script>"
    )
    await person.title("twonavigate")
    await person.say("back")
    await person.title("one")
    await person.say("forward")
    await person.until(lambda: person.view["title"].startswith("two"))
    await person.say("reload")
    await person.title("tworeload")


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "view-source:https://x.example", "chrome://version", "javascript:1", " file:///etc"]
)
async def test_an_address_of_this_machine_is_refused_in_words(person: Person, url: str) -> None:
    before = person.view["url"]
    await person.say("go", url=url)
    assert (await person.answered())["code"] == "bad_address"
    assert person.view["url"] == before


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "[]",
        '{"type": "Page.navigate", "url": "file:///"}',
        '{"type": "mouse", "action": "down", "x": "1", "y": 1}',
        '{"type": "mouse", "action": "down", "x": 1e9, "y": 1}',
        '{"type": "text"}',
        '{"type": "text", "text": "x", "more": 1}',
        '{"type": "text", "text": "\\ud800"}',
        '{"type": "text", "text": "' + "x" * 100_001 + '"}',
        '{"type": "view"}',
        b'{"type": "reload"}',
    ],
)
async def test_what_cannot_be_understood_ends_the_connection(
    admin: httpx.AsyncClient, path: str, chromium: ChromiumProcess, message: str | bytes
) -> None:
    async with looking(admin, path) as person:
        await person.socket.send(message)
        assert await person.code() == 1008


async def test_a_viewer_looks_with_others_and_does_nothing(
    tenant: Any, registry: Any, path: str, person: Person
) -> None:
    viewer = await tenant.client("viewer")
    with pytest.raises(InvalidStatus) as refused:
        async with looking(viewer, path):
            pass
    assert refused.value.response.status_code == 409
    place = (tenant.name, path.split("/")[3])
    registry.sessions[place] = replace(registry.sessions[place], browser="open")
    async with looking(viewer, path) as other:
        await person.go(FORM)
        await other.until(lambda: other.view.get("url") == page(FORM) and other.pictures)
        assert not other.view["may_type"]
        for said in (
            {"type": "text", "text": "x"},
            {"type": "key", "action": "down", "key": "a"},
            {"type": "mouse", "action": "down", "x": 1, "y": 1},
            {"type": "go", "url": "about:blank"},
            {"type": "copy"},
            {"type": "open_tab"},
            {"type": "close_tab", "tab": other.view["tab"]},
            {"type": "answer_dialog", "accept": True},
        ):
            await other.socket.send(json.dumps(said))
            assert (await other.answered())["code"] == "forbidden"
        await other.say("switch_tab", tab=other.view["tab"])
        await other.say("seen")


async def test_a_device_may_not_even_look(tenant: Any, path: str, chromium: ChromiumProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with looking(await tenant.client("device"), path):
            pass
    assert refused.value.response.status_code == 403


async def test_a_revoked_key_and_the_server_s_end_end_the_view(
    tenant: Any, log: Any, path: str, chromium: ChromiumProcess, start: Any
) -> None:
    operator = await tenant.client("operator")
    async with looking(operator, path) as person:
        await person.until(lambda: person.pictures)
        await log.add(access.KeyRevoked, tenant.name, operator.headers["authorization"].split("_")[1])
        assert await person.code() == 1008
    another, admin = await start(), await tenant.client("admin")
    async with (
        httpx.AsyncClient(base_url=another.url, headers=admin.headers) as client,
        looking(client, path) as person,
    ):
        await person.until(lambda: person.pictures)
        another.house.stopping.set()
        assert await person.code() == 1012


async def test_the_browser_s_end_ends_the_view(
    admin: httpx.AsyncClient, path: str, scraper: Any, tmp_path: Path
) -> None:
    async with a_chromium(tmp_path) as chromium:
        scraper.cdp_url = chromium.ws_url
        try:
            async with looking(admin, path) as person:
                await person.until(lambda: person.pictures)
                await chromium.end()
                assert await person.code() == 1001
        finally:
            scraper.cdp_url = ""


MOVING = (
    "<script>(function move() { document.body.append(Math.random()); requestAnimationFrame(move) })()</script><body>"
)


async def test_twelve_pictures_a_second_at_most_and_no_more_than_two_ahead(
    admin: httpx.AsyncClient, path: str, person: Person
) -> None:
    await person.go("<body>" + MOVING)
    begun, before = time.monotonic(), len(person.pictures)
    await person.until(lambda: len(person.pictures) >= before + 12)
    assert time.monotonic() - begun > 11 / 12 * 0.9
    async with looking(admin, path) as slow:
        await slow.say("seen")
        with pytest.raises(TimeoutError):
            await slow.silence(2)
        for _ in range(3):
            seen = len(slow.pictures)
            await slow.say("seen")
            await slow.until(lambda seen=seen: len(slow.pictures) > seen)


async def test_the_page_is_the_same_for_any_id_and_holds_nothing(anyone: httpx.AsyncClient, path: str) -> None:
    told = [await anyone.get(each) for each in (path, "/v1/sessions/nobody/live")]
    assert told[0].content == told[1].content
    assert {**told[0].headers, "x-trace-id": ""} == {**told[1].headers, "x-trace-id": ""}
    assert told[0].headers["content-type"].startswith("text/html")
    policy = told[0].headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://", told[0].text)
    for part, kind in (("live.js", "text/javascript"), ("live.css", "text/css")):
        answer = await anyone.get(f"/v1/live/{part}")
        assert answer.headers["content-type"].startswith(kind)
    assert (await anyone.get("/v1/live/live.html")).status_code == 404
