"""WebDriver behind the door, with an unmodified Selenium as its client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from posada_browser_runner.adapters.chromedriver import Chromedriver, NoChromedriverError, find_chromedriver
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.devtools_door import DevtoolsDoor
from posada_browser_runner.adapters.find import ChromiumBinary
from posada_browser_runner.adapters.webdriver import WebDriver
from posada_runtime.processes import Mark, find_marked
from posada_testkit.faults import wait_until
from selenium.webdriver import ChromeOptions, Remote

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]

pytestmark = pytest.mark.e2e
LINGER_S = 0.5
# A client that says when it is in, and then does nothing until it is killed.
CLIENT = """
import sys, time
from selenium.webdriver import ChromeOptions, Remote
driver = Remote(sys.argv[1], options=ChromeOptions())
driver.get("data:text/html,<title>hola</title>")
print(driver.title, flush=True)
time.sleep(600)
"""


@dataclass
class Front:
    door: DevtoolsDoor
    driver: Chromedriver
    chromium: ChromiumProcess
    token: str
    house: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}/{self.token}/webdriver"

    @property
    def clients(self) -> int:
        return self.door.connections(self.token)

    async def raw(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        def ask() -> tuple[int, Any]:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{self.url}{path}", data, method=method)
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        return await asyncio.to_thread(ask)


@pytest.fixture
async def front(browser: Browser, chromium: ChromiumBinary, tmp_path: Path) -> AsyncIterator[Front]:
    try:
        find_chromedriver()
    except NoChromedriverError as error:
        pytest.skip(str(error))
    house = str(tmp_path / "house")
    driver = Chromedriver(Mark.for_this_process(house, "test"))
    door = DevtoolsDoor("127.0.0.1", webdriver=WebDriver(driver, LINGER_S))
    await door.start()
    async with browser(chromium, tmp_path) as one:
        yield Front(door, driver, one, door.open("user1", one.ws_url), house)
        await door.stop()
    assert find_marked(house) == []


def remote(front: Front, options: ChromeOptions | None = None) -> Remote:
    return Remote(front.url, options=options or ChromeOptions())


async def test_an_unmodified_selenium_drives_the_browser_and_leaves_it(front: Front) -> None:
    driver = await asyncio.to_thread(remote, front)
    assert front.clients == 1

    def drive() -> tuple[str, str]:
        driver.get("data:text/html,<title>hola</title><p id=a>1</p>")
        return driver.title, driver.find_element("id", "a").text

    assert await asyncio.to_thread(drive) == ("hola", "1")
    await asyncio.to_thread(driver.quit)
    assert (front.clients, front.chromium.alive) == (0, True)


async def test_what_browser_to_start_is_not_the_client_s_to_choose(front: Front) -> None:
    options = ChromeOptions()
    options.binary_location = "/bin/false"
    options.add_argument("--user-data-dir=/etc")
    options.set_capability("webSocketUrl", True)
    driver = await asyncio.to_thread(remote, front, options)
    assert not {"webSocketUrl", "goog:chromeOptions"} & set(driver.capabilities)
    told = await asyncio.to_thread(driver.execute_script, "return navigator.userAgent")
    assert "Chrome" in told
    await asyncio.to_thread(driver.quit)


async def test_a_client_that_vanishes_frees_the_browser(front: Front) -> None:
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, front.url, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), 60) == b"hola\n"
    assert front.clients == 1
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await wait_until(lambda: front.clients == 0, "the browser is free", within_s=LINGER_S + 1.5)
    assert front.chromium.alive


async def test_a_client_that_connects_for_each_request_keeps_its_session(front: Front) -> None:
    status, told = await front.raw("POST", "/session", {"capabilities": {}})
    assert status == 200
    await asyncio.sleep(LINGER_S * 2)  # longer than a connection may be missed
    assert (await front.raw("GET", f"/session/{told['value']['sessionId']}/url"))[0] == 200


async def test_another_token_s_session_does_not_exist(front: Front) -> None:
    status, told = await front.raw("POST", "/session", {"capabilities": {}})
    other = Front(
        front.door, front.driver, front.chromium, front.door.open("user2", front.chromium.ws_url), front.house
    )
    status, error = await other.raw("GET", f"/session/{told['value']['sessionId']}/url")
    assert (status, error["value"]["error"]) == (404, "invalid session id")
    assert (await front.raw("GET", f"/session/{told['value']['sessionId']}/url"))[0] == 200


@pytest.mark.parametrize("body", [[], {"capabilities": []}, {"capabilities": {"firstMatch": 1}}, "x"])
async def test_capabilities_that_are_none_are_an_error(front: Front, body: Any) -> None:
    status, error = await front.raw("POST", "/session", body)
    assert (status, error["value"]["error"]) == (400, "invalid argument")


async def test_a_closed_token_ends_its_sessions(front: Front) -> None:
    _, told = await front.raw("POST", "/session", {"capabilities": {}})
    front.door.close(front.token)
    path = f"/session/{told['value']['sessionId']}/url"

    async def forgotten() -> bool:
        return (await front.driver.ask("GET", path, b""))[0] == 404

    await wait_until(forgotten, "chromedriver knows it no more")


async def test_a_chromedriver_that_died_is_started_again(front: Front) -> None:
    await asyncio.to_thread(remote, front)
    (first,) = find_marked(front.house)
    os.kill(first.pid, signal.SIGKILL)
    await wait_until(lambda: find_marked(front.house) == [], "it is gone")
    driver = await asyncio.to_thread(remote, front)
    assert await asyncio.to_thread(lambda: driver.current_url)
    await asyncio.to_thread(driver.quit)
