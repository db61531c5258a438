"""W3C WebDriver for the browsers of a runner, each behind its own token.

A WebDriver session is made on the token's own browser, whatever its capabilities ask for, and ends without it. When the
client vanishes, so does its session: one whose client sends many requests over one connection (as Selenium does) ends
`linger_s` after its last connection has gone; one whose client makes a connection for each request, after a minute
without any.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from posada_contracts.errors import PosadaError

from posada_browser_runner.adapters.chromedriver import Chromedriver

IDLE_S = 60.0
_OPTIONS = "goog:chromeOptions"
_NOT_TAKEN = frozenset({_OPTIONS, "webSocketUrl", "browserName", "browserVersion", "platformName", "proxy"})
"""Capabilities about which browser to start: it is there. BiDi's socket would lead past the door."""
_NOT_TOLD = frozenset({"webSocketUrl", _OPTIONS, "chrome", "se:cdp"})

_TYPE_IT = "refused: it would send a file of the runner to the page. To type it into a text field, use Actions"

Answer = tuple[int, bytes]


class _Capabilities(msgspec.Struct, rename="camel"):
    always_match: dict[str, Any] = {}
    first_match: list[dict[str, Any]] = msgspec.field(default_factory=lambda: [{}])


class _Typed(msgspec.Struct):
    text: str = ""
    value: list[str] = []


class _Asked(msgspec.Struct):
    capabilities: _Capabilities


@dataclass(eq=False)
class Connection:
    """One connection of a client."""

    requests: int = 0


@dataclass(eq=False)
class _Drive:
    id: str
    token: bytes
    used_at: float
    on: set[Connection] = field(default_factory=set)
    steady: bool = False  #: its client keeps connections for more than one request


class WebDriver:
    """Passes requests on to chromedriver, and keeps whose each WebDriver session is."""

    def __init__(self, driver: Chromedriver, linger_s: float = 2.0) -> None:
        self._driver, self._linger_s = driver, linger_s
        self._drives: dict[str, _Drive] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def sessions(self, token: bytes) -> int:
        """WebDriver sessions on a token's browser."""
        return sum(drive.token == token for drive in self._drives.values())

    async def answer(
        self, token: bytes, ws_url: str, connection: Connection, method: str, path: str, body: bytes
    ) -> Answer:
        """Answer one request below the token's WebDriver address. Raises nothing."""
        connection.requests += 1
        try:
            return await self._answer(token, ws_url, connection, method, path, body)
        except PosadaError as error:
            return refusal(500, "unknown error", error.detail)

    async def _answer(
        self, token: bytes, ws_url: str, connection: Connection, method: str, path: str, body: bytes
    ) -> Answer:
        words = path.strip("/").split("/")
        if words == ["status"]:
            return 200, msgspec.json.encode({"value": {"ready": True, "message": "the session's browser is open"}})
        if words == ["session"] and method == "POST":
            return await self._begin(token, ws_url, connection, body)
        drive = self._drives.get(words[1]) if len(words) > 1 and words[0] == "session" else None
        if drive is None or drive.token != token:
            return refusal(404, "invalid session id", "there is no such WebDriver session on this browser")
        self._use(drive, connection)
        if any(unquote(word) in ("", ".", "..") for word in words):
            return refusal(404, "unknown command", "this is no WebDriver command")
        if words[-1] == "value" and _names_a_file(body):
            return refusal(403, "invalid argument", _TYPE_IT)
        ends = method == "DELETE" and len(words) == 2
        answer = await self._driver.ask(method, "/" + "/".join(words), body)
        self._use(drive, connection)
        if ends:
            self._drives.pop(drive.id, None)
        return answer

    async def _begin(self, token: bytes, ws_url: str, connection: Connection, body: bytes) -> Answer:
        try:
            asked = msgspec.json.decode(body, type=_Asked)
        except msgspec.MsgspecError:
            return refusal(400, "invalid argument", "send the capabilities as W3C WebDriver has them")
        wanted = msgspec.json.encode(_on_this_browser(asked.capabilities, urlsplit(ws_url).netloc))
        status, told = await self._driver.ask("POST", "/session", wanted)
        if status != 200:
            return status, told
        answer = msgspec.json.decode(told, type=dict[str, Any])
        value = answer["value"]
        value["capabilities"] = {k: v for k, v in value["capabilities"].items() if k not in _NOT_TOLD}
        drive = self._drives[value["sessionId"]] = _Drive(value["sessionId"], token, time.monotonic())
        self._use(drive, connection)
        return 200, msgspec.json.encode(answer)

    def _use(self, drive: _Drive, connection: Connection) -> None:
        drive.used_at = time.monotonic()
        drive.on.add(connection)
        drive.steady = drive.steady or connection.requests > 1

    def gone(self, connection: Connection) -> None:
        """A client's connection has ended."""
        for drive in self._drives.values():
            if connection in drive.on:
                drive.on.discard(connection)
                if not drive.on:
                    after = self._linger_s if drive.steady else IDLE_S
                    asyncio.get_running_loop().call_later(after, self._end_if_unused, drive, after)

    def _end_if_unused(self, drive: _Drive, after_s: float) -> None:
        if not drive.on and time.monotonic() - drive.used_at >= after_s * 0.9:
            self._end(drive)

    def close(self, token: bytes) -> None:
        """The token leads nowhere any more: its WebDriver sessions end."""
        for drive in [each for each in self._drives.values() if each.token == token]:
            self._end(drive)

    def _end(self, drive: _Drive) -> None:
        if self._drives.pop(drive.id, None) is not None:
            task = asyncio.create_task(self._forget(drive.id), name="end a WebDriver session")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _forget(self, id_: str) -> None:
        with contextlib.suppress(PosadaError):
            await self._driver.ask("DELETE", f"/session/{id_}", b"")

    async def stop(self) -> None:
        """End every WebDriver session, and chromedriver."""
        for drive in list(self._drives.values()):
            self._end(drive)
        if self._ending:
            await asyncio.wait(self._ending, timeout=1)
        await self._driver.stop()


def _names_a_file(body: bytes) -> bool:
    """Whether typing this would send files of this machine, should the field be one for files.

    Chromedriver looks for itself what the field is, and a page may change that at any moment: the text alone decides.
    It takes each line for a file's path, less the white space around it; one that is not absolute it does not take.
    """
    try:
        typed = msgspec.json.decode(body, type=_Typed)
    except msgspec.MsgspecError:
        return True
    lines = f"{typed.text}\n{''.join(typed.value)}".splitlines()
    return any(_is_here(line) for line in lines)


def _is_here(line: str) -> bool:
    path = "".join(letter for letter in line if letter.isprintable()).strip()
    if not path.startswith("/"):
        return False
    top = os.path.normpath(path).strip("/").partition("/")[0]
    return os.path.lexists(f"/{top}")


def refusal(status: int, error: str, message: str) -> Answer:
    """An error as W3C WebDriver has it."""
    return status, msgspec.json.encode({"value": {"error": error, "message": message, "stacktrace": ""}})


def _on_this_browser(asked: _Capabilities, address: str) -> dict[str, Any]:
    """The capabilities asked for, without those that choose a browser, on the browser at `address`."""
    always = _kept(asked.always_match) | {_OPTIONS: {"debuggerAddress": address}}
    return {"capabilities": {"alwaysMatch": always, "firstMatch": [_kept(each) for each in asked.first_match]}}


def _kept(capabilities: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in capabilities.items() if name not in _NOT_TAKEN}
